"""Seconds of what a device is given, and of what it does beside a training step."""

import time
from collections.abc import Callable

import torch
from torch import nn

BLOCKS = 3
COPIED = {"cuda": 2**30, "cpu": 2**26}
"""Bytes: far more than a cache holds."""

STEPPED, TENSORS = {"cuda": 2**28, "cpu": 2**22}, 16
"""Parameters that an optimiser steps, in so many tensors."""


def seconds(once: Callable[[], None], at_least: float, quickest: bool = False) -> float:
    """Seconds of one call, in the middle of three blocks that take `at_least` together; two calls before.

    `quickest` of the blocks instead: what a CPU does is only ever slowed down by its neighbours.
    """
    for _ in range(2):
        begin = _now()
        once()
    each = _now() - begin
    count = max(1, round(at_least / BLOCKS / each))
    taken = []
    for _ in range(BLOCKS):
        begin = _now()
        for _ in range(count):
            once()
        taken.append((_now() - begin) / count)
    return min(taken) if quickest else sorted(taken)[BLOCKS // 2]


def keep_busy(once: Callable[[], None], for_seconds: float) -> None:
    """Call `once` until so much time is over."""
    end = time.perf_counter() + for_seconds
    while time.perf_counter() < end:
        once()
        _now()


def memory(device: str, at_least: float) -> float:
    """Bytes a second of a copy in the device's memory, read and written."""
    source = torch.ones(COPIED[device], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * len(source) / seconds(lambda: target.copy_(source), at_least)


def to_host(at_least: float) -> float:
    """Bytes a second from the card to pinned memory."""
    source = torch.ones(COPIED["cuda"] // 4, dtype=torch.uint8, device="cuda")
    target = torch.empty(len(source), dtype=torch.uint8, pin_memory=True)
    return len(source) / seconds(lambda: target.copy_(source, non_blocking=True), at_least)


def optimizer(device: str, fused: bool, at_least: float) -> float:
    """Seconds a trained parameter, fp32, of clipping the gradients' norm and AdamW's step."""
    weights = [nn.Parameter(torch.zeros(STEPPED[device] // TENSORS, device=device)) for _ in range(TENSORS)]
    for one in weights:
        one.grad = torch.full_like(one, 1e-4)
    adamw = torch.optim.AdamW(weights, lr=1e-9, fused=fused)

    def step() -> None:
        nn.utils.clip_grad_norm_(weights, 1.0)
        adamw.step()

    return seconds(step, at_least) / STEPPED[device]


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
