"""What an XTuner configuration says that no typed field of ftcore does."""

from typing import Any

from ftcore.config.schema.base import Section, Texts


class Passthrough(Section):
    """Settings of the XTuner configuration by dotted path, unchecked; `import-xtuner` fills it.

    `--cfg xtuner` writes them; ftcore's own training refuses what it would not follow.
    """

    set: dict[str, Any]
    """Dotted path (`model.llm.moe_implementation`) -> value."""

    remove: Texts
    """Dotted paths that the configuration shall not have."""
