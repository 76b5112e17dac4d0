"""What every section of the schema shares."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

COSMETIC = {"cosmetic": True}
"""`json_schema_extra` of fields that cannot change the numbers a run produces; left out of `config_hash`."""


class Section(BaseModel):
    """A part of the Experiment: immutable, no unknown keys, no silent conversion of types.

    Sections hold no default values: those stand in `conf/`, and only there, so that a default
    cannot differ between the configuration that people read and the code.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        defer_build=True,
    )


Texts = Annotated[tuple[str, ...], Strict(False)]
"""A YAML list of strings (pydantic's strict mode would insist on a Python tuple)."""

Name = Annotated[str, Field(pattern=r"^\w[\w.\-]{0,99}$")]
"""Fit to be a folder's name: letters (Chinese ones too), digits, `_`, `-`, `.`."""

Location = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")]
"""A path of this file system, or a hub id."""

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Environment = dict[str, Annotated[str, BeforeValidator(_number_as_text)]]
"""Names and values; `OMP_NUM_THREADS: 1` needs no quotes."""
