"""The XTuner configuration that a run leaves, under XTuner's and mmengine's own classes.

Stock SupervisedFinetune asks the device for bf16, which `torch.cpu` cannot answer: its subclass stands in.
Everything else (runner, loop, hooks, dataset, collation, optimiser, schedule) is the stock part.
"""

import pytest
from mmengine.config import Config

from ftcore import compat
from ftcore.data.dataset import PackedDataset

STEPS = 4


@pytest.fixture(scope="module")
def done(run_of):
    """What both sides understand alike: rows in their own order, a rate that never changes, and a begin
    token, which stock XTuner puts first wherever the tokenizer has one (and fails where it has none)."""
    return run_of(
        model__bos=True,
        max_steps=STEPS, data__packing=False, data__shuffle=False, data__micro_batch_size=2,
        optim__gradient_accumulation=1, optim__schedule="constant", optim__warmup_ratio=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stock(done, tmp_path_factory):
    """mmengine's runner of the printed configuration, and the loss of every iteration it trained."""
    compat.apply()
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    config = Config.fromfile(done.run.xtuner_config)
    config.work_dir = str(tmp_path_factory.mktemp("stock"))
    config.launcher = "none"
    config.model.type = "ftcore.training.model.Finetune"
    config.train_dataloader.dataset.map_num_proc = 1
    losses = []

    class Losses(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            losses.append(float(outputs["loss"].detach()))

    runner = Runner.from_cfg(config)
    runner.register_hook(Losses())
    runner.train()
    return runner, losses


def test_tokenised_samples_are_the_same(done, stock):
    """Input ids and labels of every row, as process_hf_dataset makes them."""
    ours = PackedDataset(done.record["data"]["prepared"])
    theirs = stock[0].train_dataloader.dataset
    assert len(ours) == len(theirs)
    for index in range(len(ours)):
        assert ours[index]["input_ids"].tolist() == theirs[index]["input_ids"]
        assert ours[index]["labels"].tolist() == theirs[index]["labels"]


def test_stock_loop_comes_to_the_same_losses(done, stock):
    """Step by step, to fp32 rounding."""
    assert stock[1] == pytest.approx([loss for _, loss in done.sequence("loss")], rel=1e-5)


def test_stock_parts_are_what_the_configuration_says(stock):
    """Loop, hooks and optimiser are XTuner's and mmengine's; nothing of ftcore is in the configuration."""
    runner = stock[0]
    names = {type(hook).__module__.split(".")[0] for hook in runner.hooks} - {__name__.split(".")[0]}
    assert type(runner.train_loop).__module__ == "xtuner.engine.runner.loops"
    assert {"mmengine", "xtuner"} <= names and "ftcore" not in names
    assert type(runner.optim_wrapper.optimizer).__name__ == "AdamW"
