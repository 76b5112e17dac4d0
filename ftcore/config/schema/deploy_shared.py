"""What every place to serve a model is told."""

from typing import Annotated

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Section

Port = Annotated[int, Field(ge=1, le=65535)]
ServedName = Annotated[str, Field(pattern=r"^[\w][\w.\-/:]{0,127}$")]
"""What clients call the model: letters, digits, `_`, `-`, `.`, `/`, `:`."""


class Target(Section):
    """Keys of all targets."""

    model_name: ServedName = Field(json_schema_extra=COSMETIC)
    """What clients call the model: at most 128 letters, digits, _ - . / and colons."""
