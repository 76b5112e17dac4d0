"""Ranks find each other through the run directory."""

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from ftcore.config.errors import WorkError
from ftcore.runs.files import read_json, write_json
from ftcore.stages.context import Rank

RENDEZVOUS = "rendezvous.json"
WAIT_SECONDS = 600


def join(rank: Rank, attempt: Path, backend: str, check_stop: Callable[[], None]) -> None:
    """Initialise torch.distributed; returns when all ranks are there.

    Rank 0 opens a store on a port that the system picks, so that two jobs on one node cannot clash, and
    writes host and port into the attempt's folder. mmengine and DeepSpeed leave what they find initialised.
    """
    os.environ.update(
        RANK=str(rank.rank), WORLD_SIZE=str(rank.world_size), LOCAL_RANK=str(rank.local_rank),
        LOCAL_WORLD_SIZE=str(rank.world_size // rank.nodes),
    )  # fmt: skip
    if backend == "nccl":
        torch.cuda.set_device(rank.local_rank)
    if rank.nodes == 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    timeout = timedelta(seconds=WAIT_SECONDS)
    file = attempt / RENDEZVOUS
    if rank.main:
        host = "127.0.0.1" if rank.nodes == 1 else socket.gethostname()
        store = dist.TCPStore(host, 0, rank.world_size, True, timeout, wait_for_workers=False)
        write_json(file, {"host": host, "port": store.port})
    else:
        place = _wait_for(file, check_stop)
        store = dist.TCPStore(place["host"], place["port"], rank.world_size, False, timeout)
    place = read_json(file)
    os.environ.update(MASTER_ADDR=place["host"], MASTER_PORT=str(place["port"]))
    dist.init_process_group(
        backend, store=store, rank=rank.rank, world_size=rank.world_size, timeout=timedelta(minutes=30)
    )


def leave() -> None:
    """End torch.distributed, if it was begun."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _wait_for(file: Path, check_stop: Callable[[], None]) -> dict:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        check_stop()
        if (place := read_json(file)) is not None:
            return place
        time.sleep(0.05)
    raise WorkError(f"rank 0 did not appear within {WAIT_SECONDS} s ({file} is missing)")
