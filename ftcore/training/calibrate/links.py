"""How fast the cards of one node add up what each of them has."""

import json
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from ftcore.training.calibrate.clock import seconds

REDUCED = {"cuda": 2**28, "cpu": 2**22}
"""Bytes."""


def all_reduce(device: str, ranks: int, at_least: float) -> float:
    """Bus bandwidth of an all-reduce, bytes a second: 2 (ranks - 1) / ranks of the bytes, over its time.

    A process for each card, as in training: NCCL or RCCL, and gloo on a CPU.
    """
    with tempfile.TemporaryDirectory() as folder:
        processes.spawn(_rank, (device, ranks, at_least, folder), nprocs=ranks)
        taken = json.loads((Path(folder) / "seconds.json").read_text(encoding="utf-8"))
    return 2 * (ranks - 1) / ranks * REDUCED[device] / taken


def _rank(rank: int, device: str, ranks: int, at_least: float, folder: str) -> None:
    if device == "cuda":
        torch.cuda.set_device(rank)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    data = torch.ones(REDUCED[device] // 2, dtype=torch.bfloat16, device=device)

    def once() -> None:
        dist.all_reduce(data)

    # Every rank has to call as often as the others: the first says how often.
    each = torch.tensor([seconds(once, 0.0)], device=device)
    dist.all_reduce(each, op=dist.ReduceOp.MAX)
    count = max(1, round(at_least / float(each)))

    def many() -> None:
        for _ in range(count):
            dist.all_reduce(data)

    taken = seconds(many, 0.0) / count
    if rank == 0:
        (Path(folder) / "seconds.json").write_text(json.dumps(taken), encoding="utf-8")
    dist.destroy_process_group()
