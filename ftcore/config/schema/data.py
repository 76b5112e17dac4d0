"""The training data, and replies sampled while it is trained on."""

from typing import Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Location, Name, Positive, Section, Texts

Format = Literal[
    "function_calls", "agent_flan", "openai", "conversation", "text", "tokens", "intern_tokens",
    "intern_messages", "alpaca", "alpaca_zh", "arxiv", "code_alpaca", "colors", "crime_kg_assitant",
    "law_reference", "medical", "moss", "msagent_react", "oasst1", "openorca", "sql", "stack_exchange",
    "tiny_codes", "wizardlm",
]  # fmt: skip
"""How a row is read (`ftcore.data.sources`); from `alpaca` on by the name of XTuner's map function."""


class Source(Section):
    """Rows of one origin and one form."""

    format: Format
    """How a row is read: see `ftcore.data.sources`."""

    path: Location | None
    """A file, a folder of files, or null for data that a package ships; with `hub`, a dataset's id there."""

    hub: Literal["huggingface", "modelscope", "openmind"] | None
    """Where `path` is an id rather than a file."""

    subset: str | None
    """The hub dataset's configuration, where it has several."""

    split: str | None
    """Which part of a hub dataset; null is `train`."""

    folder: str | None
    """A folder inside the hub dataset."""

    files: Texts | None
    """Files inside the hub dataset; null takes all."""

    categories: dict[str, Positive | None]
    """BFCL categories to train on, each with the rows drawn from it by `seed`; null takes all
    (`format: function_calls` only)."""

    max_rows: Positive | None
    """Keep this many rows, drawn with `seed`; null keeps all."""


class Data(Source):
    """The training data, and how rows become token sequences."""

    name: Name
    """Of letters (Chinese ones too), digits, `_`, `-`, `.`."""

    mix: dict[str, Source]
    """Further sources under names of your own; all are trained on together, the first one first."""

    on_bad_row: Literal["error", "skip"]
    """A row that cannot be read stops the run with file and line, or is skipped and counted."""

    long_rows: Literal["truncate", "drop"]
    """A row over `max_length` keeps its first `max_length` tokens, or is left out; counted either way."""

    packing: bool
    """Fill sequences of `max_length` with whole rows that never attend to each other."""

    shuffle: bool
    """Draw a new order of the sequences for every epoch."""

    shuffle_before_packing: bool
    """Draw which rows share a sequence; otherwise neighbours do."""

    sampler: Literal["default", "intern_repo"]
    """Whose order `shuffle` draws: by `seed`, or InternEvo's, which is one and the same for everybody."""

    varlen: bool = Field(json_schema_extra=COSMETIC)
    """For stock XTuner only: its flash-attn path that keeps packed rows apart. ftcore always does."""

    micro_batch_size: Positive
    """Sequences a rank takes in one forward pass."""

    num_workers: int = Field(ge=0, json_schema_extra=COSMETIC)
    """Loader processes a rank; 0 reads the memory-mapped cache in the training process itself."""

    prepare_workers: int = Field(ge=0, json_schema_extra=COSMETIC)
    """Processes that tokenise; 0 takes one a core."""

    def origin(self) -> str:
        """Where the rows come from, for people."""
        return " + ".join(source.path or source.format for source in self.sources().values())

    def sources(self) -> dict[str, Source]:
        """Every source by its key under `data` ("" is the first), in the order they are trained on."""
        return {"": self} | {f"mix.{name}": source for name, source in self.mix.items()}


class ChatSamples(Section):
    """Replies sampled during training, to be read by eye; timed apart and off under ZeRO-3."""

    every: int = Field(ge=0)
    """Iterations between samples; 0 turns them off."""

    system: str
    inputs: Texts
    max_new_tokens: Positive

    stop_words: Texts
    """Texts that end a sample, beside those of the template."""
