"""Doctor on a real Slurm: one job of one task a node, gathered, and cancelled when nobody waits for it."""

import signal
import subprocess
import sys
import time
from os import environ

import pytest

from tests.slurm.runs import Site, wait_for

pytestmark = pytest.mark.slurm


@pytest.fixture
def site(slurm, tiny, tmp_path) -> Site:
    return Site(slurm, tiny, tmp_path / "runs")


def doctor(site: Site, *words: str, nodes: int = 2) -> list[str]:
    overrides = [word for word in site.words(nodes, 1) if not word.startswith("-")]  # flags are run's own
    return ["doctor", "--cluster", "--json", *overrides, *words]


def found(told: dict, node: int, topic: str, name: str) -> dict:
    """A line of the answer of the node of that number, counted from 0."""
    lines = told["nodes"][node]["findings"]
    return next(line for line in lines if (line["topic"], line["name"]) == (topic, name))


def test_two_nodes(site):
    """Both nodes answer from inside one job, torch is imported there, and nothing is left behind."""
    answer = site.ftcore(*doctor(site, "cluster.setup=['export FROM_SETUP=1 HSA_FORCE_FINE_GRAIN_PRICE=1']"))
    assert answer.code == 0, answer.err
    told = answer.json
    assert told["ok"] and told["cluster"] == "slurm" and told["differences"] == []
    assert [one["node"] for one in told["nodes"]] == ["node01", "node02"]
    for node in (0, 1):
        assert found(told, node, "torch", "import")["state"] == "ok"
        assert found(told, node, "torch", "gloo")["found"] == "a sum over one rank is right"
        assert "seen by this node" in found(told, node, "disk", "runs_dir: filesystem")["found"]
        assert found(told, node, "environment", "OMP_NUM_THREADS")["found"] == "1"
        assert "PCIE" in found(told, node, "environment", "HSA_FORCE_FINE_GRAIN_PRICE")["remedy"]
    assert f"job {told['job_id']}:" in answer.err
    site.cluster.wait_state(told["job_id"], "COMPLETED")
    assert not list((site.runs / ".doctor").glob("*"))


def test_nodes_that_differ(site, tmp_path):
    """What one node has and another has not is a warning of its own, named by node."""
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text('#!/bin/sh\n[ "$SLURM_PROCID" = 1 ] && export NCCL_DEBUG=INFO\nexec "$@"\n')
    wrapper.chmod(0o755)
    answer = site.ftcore(*doctor(site, f"cluster.prefix=[{wrapper}]"))
    assert answer.code == 0, answer.err
    (one,) = answer.json["differences"]
    assert (one["name"], one["values"]) == ("NCCL_DEBUG", {"node01": "not there", "node02": "INFO"})


def test_what_is_missing_on_the_nodes(site, tmp_path):
    """Exit 1 with the remedy: the accelerators that were asked for are not there."""
    words = ["hardware=dcu", "cluster.python=" + sys.executable]
    answer = site.ftcore(*doctor(site, *words, nodes=1))
    assert answer.code == 1, answer.err
    line = found(answer.json, 0, "accelerators", "asked for")
    assert line["state"] == "missing" and "1 dcu asked for, 0 here" in line["found"]


def test_a_node_that_says_nothing(site):
    """An interpreter that is not there: the job's own words, and where they are kept."""
    answer = site.ftcore(*doctor(site, "cluster.python=/nowhere/python", nodes=1))
    assert answer.code == 1 and "no node answered" in answer.err, answer.err
    assert "/nowhere/python" in answer.err and ".doctor" in answer.err


def test_one_node_fails(site, tmp_path):
    """The other one answers all the same, and the one that does not is named with what it wrote."""
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text('#!/bin/sh\n[ "$SLURM_PROCID" = 1 ] && { echo no toolkit >&2; exit 3; }\nexec "$@"\n')
    wrapper.chmod(0o755)
    answer = site.ftcore(*doctor(site, f"cluster.prefix=[{wrapper}]"))
    assert answer.code == 1, answer.err
    told = answer.json
    assert not told["ok"] and told["differences"] == []
    assert found(told, 0, "torch", "import")["state"] == "ok"
    assert told["nodes"][1]["node"] == "node02"
    assert "no toolkit" in found(told, 1, "node", "answer")["found"]


def test_nobody_lends_a_node(site):
    """The limit passes while the job waits: it is cancelled, and the reason told."""
    answer = site.ftcore(*doctor(site, "cluster.sbatch=['--hold']", nodes=1), "--limit", "2")
    assert answer.code == 1 and "it is cancelled" in answer.err and "pending" in answer.err
    wait_for(lambda: not site.cluster.squeue(), 30)


def test_refused(site):
    """A partition that is not there is a wrong request; no folder is left."""
    answer = site.ftcore(*doctor(site, "cluster.partition=norml", nodes=1))
    assert answer.code == 2 and "cluster.partition" in answer.err and "did you mean normal?" in answer.err
    assert not list((site.runs / ".doctor").glob("*")) and not site.cluster.squeue()


def test_interrupted(site):
    """Ctrl-C takes the job along."""
    command = [sys.executable, "-m", "ftcore", *doctor(site, "cluster.sbatch=['--hold']", nodes=1)]
    env = {**environ, **site.cluster.env}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        wait_for(site.cluster.squeue, 60)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "cancelled" in said
    wait_for(lambda: not site.cluster.squeue(), 30)
