"""The training loop: iterations, their true times, and a clean way to stop."""

import time
from dataclasses import dataclass

import torch
from mmengine.runner import BaseLoop, FlexibleRunner, IterBasedTrainLoop
from torch.utils.data import DataLoader

from ftcore.data.encode import IGNORE_INDEX
from ftcore.data.sampler import EpochSampler


@dataclass(slots=True)
class Iteration:
    """What the last iteration took: seconds without hooks, the rank's own tokens, and its loss, which may
    still be on its way on a GPU."""

    data_seconds: float = 0.0
    seconds: float = 0.0
    tokens: int = 0
    labelled: int = 0
    loss: torch.Tensor | None = None


class TrainLoop(IterBasedTrainLoop):
    """mmengine's iteration loop, timed between the hooks instead of across them.

    mmengine books what hooks take (checkpoints, chat samples) as the next iteration's data time; and on
    resume it draws every batch up to the old position, where here the sampler starts there.

    A GPU is waited for at the end of each optimiser step only, so that it never runs dry between its micro
    batches: hooks are told the loss of a step's last iteration alone, and an iteration's seconds are right
    as a sum over the step.
    """

    last: Iteration

    def __init__(
        self, runner: FlexibleRunner, dataloader: DataLoader, max_iters: int, accumulation: int
    ) -> None:
        # Past mmengine's own constructor, which opens the loader: that draws from torch's generator before
        # the adapter is, and starts a second set of loader processes.
        BaseLoop.__init__(self, runner, dataloader)
        self._max_iters, self._iter, self._max_epochs, self._epoch = max_iters, 0, 1, 0
        self.stop_training = False
        self.accumulation = accumulation

    def run(self) -> torch.nn.Module:
        """Train from the current iteration to the last one, or until `stop_training` is set."""
        sampler = self.dataloader.sampler
        assert isinstance(sampler, EpochSampler)
        sampler.start = self._iter * self.dataloader.batch_size
        batches = iter(self.dataloader)
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        # All of it, whatever the wrapper says of itself: transformers loads models for evaluation.
        self.runner.model.train()
        while self._iter < self._max_iters and not self.stop_training:
            self._in_training_mode()
            begin = time.perf_counter()
            batch = next(batches)
            tokens = batch.pop("tokens")
            self.last = Iteration(time.perf_counter() - begin, 0.0, tokens, labelled_tokens(batch))
            self.run_iter(batch)
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _in_training_mode(self) -> None:
        """What a hook may have changed. Asked first: to tell every module of an adapted 8B model takes 15 ms,
        in which a card that was waited for has nothing to do."""
        model = self.runner.model
        if not (model.training and getattr(model, "module", model).training):
            model.train()

    def run_iter(self, data_batch: dict) -> None:
        """One forward and backward pass, and an optimiser step where the accumulation is full."""
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        begin = time.perf_counter()
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        ends_step = (self._iter + 1) % self.accumulation == 0
        if torch.cuda.is_available():
            if self._iter % self.accumulation:
                # The card was at work on the micro batch before while this one's data was fetched.
                begin -= self.last.data_seconds
            if ends_step:
                torch.cuda.synchronize()
        self.last.seconds = time.perf_counter() - begin
        self.last.loss = outputs["loss"].detach()
        self.runner.call_hook(
            "after_train_iter", batch_idx=self._iter, data_batch=data_batch,
            outputs=outputs if ends_step else None,
        )  # fmt: skip
        self._iter += 1


def labelled_tokens(batch: dict) -> int:
    """Tokens of `batch` that the loss is taken over, those of ranks that share its sequences too."""
    data = batch["data"]
    return data["all_labelled"] if "all_labelled" in data else int((data["labels"] != IGNORE_INDEX).sum())
