"""What is handed over in an attempt's folder (`RunDirectory.attempt`), besides logs."""

STOP = "stop.json"
"""Left by whoever asks the attempt to stop: the state to end in, and why."""

FAILURES = "failure.rank*.json"
"""Left by ranks that failed, for `ftcore.runs.reconcile`."""


def failure(rank: int) -> str:
    """The name under which `rank` leaves its failure."""
    return FAILURES.replace("*", str(rank))
