"""What several files here compare with."""

from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def stock():
    """XTuner's own functions, imported as ftcore does."""
    import transformers.utils

    transformers.utils.is_safetensors_available = lambda: True
    import xtuner.dataset
    from xtuner.dataset import intern_repo, map_fns, moss_sft, samplers, utils
    from xtuner.utils import templates

    return SimpleNamespace(
        map_fns=map_fns, intern_repo=intern_repo, MOSSSFTDataset=moss_sft.MOSSSFTDataset, samplers=samplers,
        encode_fn=utils.encode_fn, get_bos_eos_token_ids=utils.get_bos_eos_token_ids, templates=templates,
        process=xtuner.dataset.process_hf_dataset,
    )  # fmt: skip
