"""Thirty of XTuner's configurations, imported: a step under ftcore's engine, and under XTuner's own parts.

Each on a random model of the architecture it names, on the device that is there: what needs a CUDA device
(fp16, 4-bit weights) is done as the file says on one, and in fp32 with an unquantised adapter on a CPU.
Architectures whose code comes with the weights (InternLM, Baichuan, Qwen 1, ChatGLM, MiniCPM, DeepSeek-MoE)
are not among them: that code is not to be had offline.
"""

import math
from pathlib import Path

import pytest
import torch

from ftcore import compat
from ftcore.config.compose import compose
from ftcore.config.schema import Passthrough
from ftcore.config.xtuner import build
from ftcore.importing.convert import convert
from ftcore.importing.files import config_files
from ftcore.importing.write import write
from tests.fixtures.tiny_families import name_subset, save_model, save_rows

pytestmark = pytest.mark.slow

FILES = {
    "llama_7b_qlora_alpaca_zh_e3": "llama",
    "llama_7b_qlora_moss_sft_plugins_e1": "llama",
    "llama_7b_qlora_lawyer_e3": "llama",
    "llama2_7b_qlora_alpaca_enzh_oasst1_e3": "llama",
    "llama2_7b_qlora_moss_sft_all_e1": "llama",
    "llama2_7b_qlora_arxiv_gentitle_e3": "llama",
    "llama2_7b_qlora_colorist_e5": "llama",
    "llama2_7b_qlora_oasst1_512_e3": "llama",
    "llama2_7b_chat_qlora_medical_e1": "llama",
    "llama2_7b_chat_qlora_sql_e3": "llama",
    "llama2_70b_full_wizardlm_e1": "llama",
    "llama2_7b_full_alpaca_enzh_8k_sp1": "llama",
    "llama2_70b_qlora_open_platypus_e1": "llama",
    "llama3_8b_instruct_full_alpaca_e3": "llama3",
    "yi_34b_qlora_alpaca_enzh_e3": "llama",
    "deepseek_coder_6_7b_base_qlora_code_alpaca_e3": "llama",
    "llama2_7b_qlora_tiny_codes_e1": "llama",
    "mistral_7b_full_custom_pretrain_e1": "mistral",
    "mistral_7b_full_finetune_custom_dataset_e1": "mistral",
    "zephyr_7b_beta_qlora_custom_sft_e1": "mistral",
    "mixtral_8x7b_qlora_oasst1_e3": "mixtral",
    "qwen1_5_0_5b_full_alpaca_e3": "qwen2",
    "qwen1_5_7b_chat_qlora_custom_sft_e1": "qwen2",
    "qwen1_5_moe_a2_7_b_chat_full_alpaca_e3": "qwen2_moe",
    "gemma_2b_full_custom_pretrain_e1": "gemma",
    "gemma_7b_it_qlora_alpaca_e3": "gemma",
    "phi3_mini_4k_instruct_qlora_alpaca_e3": "phi3",
    "starcoder_qlora_stack_exchange_example": "starcoder",
    "cohere_100b_128k_sp32": "cohere",
    "deepseek_v2_lite_chat_full_alpaca_e3": "deepseek_v2",
}
ON_CUDA = torch.cuda.is_available()
UNVERIFIABLE = {
    "varlen": "stock XTuner's variable-length path runs on flash-attn alone",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """One folder in which hub ids are folders, so that everything is found without a network."""
    return tmp_path_factory.mktemp("imported")


@pytest.fixture(scope="module")
def models(work):
    """A function that gives the model of an architecture, made once."""
    made: dict[str, Path] = {}

    def model(architecture: str) -> Path:
        if architecture not in made:
            made[architecture] = save_model(architecture, work / "models" / architecture)
        return made[architecture]

    return model


@pytest.fixture(scope="module")
def group(work):
    """torch.distributed with this process alone, as a worker has it."""
    compat.apply()
    compat.leave_out("deepspeed", *([] if ON_CUDA else ["bitsandbytes"]))
    from ftcore.training.distributed import join, leave
    from launchers import Rank

    rank = Rank(0, 0, 1, 1)
    folder = work / "rendezvous"
    folder.mkdir()
    join(rank, folder, "nccl" if ON_CUDA else "gloo", lambda: None)
    yield rank
    leave()


@pytest.fixture
def experiment(request, work, models, monkeypatch):
    """The imported experiment, cut down to a step on tiny things; its data and model lie in `work`."""
    monkeypatch.chdir(work)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = request.param
    imported = convert(config_files(name)[0], name)
    write(imported, work / "conf", replace=True)
    words = [
        f"experiment={name}", f"model.path={models(FILES[name])}", "model.context_length=null",
        "model.tokenizer.eos_token=null", "model.trust_remote_code=false", "model.attention=sdpa",
        "lora.targets=null", "max_length=512", "parallelism.sequence_parallel=1", "parallelism=single",
        "optim.gradient_accumulation=1", "optim.warmup_ratio=0", "max_steps=1", "nodes=1",
        "data.num_workers=0", "data.micro_batch_size=1", "data.prepare_workers=1", "chat_samples.every=0",
        "cache_dir=cache",
    ]  # fmt: skip
    if ON_CUDA:
        words += ["hardware=cuda", "hardware.devices_per_node=1"]
        if imported.experiment.precision.weights == "bf16":
            words += ["precision.weights=auto"]  # torch unscales no bf16 gradients: such files need DeepSpeed
    else:
        words += ["hardware=cpu", "precision=fp32", "precision.weights=auto"]
        if imported.experiment.lora.method == "qlora":
            words += ["lora=lora", "lora.quantization=null"]
    for key, source in imported.experiment.data.sources().items():
        place = Path(source.path)
        if place.is_absolute():
            place = Path("local") / name / place.name
            words.append(f"data.{key + '.' if key else ''}path={place}")
        save_rows(source.format, work / place / (source.folder or ""))
        if source.subset is not None:
            name_subset(work / place, source.subset)
    experiment = compose(words, config_dir=str(work / "conf")).experiment
    # Two of them pass something through: a schedule of full length, and modelling code of DeepSeek-V2 that
    # was written against another transformers.
    return experiment.model_copy(update={"passthrough": Passthrough(set={}, remove=())})


@pytest.mark.parametrize("experiment", FILES, indirect=True)
def test_own_engine(experiment, group, tmp_path):
    """Prepared, and trained for a step by the engine that a worker runs: a loss that is a number."""
    from ftcore.data.prepare import prepare
    from ftcore.runs import metrics
    from ftcore.runs.directory import make
    from ftcore.runs.files import write_json
    from ftcore.training.engine import Callbacks, train

    prepared = prepare(experiment)
    assert prepared.manifest["rows"]["kept"] > 0 and not prepared.manifest["rows"]["skipped"]
    run = make(tmp_path, experiment.name)
    write_json(run.record, {"schema_version": 2, "attempts": []})
    logs = run.path / "logs"
    logs.mkdir(exist_ok=True)
    callbacks = Callbacks(lambda: False, lambda *_: None, pytest.fail)
    outcome = train(experiment, run, prepared.path, group, logs, callbacks)
    assert outcome.finished and outcome.steps == 1
    (line,) = metrics.read(run.metrics)
    assert math.isfinite(line["loss"]) and 1 < line["loss"] < 20
    assert (
        line["grad_norm"] is None or math.isfinite(line["grad_norm"]) or experiment.precision.dtype == "fp16"
    )


@pytest.mark.parametrize("experiment", FILES, indirect=True)
def test_stock_parts(experiment, group, tmp_path):
    """mmengine's Runner, built of the rebuilt configuration with XTuner's own loop, data and hooks."""
    if experiment.data.varlen:
        pytest.skip(UNVERIFIABLE["varlen"])
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    config = Config(build(experiment))
    config.work_dir, config.launcher = str(tmp_path), "none"
    config.experiment_name = f"stock-{experiment.name}"
    if not ON_CUDA:
        # The stock class asks the device for bf16, which torch.cpu cannot answer.
        config.model.type = "ftcore.training.model.Finetune"
    dataset = config.train_dataloader.dataset
    for one in dataset.get("datasets", [dataset]):
        if one.type == "xtuner.dataset.process_hf_dataset":
            one.map_num_proc = 1
    losses = []

    class Losses(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            losses.append(float(outputs["loss"].detach()))

    runner = Runner.from_cfg(config)
    runner.register_hook(Losses())
    runner.train()
    assert len(losses) == 1 and math.isfinite(losses[0]) and 1 < losses[0] < 20
