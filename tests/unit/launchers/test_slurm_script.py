"""The batch script, and what is read out of Slurm's answers; no Slurm needed."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.batch import task_exits
from ftcore.config.compose import compose
from ftcore.config.errors import RequestError
from ftcore.jobs import batch_script
from launchers import slurm_queue
from launchers.slurm import clean_environment

JOB = ["hardware=dcu", "nodes=6", "experiment=agentflan_llama3_8b"]


def script(*words: str) -> str:
    return batch_script(compose([*JOB, "cluster=slurm", *words]).experiment)


def options(text: str) -> dict[str, str]:
    found = re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, re.MULTILINE)
    return {name: shlex.split(value)[0] if value else "" for name, value in found}


def command(text: str) -> list[str]:
    return shlex.split(text.splitlines()[-1])


def test_one_task_an_accelerator():
    """Six nodes of four, the gres as most sites spell it, and what srun does not inherit given again."""
    text = script("cluster.cpus_per_task=8", "cluster.partition=p", "cluster.mem=90G")
    told = options(text)
    assert (told["nodes"], told["ntasks-per-node"], told["gres"]) == ("6", "4", "dcu:4")
    assert (told["cpus-per-task"], told["partition"], told["mem"]) == ("8", "p", "90G")
    assert told["signal"] == "USR2@180" and "requeue" in told and "account" not in told
    words = command(text)
    srun = words[words.index("--") + 1 :]
    assert srun[0] == "srun" and {"--cpus-per-task=8", "--kill-on-bad-exit=1"} <= set(srun)


def test_what_was_submitted_is_imported():
    """The frozen packages come first, and the folder the job was submitted from does not count (-P)."""
    text = script()
    assert re.search(
        r"^export PYTHONPATH=RUN/\S+/code/src\$\{PYTHONPATH:\+:\$PYTHONPATH\}$", text, re.MULTILINE
    )
    words = command(text)
    assert [words[i + 1] for i, word in enumerate(words) if word.endswith("python")] == ["-P", "-P"]


def test_site_settings_in_their_places():
    """Set-up lines before the environment, a container before python, options of the site's own."""
    text = script(
        "cluster.setup=['module load dtk']", "cluster.prefix=[apptainer, exec, 'my image.sif']",
        "cluster.python=/opt/py", "cluster.sbatch=['--mail-type=END']", "cluster.srun=['--mpi=none']",
        "cluster.exclusive=true", "cluster.exclude='n[1-2]'", "+cluster.env.NCCL_SOCKET_IFNAME='ib0 x'",
    )  # fmt: skip
    assert (
        text.index("module load dtk") < text.index("export NCCL_SOCKET_IFNAME='ib0 x'") < text.index("exec ")
    )
    words = command(text)
    assert words[:5] == ["exec", "apptainer", "exec", "my image.sif", "/opt/py"]
    assert words.count("my image.sif") == 2 and "--mpi=none" in words
    told = options(text)
    assert told["mail-type"] == "END" and "exclusive" in told and told["exclude"] == "n[1-2]"


@pytest.mark.parametrize(("hardware", "gres"), [("dcu", "dcu:4"), ("cuda", "gpu:4"), ("cpu", None)])
def test_gres_by_hardware(hardware, gres):
    """null asks for none, and a site's own spelling stands."""
    words = [
        "cluster=slurm",
        f"hardware={hardware}",
        "hardware.devices_per_node=4",
        "parallelism=ddp",
        "precision=auto",
    ]
    base = ["model=qwen3_8b", "data=alpaca", *words]
    assert options(batch_script(compose(base).experiment)).get("gres") == gres
    own = compose([*base, "cluster.gres=gpu:a100:4"]).experiment
    assert options(batch_script(own))["gres"] == "gpu:a100:4"


@pytest.mark.parametrize(
    "word",
    ["cluster.time=soon", "cluster.mem=lots", "cluster.attempts=0", "cluster.signal_seconds=5",
     "cluster.cpus_per_task=0"],
)  # fmt: skip
def test_wrong_setting_is_told(word):
    """Under its key, before Slurm is asked."""
    with pytest.raises(RequestError, match=word.split("=")[0]):
        compose([*JOB, "cluster=slurm", word])


