"""What is handed over in an attempt's folder (`RunDirectory.attempt`), besides logs."""

STOP = "stop.json"
"""Left by whoever asks the attempt to stop: the state to end in, and why."""

ENVIRONMENT = "environment.json"
"""Variables that rank 0 had, secrets masked."""

MACHINES = "machine.*.json"
"""Left by the first rank of every node: `ftcore.hardware.facts`."""

FAILURES = "failure.rank*.json"
"""Left by ranks that failed, for `ftcore.runs.reconcile`."""


def machine(host: str) -> str:
    """The name under which the node `host` leaves its facts."""
    return MACHINES.replace("*", host)


def failure(rank: int) -> str:
    """The name under which `rank` leaves its failure."""
    return FAILURES.replace("*", str(rank))
