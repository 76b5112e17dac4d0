"""What a configuration trains; anything but supervised fine-tuning of a language model is refused by name."""

from typing import Any

from ftcore.config.errors import Problem, nearest, shortened

SUPERVISED = ("xtuner.model.SupervisedFinetune", "xtuner.model.sft.SupervisedFinetune", "SupervisedFinetune")
"""What `model.type` of supervised fine-tuning is: by import, or by its name in XTuner's registry."""

OTHERS = {
    "LLaVAModel": "is a vision-language model; ftcore has no image encoder, no projector and no image data",
    "InternVL_V1_5": "is a vision-language model; ftcore has no vision tower and no image data",
    "DPO": (
        "is preference optimisation; ftcore has no reference model, no pairs of chosen and rejected replies"
    ),
    "ORPO": (
        "is preference optimisation; ftcore has no odds-ratio loss, no pairs of chosen and rejected replies"
    ),
    "RewardModel": "trains a model that scores replies; ftcore has no value head and no ranked replies",
}
"""XTuner's other models, by class name: what they are and what of theirs ftcore lacks."""


def refusal(settings: dict[str, Any]) -> Problem | None:
    """Why ftcore cannot train what `settings` (read.XTunerFile.settings) describe; None where it can."""
    if settings.get("framework") == "huggingface":
        message = "'huggingface' trains with the Trainer of transformers; ftcore trains with XTuner's runner"
        return Problem("framework", f"{message}: it needs a model of type SupervisedFinetune")
    for name in ("model", "train_dataloader"):
        if not isinstance(settings.get(name), dict):
            found = "is no dict" if name in settings else "is missing"
            return Problem(name, f"{found}; a configuration of XTuner has `{name} = dict(...)`")
    return _model(settings["model"].get("type"))


def _model(kind: Any) -> Problem | None:
    if kind in SUPERVISED:
        return None
    if not isinstance(kind, str):
        found = "is missing" if kind is None else f"{shortened(repr(kind), 60)} is no name"
        return Problem("model.type", f"{found}; supervised fine-tuning has {SUPERVISED[0]}")
    package, _, name = kind.rpartition(".")
    if name in OTHERS and (not package or package.partition(".")[0] == "xtuner"):
        return Problem("model.type", f"{name} {OTHERS[name]}: it trains by supervised fine-tuning only")
    return Problem(
        "model.type",
        f"{shortened(kind)} is not known; ftcore trains {SUPERVISED[0]} only",
        nearest=nearest(kind, SUPERVISED),
    )
