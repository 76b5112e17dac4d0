"""The job that doctor makes, and what becomes of its answers; no Slurm needed."""

import json

import pytest

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError
from ftcore.doctor import nodes
from ftcore.doctor.nodes import launcher, on_nodes, spec

SITE = [
    "hardware=dcu", "nodes=3", "cluster=slurm", "cluster.partition=p", "cluster.account=a",
    "cluster.setup=['module load dtk']", "cluster.prefix=[apptainer, exec, x.sif]", "cluster.python=python3",
    "cluster.interface=ib0", "cluster.sbatch=['--comment=x']", "cluster.srun=['--mpi=none']",
]  # fmt: skip


def test_the_job_is_trainings_own(tmp_path):
    """Partition, account, gres, set-up, container, python and environment; one task a node, one start."""
    e = compose(SITE).experiment
    text = launcher(e.cluster).script(spec(e, tmp_path))
    for line in (
        "#SBATCH --nodes=3", "#SBATCH --ntasks-per-node=1", "#SBATCH --partition=p", "#SBATCH --account=a",
        "#SBATCH --gres=dcu:4", "#SBATCH --time=15:00", "module load dtk", "export NCCL_SOCKET_IFNAME=ib0",
        "#SBATCH --comment=x",
    ):  # fmt: skip
        assert line in text.splitlines()
    assert text.index("--requeue") < text.index("--no-requeue")
    command = text.splitlines()[-1]
    assert command.startswith("exec apptainer exec x.sif python3 -P -u -m ftcore.doctor.nodes")
    assert command.index("--kill-on-bad-exit=1") < command.index("--kill-on-bad-exit=0")
    assert "--mpi=none" in command


def test_local_is_refused():
    """With what to say in its place."""
    e = compose(["hardware=cpu"]).experiment
    with pytest.raises(RequestError, match="cluster=slurm"):
        on_nodes(e, [], 10, print, lambda: False)


def test_one_of_two_answers(tmp_path):
    """The silent one has a line with its last words, under its name where that is known."""
    (tmp_path / "logs/1").mkdir(parents=True)
    (tmp_path / "logs/1/rank1.err").write_text("\nlibgalaxyhip.so not found\n")
    answer = {"node": "n1", "findings": [{"topic": "t", "name": "x", "state": "ok", "found": "1"}]}
    told = nodes._by_node(tmp_path, {0: answer}, 2)
    assert told["n1"][0].found == "1" and "libgalaxyhip" in told["task 1"][0].found
    (tmp_path / nodes.NAMES).write_text(json.dumps(["n1", "n2"]))
    told = nodes._by_node(tmp_path, {0: answer}, 2)
    assert list(told) == ["n1", "n2"] and told["n2"][0].state == "missing"


def test_silence(tmp_path):
    """What the log says; without any log, the folder that the nodes may not see."""
    assert "do they see" in nodes._silence("7", tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/slurm-7.log").write_text("\n".join(f"line {n}" for n in range(50)))
    said = nodes._silence("7", tmp_path)
    assert "line 49" in said and "line 3\n" not in said
