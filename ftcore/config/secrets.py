"""What must not be kept: which variables hold secrets, and texts without them."""

import re
from collections.abc import Mapping

NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|PRIVATE|(^|_)PWD_|(^|_)AUTH(_|$)|(^|_)(API_?)?KEYS?(_|$)",
    re.IGNORECASE,
)
HARMLESS = frozenset({"TOKENIZERS_PARALLELISM"})
VALUE = re.compile(
    r"(?<=://)[^/@\s]+(?=@)|\b(?:hf_|sk-|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA)[\w-]{8,}"
)
"""User and password in an address, and the beginnings that well-known services give their tokens."""

MASK = "***"


def is_secret(name: str) -> bool:
    """Whether a variable of that name holds a secret."""
    return bool(NAME.search(name)) and name not in HARMLESS


def masked(env: Mapping[str, str]) -> dict[str, str]:
    """`env`, sorted, with secrets replaced by MASK."""
    return {name: _value(name, value) for name, value in sorted(env.items())}


def _value(name: str, value: str) -> str:
    if is_secret(name):
        return MASK if value else value
    return VALUE.sub(MASK, value)
