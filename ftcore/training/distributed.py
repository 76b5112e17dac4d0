"""Ranks find each other through the run directory."""

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

from ftcore.config.errors import WorkError
from ftcore.runs.files import read_json, write_json
from launchers import Rank

RENDEZVOUS = "rendezvous.json"
POLL_SECONDS = 0.05
WAIT_SECONDS = 600
"""Between the first rank's arrival and the last one's."""

COLLECTIVE_TIMEOUT = timedelta(minutes=30)

Value = TypeVar("Value")


def join(rank: Rank, attempt: Path, backend: str, check_stop: Callable[[], None]) -> None:
    """Initialise torch.distributed; returns when all ranks are there.

    Rank 0 opens a store on a port that the system picks, so that two jobs on one node cannot clash, and
    writes host and port into the attempt's folder. mmengine and DeepSpeed leave what they find initialised.
    A stop that is asked for before every rank has arrived ends all of them: nobody enters a collective
    alone. Raises WorkError where a rank does not arrive.
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
        _gather(store, rank.world_size, check_stop)
    else:
        place = _wait(lambda: read_json(file), check_stop, f"rank 0 did not appear ({file} is missing)")
        store = dist.TCPStore(place["host"], place["port"], rank.world_size, False, timeout)
        _arrive(store, rank.rank, check_stop)
    place = read_json(file)
    os.environ.update(MASTER_ADDR=place["host"], MASTER_PORT=str(place["port"]))
    dist.init_process_group(
        backend, store=store, rank=rank.rank, world_size=rank.world_size, timeout=COLLECTIVE_TIMEOUT
    )


def leave() -> None:
    """End torch.distributed, if it was begun."""
    if dist.is_initialized():
        dist.destroy_process_group()


def from_main(make: Callable[[], Value]) -> Value:
    """What `make()` gives on rank 0, on every rank; collective."""
    holder = [make() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(holder, src=0)
    return holder[0]


def from_every(value: Value) -> list[Value]:
    """Every rank's value, in order, on every rank; collective."""
    found: list[Value] = [value] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def _gather(store: dist.TCPStore, world_size: int, check_stop: Callable[[], None]) -> None:
    here = [_here(rank) for rank in range(1, world_size)]
    _wait(
        lambda: all(store.check([key]) for key in here), check_stop,
        "some ranks did not appear; their logs say why",
    )  # fmt: skip
    store.set("all_here", "yes")


def _arrive(store: dist.TCPStore, rank: int, check_stop: Callable[[], None]) -> None:
    store.set(_here(rank), "yes")
    try:
        # Rank 0 alone decides whether the job stops here: it may be past its own check already.
        _wait(lambda: store.check(["all_here"]), lambda: None, "some ranks did not appear")
    except dist.DistError as error:
        check_stop()
        raise WorkError("rank 0 ended before training began") from error


def _here(rank: int) -> str:
    return f"here/{rank}"


def _wait(look: Callable[[], Value], check_stop: Callable[[], None], otherwise: str) -> Value:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if value := look():
            return value
        check_stop()
        time.sleep(POLL_SECONDS)
    raise WorkError(f"{otherwise}, after {WAIT_SECONDS} s")
