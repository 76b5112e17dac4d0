"""Services that serve the merged model, or send requests to what serves it."""

from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from ftcore.config.schema.base import COSMETIC, Location, Positive, Section, Texts
from ftcore.config.schema.deploy_shared import Port, ServedName, Target

Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]
"""`http://host:port`, with a path where the service has one."""


class Xinference(Target):
    """Registered and launched on a running Xinference server. Its password or key is the environment's."""

    kind: Literal["xinference"] = Field(json_schema_extra=COSMETIC)

    server: Address = Field(json_schema_extra=COSMETIC)
    """Where the server listens; Xinference's own port is 9997."""

    username: str = Field(min_length=1, json_schema_extra=COSMETIC)
    """Whose account is used (XINFERENCE_PASSWORD), or made where the server has none yet."""

    model_path: Location | None = Field(json_schema_extra=COSMETIC)
    """The merged folder as the server's own machine or container sees it; null is its path here."""

    engine: str = Field(min_length=1, json_schema_extra=COSMETIC)
    """Xinference's engine: transformers, vLLM, SGLang, ..."""

    family: str | None = Field(min_length=1, json_schema_extra=COSMETIC)
    """Xinference's `model_family`; null is the model's own name."""

    languages: Texts = Field(min_length=1, json_schema_extra=COSMETIC)

    n_gpu: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(json_schema_extra=COSMETIC)
    """Cards for the model; 0 is none."""

    replicas: Positive = Field(json_schema_extra=COSMETIC)

    virtual_env: bool | None = Field(json_schema_extra=COSMETIC)
    """Whether the server installs the engine into an environment of its own; null leaves it to the server."""

    launch_options: dict[str, Any] = Field(json_schema_extra=COSMETIC)
    """More of the launch request: what the engine takes, such as gpu_memory_utilization for vLLM."""

    key_file: Location | None = Field(json_schema_extra=COSMETIC)
    """Where an API key for clients is written (mode 600), of a server that asks for one; null makes none."""

    launch_seconds: Positive = Field(json_schema_extra=COSMETIC)
    """A launch that takes longer has failed."""


class OneApi(Target):
    """A channel of a running One-API. Its access token is the environment's."""

    kind: Literal["oneapi"] = Field(json_schema_extra=COSMETIC)

    server: Address = Field(json_schema_extra=COSMETIC)
    """Where One-API listens."""

    upstream: Address = Field(json_schema_extra=COSMETIC)
    """What serves the model, as One-API sees it: `http://xinference:9997/v1`."""

    upstream_model: ServedName | None = Field(json_schema_extra=COSMETIC)
    """What the upstream calls the model; null is `model_name`."""

    channel_type: Literal[1, 8, 50] = Field(json_schema_extra=COSMETIC)
    """1 OpenAI, 8 custom (both add /v1 by themselves), 50 OpenAI-compatible (from One-API 0.6.11)."""

    channel: str = Field(min_length=1, max_length=100, json_schema_extra=COSMETIC)
    """Name of the channel."""

    group: str = Field(pattern=r"^[^,\s]{1,32}$", json_schema_extra=COSMETIC)
    """One-API's group of users that may use it."""

    priority: int = Field(json_schema_extra=COSMETIC)

    test_seconds: Positive = Field(json_schema_extra=COSMETIC)
    """The channel's test may take that long."""


Use = Literal["datasets", "classify", "extract", "tool_calls", "query_extension"]


class TokenBudget(Target):
    """What FastGPT is told of the model."""

    provider: str = Field(min_length=1, json_schema_extra=COSMETIC)
    """Under which maker FastGPT lists the model; Other where it has none (from 4.8.16)."""

    version: str = Field(pattern=r"^v?\d+(\.\d+){1,2}([-.].*)?$", json_schema_extra=COSMETIC)
    """FastGPT's version, which decides the form of the entry."""

    context: Positive | None = Field(json_schema_extra=COSMETIC)
    """Tokens of prompt and reply; null is the model's own context."""

    max_response: Positive | None = Field(json_schema_extra=COSMETIC)
    """Tokens of a reply; null is a quarter of the context, at most 4,096."""

    uses: Annotated[tuple[Use, ...], Strict(False)] = Field(json_schema_extra=COSMETIC)
    """What FastGPT may take the model for, beyond talking."""

    max_temperature: Annotated[float, Field(ge=0, le=2)] = Field(json_schema_extra=COSMETIC)

    tool_calls: bool = Field(json_schema_extra=COSMETIC)
    """Whether the served address speaks OpenAI's tool calls; if not, FastGPT asks for them in the prompt."""

    request_url: Address | None = Field(json_schema_extra=COSMETIC)
    """The model's own address, past One-API (from 4.8.20); the whole path, /v1/chat/completions included."""


