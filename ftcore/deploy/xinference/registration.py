"""What Xinference is told of a model, in both generations of its form. Pure.

Source: `xinference/model/llm/llm_family.py` of 1.7.1 (LLMFamilyV1) and 4.1.0 (LLMFamilyV2).
"""

import re
from typing import Any

from ftcore.config.schema import Xinference
from ftcore.deploy.served import Served

SECOND_FROM = (1, 8)
"""Xinference's first version whose specs are of generation 2; it refuses the first one's, and older servers
the second's."""

NAME = re.compile(r"^[^+\\/?%#&=\s]+$")
"""Names that Xinference takes (`is_valid_model_name`)."""

OURS = re.compile(r"^ftcore run (?P<run>\S+)(?: on (?P<engine>\S+))?$")
"""The description of a model that ftcore registered: which run's it is, and what it was launched on, which
servers before 4 do not tell."""

SIZE = re.compile(r"^\d+(\.\d+)*")


def generation(version: str) -> int:
    """1 or 2, for a server of that version (`1.7.1.post1`, `4.1.0`). ValueError where it is no version."""
    found = SIZE.match(version.removeprefix("v"))
    if found is None:
        raise ValueError(f"{version!r} is no version of Xinference")
    return 2 if tuple(int(part) for part in found[0].split(".")[:2]) >= SECOND_FROM else 1


def size_in_billions(billions: float) -> int | str:
    """Parameters as Xinference writes them: 8 for 8.03, `1_8` for 1.8, `0_135` for 0.135; never nothing."""
    digits = f"{billions:.1f}" if billions >= 0.95 else f"{max(billions, 0.001):.3f}"
    whole, _, part = digits.partition(".")
    part = part.rstrip("0")
    return f"{whole}_{part}" if part else int(whole)


def abilities(served: Served) -> list[str]:
    """`generate`, and `chat` where there is a template.

    Never `tools`: Xinference then parses replies as the family's own model writes them, and a model trained
    on Thought / Action / Action Input writes something else. Its tool calls go through `deploy=openai`.
    """
    return ["generate", *(["chat"] if "chat" in served.abilities else [])]


def registration(served: Served, settings: Xinference, generation: int) -> dict[str, Any]:
    """The JSON of a model for servers of that generation."""
    quantization = {"quantization": "none"} if generation == 2 else {"quantizations": ["none"]}
    return {
        "version": generation,
        "context_length": served.context_length,
        "model_name": served.model_name,
        "model_lang": list(settings.languages),
        "model_ability": abilities(served),
        "model_description": f"ftcore run {served.run_name}/{served.run_id} on {settings.engine}",
        "model_family": settings.family or served.model_name,
        "model_specs": [
            {
                "model_format": "pytorch",
                "model_size_in_billions": size_in_billions(served.billions),
                **quantization,
                "model_id": None,
                "model_uri": f"file://{settings.model_path or served.folder}",
            }
        ],
        "chat_template": served.chat_template,
        "stop_token_ids": list(served.stop_token_ids),
        "stop": list(served.stop),
    }


def launch(spec: dict[str, Any], settings: Xinference) -> dict[str, Any]:
    """The body of the request that starts a registered model, under its own name."""
    of_files = spec["model_specs"][0]
    body = {
        "model_uid": spec["model_name"],
        "model_name": spec["model_name"],
        "model_type": "LLM",
        "model_engine": settings.engine,
        "model_format": of_files["model_format"],
        "model_size_in_billions": of_files["model_size_in_billions"],
        "quantization": "none",
        "replica": settings.replicas,
        # Xinference knows no number for "none": null is.
        "n_gpu": settings.n_gpu or None,
    }
    if settings.virtual_env is not None:
        body["enable_virtual_env"] = settings.virtual_env
    return body | settings.launch_options


def same(there: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Whether a server's registration is this one; it answers with more keys than it was given."""
    mine, theirs = _comparable(spec), _comparable(there)
    specs = zip(mine.pop("model_specs"), theirs.pop("model_specs"), strict=False)
    return _within(mine, theirs) and all(_within(one, other) for one, other in specs)


def again(there: dict[str, Any]) -> dict[str, Any]:
    """A registration as a server tells it, fit to be registered again."""
    return {name: value for name, value in there.items() if value is not None and name != "is_builtin"}


def owner(there: dict[str, Any]) -> str | None:
    """`NAME/RUN_ID` of the run that a registration or running model is of; None where not ftcore's."""
    found = OURS.match(there.get("model_description") or "")
    return found["run"] if found else None


def engine(there: dict[str, Any]) -> str | None:
    """The engine that a registration of ftcore's was launched on."""
    found = OURS.match(there.get("model_description") or "")
    return found["engine"] if found else None


def _comparable(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "model_specs": [{**one} for one in spec.get("model_specs", ())]}


def _within(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return all(theirs.get(name) == value for name, value in mine.items())
