"""Where a finished run's model is served. Keys and passwords are the environment's, never here."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Section
from ftcore.config.schema.deploy_services import FastGpt, LmDeploy, OneApi, Stack, Vllm, Xinference
from ftcore.config.schema.deploy_shared import Port, Target


class NoDeploy(Section):
    """Nowhere: the run leaves a folder."""

    kind: Literal["none"] = Field(json_schema_extra=COSMETIC)


class OpenAi(Target):
    """A server of this machine that speaks OpenAI's protocol, or its tool calls in front of another one."""

    kind: Literal["openai"] = Field(json_schema_extra=COSMETIC)

    host: str = Field(min_length=1, json_schema_extra=COSMETIC)
    """Address to listen on; 127.0.0.1 is this machine alone."""

    port: Port = Field(json_schema_extra=COSMETIC)

    upstream: str | None = Field(pattern=r"^https?://[^\s/@]+(/\S*)?$", json_schema_extra=COSMETIC)
    """`http://host:9997/v1` of a server that has the model already; null loads it here."""

    upstream_model: str | None = Field(min_length=1, json_schema_extra=COSMETIC)
    """What the upstream calls the model; null is `model_name`."""

    tools: Literal["auto", "function_calls", "agent_flan", "native"] = Field(json_schema_extra=COSMETIC)
    """The prompt that tells the model of tools; auto is the one it was trained with."""

    thoughts: Literal["reasoning", "content", "drop"] = Field(json_schema_extra=COSMETIC)
    """Where a reply's Thought goes: `reasoning_content`, `content`, or nowhere."""

    max_tokens: int = Field(ge=1, json_schema_extra=COSMETIC)
    """Tokens of a reply where the client does not say."""

    device: Literal["auto", "cpu", "cuda"] = Field(json_schema_extra=COSMETIC)
    """auto is a card where there is one."""

    dtype: Literal["auto", "fp32", "bf16", "fp16"] = Field(json_schema_extra=COSMETIC)
    """Weights in memory; auto is what the folder holds."""


AnyTarget = OpenAi | Xinference | OneApi | FastGpt | Stack | LmDeploy | Vllm
Deploy = Annotated[NoDeploy | AnyTarget, Field(discriminator="kind")]