class FastGpt(TokenBudget):
    """An entry in FastGPT's configuration file."""

    kind: Literal["fastgpt"] = Field(json_schema_extra=COSMETIC)

    config: Location | None = Field(json_schema_extra=COSMETIC)
    """`config.json` of FastGPT before 4.8.20, or the list that a newer one exports; null prints the entry."""


Image = Annotated[str, Field(pattern=r"^[\w][\w.\-/:]*:[\w][\w.\-]*(@sha256:[0-9a-f]{64})?$")]
"""An image with its version."""


class Images(Section):
    """Service of the stack -> its image."""

    pg: Image = Field(json_schema_extra=COSMETIC)
    mongo: Image = Field(json_schema_extra=COSMETIC)
    mysql: Image = Field(json_schema_extra=COSMETIC)
    oneapi: Image = Field(json_schema_extra=COSMETIC)
    oneapi_password: Image = Field(json_schema_extra=COSMETIC)
    """Holds curl; changes One-API's first password once."""

    sandbox: Image = Field(json_schema_extra=COSMETIC)
    fastgpt: Image = Field(json_schema_extra=COSMETIC)
    xinference: Image = Field(json_schema_extra=COSMETIC)


class Stack(TokenBudget):
    """A folder with a compose file of everything around the model."""

    kind: Literal["stack"] = Field(json_schema_extra=COSMETIC)

    folder: Location = Field(json_schema_extra=COSMETIC)
    """Where the compose file, the secrets and FastGPT's config.json are written."""

    listen: str = Field(min_length=1, json_schema_extra=COSMETIC)
    """Address of this machine that the ports are opened on."""

    fastgpt_port: Port = Field(json_schema_extra=COSMETIC)
    oneapi_port: Port = Field(json_schema_extra=COSMETIC)
    xinference_port: Port = Field(json_schema_extra=COSMETIC)

    gpus: Literal["all", "none"] = Field(json_schema_extra=COSMETIC)
    """Cards that Xinference's container sees."""

    images: Images = Field(json_schema_extra=COSMETIC)


class LmDeploy(Target):
    """The command that serves the model with LMDeploy."""

    kind: Literal["lmdeploy"] = Field(json_schema_extra=COSMETIC)

    host: str = Field(min_length=1, json_schema_extra=COSMETIC)
    port: Port = Field(json_schema_extra=COSMETIC)

    backend: Literal["turbomind", "pytorch"] = Field(json_schema_extra=COSMETIC)

    device: Literal["cuda", "ascend", "maca", "camb"] = Field(json_schema_extra=COSMETIC)
    """Others than cuda are the pytorch backend's."""

    tensor_parallel: Positive = Field(json_schema_extra=COSMETIC)

    dtype: Literal["auto", "fp16", "bf16"] = Field(json_schema_extra=COSMETIC)

    cache_share: Annotated[float, Field(gt=0, lt=1)] = Field(json_schema_extra=COSMETIC)
    """Share of the memory left by the weights that the key-value cache takes."""

    tool_parser: str | None = Field(min_length=1, json_schema_extra=COSMETIC)
    """LMDeploy's parser of tool calls; null for none (ReAct text goes through deploy=openai)."""


class Vllm(Target):
    """The command that serves the model with vLLM."""

    kind: Literal["vllm"] = Field(json_schema_extra=COSMETIC)

    host: str = Field(min_length=1, json_schema_extra=COSMETIC)
    port: Port = Field(json_schema_extra=COSMETIC)

    tensor_parallel: Positive = Field(json_schema_extra=COSMETIC)

    dtype: Literal["auto", "fp32", "fp16", "bf16"] = Field(json_schema_extra=COSMETIC)

    memory_share: Annotated[float, Field(gt=0, le=1)] = Field(json_schema_extra=COSMETIC)
    """Share of a card's memory that vLLM takes."""

    tool_parser: str | None = Field(min_length=1, json_schema_extra=COSMETIC)
    """vLLM's parser of tool calls; null for none (ReAct text goes through deploy=openai)."""