@pytest.mark.parametrize("choice", ["example_dcu", "example_cuda"])
def test_examples_compose(choice):
    """Both say that they are examples, and make a script."""
    hardware = choice.removeprefix("example_")
    experiment = compose(
        [f"hardware={hardware}", "nodes=2", "model=qwen3_8b", "data=alpaca", f"cluster={choice}"]
    ).experiment
    assert "#SBATCH --partition=" in batch_script(experiment)


SAID = """\
srun: error: node02: task 3: Killed
srun: error: node01: tasks 0-1: Exited with exit code 1
srun: error: node03: tasks 5,7-8: Segmentation fault
srun: launch/slurm: _step_signal: Terminating StepId=4.0
slurmstepd-node03: error: *** STEP 4.0 ON node01 CANCELLED ***
"""


def test_exits_out_of_what_srun_says():
    """Each rank that ended badly with code or signal and its node; other lines say nothing of ranks."""
    exits = task_exits(SAID, 7.0)
    assert {rank: (one["code"], one["node"]) for rank, one in exits.items()} == {
        "3": (-9, "node02"), "0": (1, "node01"), "1": (1, "node01"), "5": (-11, "node03"),
        "7": (-11, "node03"), "8": (-11, "node03"),
    }  # fmt: skip
    assert task_exits("all is well\n", 0) == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 1800), ("30:15", 1815), ("1:00:00", 3600), ("2-00", 172800), ("1-12:30", 131400),
     ("1-00:00:01", 86401)],
)  # fmt: skip
def test_times(text, seconds):
    """Every form that sbatch's manual has."""
    assert slurm_queue.seconds(text) == seconds


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_time_of_days(days, hours, minutes, secs):
    """D-H:M:S is what it says."""
    text = f"{days}-{hours:02d}:{minutes:02d}:{secs:02d}"
    assert slurm_queue.seconds(text) == ((days * 24 + hours) * 60 + minutes) * 60 + secs


def test_marks_of_another_job_do_not_leak(monkeypatch):
    """Submitting from inside a job: its SLURM_ variables would be options of the new one."""
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("SBATCH_PARTITION", "x")
    monkeypatch.setenv("SLURM_CONF", "/etc/own.conf")
    monkeypatch.setenv("HOME", "/home/me")
    kept = clean_environment()
    assert "SLURM_JOB_ID" not in kept and "SBATCH_PARTITION" not in kept
    assert kept["SLURM_CONF"] == "/etc/own.conf" and kept["HOME"] == "/home/me"


def test_cfg_sbatch_needs_slurm():
    """There is no batch script on a local cluster."""
    from ftcore.cli.main import main

    assert main(["--cfg", "sbatch"]) == 2


def test_interfaces_have_names_of_their_own():
    """One setting for what NCCL, RCCL and gloo each want to be told; `env` has the last word."""
    text = script("cluster.interface=ib0", "cluster.ib_hca='shca_0:1'")
    for line in ("NCCL_SOCKET_IFNAME=ib0", "GLOO_SOCKET_IFNAME=ib0", "NCCL_IB_HCA=shca_0:1"):
        assert f"export {line}\n" in text
    text = script("cluster.interface=ib0", "+cluster.env.GLOO_SOCKET_IFNAME=eth0")
    assert "export GLOO_SOCKET_IFNAME=eth0\n" in text and "export NCCL_SOCKET_IFNAME=ib0\n" in text
    assert "IFNAME" not in script()


def test_the_rest_in_a_job_of_its_own():
    """Two scripts: the second of one task, with one accelerator, after the first, whatever that one needs."""
    first, second = script(
        "cluster.finish.own_job=true", "cluster.mem=90G", "cluster.exclusive=true", "cluster.nodelist=n1"
    ).split("# and after job JOB of the above:\n")
    assert "dependency" not in options(first)
    told = options(second)
    assert (told["nodes"], told["ntasks-per-node"], told["gres"], told["mem"]) == ("1", "1", "dcu:1", "90G")
    assert told["dependency"] == "afterok:JOB" and told["kill-on-invalid-dep"] == "yes"
    assert "exclusive" not in told and "nodelist" not in told
    assert "-m ftcore.batch" in second and " next -- srun" in second
