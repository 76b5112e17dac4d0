"""The training data, and the measures taken before and after training."""

from typing import Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Location, Name, Positive, Section, Texts


class Data(Section):
    """One source of rows, and how rows become token sequences."""

    name: Name
    """Of letters (Chinese ones too), digits, `_`, `-`, `.`."""

    format: Literal["function_calls", "agent_flan", "openai", "alpaca", "text"]
    """How a row is read: see `ftcore.data.sources`."""

    path: Location | None
    """A file, a folder of files, or null for data that a package ships."""

    categories: dict[str, Positive | None]
    """BFCL categories to train on, each with the rows drawn from it by `seed`; null takes all
    (`format: function_calls` only)."""

    max_rows: Positive | None
    """Keep this many rows, drawn with `seed`; null keeps all."""

    on_bad_row: Literal["error", "skip"]
    """A row that cannot be read stops the run with file and line, or is skipped and counted."""

    long_rows: Literal["truncate", "drop"]
    """A row over `max_length` keeps its first `max_length` tokens, or is left out; counted either way."""

    packing: bool
    """Fill sequences of `max_length` with whole rows that never attend to each other."""

    shuffle: bool

    micro_batch_size: Positive
    """Sequences a rank takes in one forward pass."""

    num_workers: int = Field(ge=0, json_schema_extra=COSMETIC)
    """Loader processes a rank; 0 reads the memory-mapped cache in the training process itself."""

    prepare_workers: int = Field(ge=0, json_schema_extra=COSMETIC)
    """Processes that tokenise; 0 takes one a core."""


class Evaluation(Section):
    """Held-out cases, answered greedily by the base and by the tuned model."""

    kind: Literal["none", "function_calls"]

    categories: Texts
    """BFCL categories scored for the right call; none of them may be trained on."""

    cases: int = Field(ge=0)
    """Cases drawn from `categories`; 0 takes all."""

    refusal_categories: Texts
    """BFCL categories where no tool fits and the right reply is a refusal."""

    refusal_cases: int = Field(ge=0)

    max_new_tokens: Positive

    batch_size: Positive = Field(json_schema_extra=COSMETIC)

    side_by_side: int = Field(ge=0, json_schema_extra=COSMETIC)
    """Cases whose full texts go into the report."""


class ChatSamples(Section):
    """Replies sampled during training, to be read by eye; timed apart and off under ZeRO-3."""

    every: int = Field(ge=0)
    """Iterations between samples; 0 turns them off."""

    system: str
    inputs: Texts
    max_new_tokens: Positive
