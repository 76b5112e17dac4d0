"""One process, from the command line to a model that plain transformers loads."""

import hashlib
import shutil

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftcore.config.compose import load
from ftcore.data.dataset import EpochSampler, PackedDataset
from ftcore.runs import metrics
from ftcore.stages.sequence import missing
from ftcore.training.schedule import multiplier
from tests.fixtures.tiny import again

STEPS = 30
ACCUMULATION = 2
TEXT = "<|im_start|>user\nWhere does Ada live? (0)<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def done(run_of):
    """Long enough to learn the toy task, with checkpoints and chat samples, whose time must not count."""
    return run_of(
        max_steps=STEPS, lr=0.03, rank=16, optim__gradient_accumulation=ACCUMULATION, checkpoint__every=5,
        optim__warmup_ratio=0.1, chat_samples__every=20, chat_samples__inputs="[Where does Ada live?]",
        chat_samples__system="'Answer {briefly}'", chat_samples__max_new_tokens=8,
    )  # fmt: skip


@pytest.fixture(scope="module")
def full(run_of):
    return run_of(lora="full", max_steps=3, lr=0.001)


def logits(model) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(model.config._name_or_path)
    with torch.no_grad():
        return model(**tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False)).logits


def test_metrics_have_one_line_a_step(done):
    """Steps 1 to the last, none twice."""
    assert [step for (step,) in done.sequence()] == list(range(1, STEPS + 1))


def test_loss_falls_on_a_task_that_can_be_learned(done):
    """Where six people live: nearly certain after thirty steps."""
    losses = [loss for _, loss in done.sequence("loss")]
    assert losses[-1] < 0.5 * losses[0]


def test_rate_follows_the_schedule_and_reaches_its_peak(done):
    """Every step's rate is the pure function's, and the peak is the rate that was asked for."""
    optim = load(done.run.config).optim
    rates = [lr for _, lr in done.sequence("lr")]
    assert rates == pytest.approx([optim.lr * multiplier(step, STEPS, optim) for step in range(STEPS)])
    assert max(rates) == pytest.approx(0.03)


def test_tokens_are_those_of_the_data(done):
    """Each step counts the tokens of the very samples that the sampler deals it, without padding."""
    dataset = PackedDataset(done.record["data"]["prepared"])
    order = iter(EpochSampler(len(dataset), 0, 1, seed=42, shuffle=True))
    for entry in metrics.read(done.run.metrics):
        samples = [dataset[next(order)] for _ in range(ACCUMULATION)]
        assert entry["tokens"] == sum(len(sample["input_ids"]) for sample in samples)
        assert entry["labelled_tokens"] == sum(int((sample["labels"] != -100).sum()) for sample in samples)


def test_step_times_leave_hooks_out(done):
    """Together with loading they are less than the time from the first step to the last."""
    entries = metrics.read(done.run.metrics)
    passed = entries[-1]["time"] - entries[0]["time"]
    assert 0 < sum(entry["step_seconds"] + entry["data_seconds"] for entry in entries[1:]) < passed


def test_record_is_complete(done):
    """State, stages, results, model and data identity, and a right hash of every artifact."""
    entry = done.record
    assert entry["state"] == "completed" and entry["error"] is None
    stages = [(stage["name"], stage["state"]) for stage in entry["stages"]]
    assert stages == [(name, "completed") for name in ("prepare", "train", "export", "merge")]
    assert entry["results"]["steps"] == STEPS
    assert entry["results"]["final_loss"] == done.sequence("loss")[-1][1]
    assert entry["model"]["sha256"] and entry["data"]["cache_key"] and entry["data"]["rows"] == 60
    paths = [artifact["path"] for artifact in entry["artifacts"]]
    assert {"adapter/adapter_model.safetensors", "merged/model.safetensors"} <= set(paths)
    assert len(paths) == len(set(paths))
    for artifact in entry["artifacts"]:
        content = (done.run.path / artifact["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == artifact["sha256"]


def test_merged_equals_adapter_on_base(done, tiny):
    """Loaded by PEFT and by plain transformers, and different from the base."""
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(tiny.model, dtype=torch.float32)
    before = logits(base)
    tuned = logits(PeftModel.from_pretrained(base, done.run.adapter))
    merged = logits(AutoModelForCausalLM.from_pretrained(done.run.merged))
    torch.testing.assert_close(merged, tuned, rtol=1e-4, atol=1e-4)
    assert (merged - before).abs().max() > 0.1


def test_chat_samples_are_in_the_log(done):
    """The replies sampled before, during and after training."""
    log = "".join(path.read_text() for path in done.run.attempt(1).glob("mmengine/*/*.log"))
    assert log.count("Where does Ada live?") >= 3


def test_full_fine_tuning_leaves_a_whole_model(full, tiny):
    """Every weight is there, trained ones differ from the base, and plain transformers loads it."""
    assert not full.run.adapter.exists()
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny.model, full.run.merged))
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before if "proj" in name)
    assert torch.isfinite(logits(AutoModelForCausalLM.from_pretrained(full.run.merged))).all()


def test_only_what_is_missing_is_done_again(done):
    """With merged/ gone the next attempt merges, and no artifact is listed twice."""
    before = {artifact["path"]: artifact["sha256"] for artifact in done.record["artifacts"]}
    started = {stage["name"]: stage["started"] for stage in done.record["stages"]}
    shutil.rmtree(done.run.merged)
    assert missing(load(done.run.config), done.run) == ["merge"]
    assert again(done.run).code == 0
    assert {artifact["path"]: artifact["sha256"] for artifact in done.record["artifacts"]} == before
    ended = {stage["name"]: stage["started"] for stage in done.record["stages"]}
    assert [name for name in ended if ended[name] != started[name]] == ["merge"]


@pytest.mark.slow
def test_trained_result_is_made_again_without_training(done):
    """With trained.json gone, the last checkpoint says that nothing is left to train."""
    before, content = done.sequence("loss", "time"), done.run.trained.read_text()
    done.run.trained.unlink()
    assert again(done.run).code == 0
    assert done.sequence("loss", "time") == before
    assert done.run.trained.read_text() == content
