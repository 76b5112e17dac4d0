"""The trained weights of a checkpoint, in the forms that others read."""

import json
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from ftcore.config.schema import Experiment
from ftcore.models.load import DTYPES, load_model
from ftcore.training.checkpoint_files import Checkpoint

Weights = dict[str, torch.Tensor]

PREFIX = "llm."
"""XTuner's SupervisedFinetune holds the language model under this name."""


def trained_weights(checkpoint: Checkpoint) -> Weights:
    """The weights that were trained, on the CPU, by their names in the language model.

    ZeRO shards are put together from all ranks' files; they come out as fp32, the optimiser's own copy.
    """
    file = checkpoint.path / "state.pth"
    if file.is_file():
        weights = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    else:
        from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

        weights = get_fp32_state_dict_from_zero_checkpoint(
            str(checkpoint.path), tag="state", exclude_frozen_parameters=True
        )
    if strangers := [name for name in weights if not name.startswith(PREFIX)]:
        raise RuntimeError(f"{checkpoint.path} holds no XTuner model: {strangers[:3]}")
    return {name.removeprefix(PREFIX): value.contiguous().clone() for name, value in weights.items()}


def write_adapter(e: Experiment, weights: Weights, folder: Path) -> None:
    """`folder` in PEFT's form: adapter_config.json, adapter_model.safetensors, and the tokenizer."""
    adapter = {name.replace(".default.", "."): value for name, value in weights.items() if "lora_" in name}
    adapter |= {name: value for name, value in weights.items() if "lora_" not in name}
    targets = list(e.lora.targets) if e.lora.targets is not None else _targets(adapter)
    config = LoraConfig(
        r=e.lora.rank, lora_alpha=e.lora.alpha, lora_dropout=e.lora.dropout, bias=e.lora.bias,
        target_modules=sorted(targets), task_type="CAUSAL_LM", base_model_name_or_path=e.model.path,
        inference_mode=True,
    )  # fmt: skip
    config.save_pretrained(folder)
    _sort_targets(folder / "adapter_config.json")
    save_file(adapter, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(e, folder)


def _sort_targets(path: Path) -> None:
    """PEFT keeps the layers' names in a set, whose order changes from process to process."""
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["target_modules"] = sorted(saved["target_modules"])
    path.write_text(json.dumps(saved, indent=2, sort_keys=True), encoding="utf-8")


def write_model(e: Experiment, weights: Weights, folder: Path) -> None:
    """`folder` as an ordinary model folder, after full fine-tuning."""
    config = AutoConfig.from_pretrained(e.model.path, trust_remote_code=e.model.trust_remote_code)
    llm = AutoModelForCausalLM.from_config(config, trust_remote_code=e.model.trust_remote_code)
    missing, unexpected = llm.load_state_dict(weights, strict=False)
    lost = [name for name in missing if name not in getattr(llm, "_tied_weights_keys", {})]
    if lost or unexpected:
        raise RuntimeError(f"checkpoint and model differ: missing {lost[:3]}, unexpected {unexpected[:3]}")
    _write_folder(e, llm, config, folder)


def merge_adapter(e: Experiment, adapter: Path, folder: Path) -> None:
    """`folder` as an ordinary model folder: base weights plus adapter.

    Added in fp32 and rounded once, to `export.dtype`.
    """
    from peft import PeftModel

    config = AutoConfig.from_pretrained(e.model.path, trust_remote_code=e.model.trust_remote_code)
    base = load_model(e.model.path, e.model, torch.float32)
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload(safe_merge=True)
    _write_folder(e, merged, config, folder)


def _write_folder(e: Experiment, llm: PreTrainedModel, base: PretrainedConfig, folder: Path) -> None:
    """The model in `export.dtype` (auto: the base model's own), and its tokenizer."""
    dtype = DTYPES.get(e.export.dtype, getattr(base, "dtype", None) or torch.float32)
    llm.to(dtype).save_pretrained(folder, max_shard_size=f"{e.export.max_shard_gb}GB")
    _write_tokenizer(e, folder)


def _targets(adapter: Weights) -> list[str]:
    """The names of the layers that LoRA was attached to, as the weights tell."""
    return sorted({name.split(".lora_")[0].rpartition(".")[2] for name in adapter if ".lora_" in name})


def _write_tokenizer(e: Experiment, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(e.model.path, trust_remote_code=e.model.trust_remote_code)
    tokenizer.save_pretrained(folder)
