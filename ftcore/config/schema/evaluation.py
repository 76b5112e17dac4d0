"""What is measured before and after training."""

from typing import Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Location, Positive, Section, Texts


class Perplexity(Section):
    """How well held-out text is foreseen: what training made a model forget shows here."""

    text: Location | None
    """`python_reference` (CPython's language reference, which comes with Python), or a file: `.jsonl` of
    `{"text"}`, a document a line, or anything else as one document of plain text; null measures none."""

    max_tokens: Positive
    """The first so many tokens of it, whole windows or not."""

    window: Positive
    """Tokens that a forward pass sees."""

    stride: Positive
    """Tokens from one window's beginning to the next; those that two share are context in the second."""

    batch_size: Positive = Field(json_schema_extra=COSMETIC)


class Endpoint(Section):
    """How a served model is asked (`ftcore evaluate --endpoint`)."""

    prompt: Literal["text", "tools"] = Field(json_schema_extra=COSMETIC)
    """The same messages as in process, tools and form in the system prompt; or the question with the tools as
    the API's `tools`, and calls as its `tool_calls`."""

    concurrency: Positive = Field(json_schema_extra=COSMETIC)
    """Requests under way at once."""

    retries: int = Field(ge=0, json_schema_extra=COSMETIC)
    """Of a request that met no answer, 408, 429 or 5xx; after 1, 2, 4, ... seconds."""

    timeout_seconds: Positive = Field(json_schema_extra=COSMETIC)


class Evaluation(Section):
    """Held-out cases, answered greedily by the base and by the tuned model, and held-out text."""

    kind: Literal["none", "function_calls", "bfcl", "perplexity"]
    """`function_calls`: form, tool, arguments and refusals apart. `bfcl`: a share for each category by BFCL's
    own checker. `perplexity`: of text alone."""

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

    perplexity: Perplexity
    """Beside whatever `kind` measures; none where that is `none`."""

    endpoint: Endpoint

    @property
    def asks(self) -> bool:
        """Whether cases are answered."""
        return self.kind in ("function_calls", "bfcl")
