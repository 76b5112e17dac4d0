"""The training loop with a runner that does nothing but keep count."""

import pytest
import torch
from torch import nn

from ftcore import compat

compat.apply()
from ftcore.data.sampler import EpochSampler  # noqa: E402
from ftcore.training.loop import TrainLoop  # noqa: E402

ITERATIONS = 4


class Model(nn.Module):
    """A wrapper that says of itself that it trains, around a model loaded for evaluation."""

    def __init__(self):
        super().__init__()
        self.llm = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).eval()
        self.seen = []

    def train_step(self, batch, optim_wrapper):
        self.seen.append(all(module.training for module in self.modules()))
        return {"loss": torch.zeros(())}


class Runner:
    """What the loop asks of mmengine's."""

    optim_wrapper = None

    def __init__(self, after):
        self.model, self.after = Model(), after

    def call_hook(self, name, **_):
        if name == "after_train_iter":
            self.after(self.model)


@pytest.mark.parametrize("after", [lambda model: None, lambda model: model.eval()])
def test_every_module_trains_at_every_iteration(after):
    """Layers are computed again, and dropout drops, only where the inner modules say that they train: at the
    beginning, and after a hook that had the model answer."""

    def batch(_):
        return {"tokens": 1, "data": {"labels": torch.zeros(1, 1)}}

    sampler = EpochSampler(ITERATIONS, 0, 1, 0, False)
    runner = Runner(after)
    loader = torch.utils.data.DataLoader(range(ITERATIONS), sampler=sampler, collate_fn=batch)
    TrainLoop(runner, loader, ITERATIONS, 1).run()
    assert runner.model.seen == [True] * ITERATIONS
