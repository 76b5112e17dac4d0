"""Which of the variables that a run's first rank had may have a part in its result."""

import re
from collections.abc import Mapping

PASSING = re.compile(
    r"^(SLURM|SLURMD|SUBMITIT|PMI|SSH|XDG|DBUS|VSCODE|TERM|LESS|LS_COLORS|FTCORE_ATTEMPT)|"
    r"^(PWD|OLDPWD|SHLVL|_|HOSTNAME|HOST|LOGNAME|USER|MAIL|TMPDIR|WINDOWID|DISPLAY|PS1|HISTFILE|COLUMNS|LINES)$"
)
"""Of one shell or one job, with no part in what is computed."""


def lasting(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without what changes from shell to shell and from job to job."""
    return {name: value for name, value in env.items() if not PASSING.match(name)}
