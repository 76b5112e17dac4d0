"""The test cluster is a Slurm that behaves as the launcher must expect of a real one."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.slurm.cluster import HOSTS, LIMIT, LIMITED_QOS, Cluster, SlurmError, stop_orphans, why_not
from tests.slurm.configuration import Settings

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

# Goes on after a signal, as a training process that has a handler does.
LIVES = "echo life=${SLURM_RESTART_COUNT:-0} node=$SLURMD_NODENAME; srun sleep 300"


def out(path: Path) -> list[str]:
    return path.read_text().splitlines()


def lives(slurm: Cluster, job: str) -> list[str]:
    """How each attempt of a job ended."""
    return [row["State"] for row in slurm.sacct(job, ["State"], "--duplicates")]


def test_six_nodes_of_four_dcus_are_idle(slurm: Cluster):
    """sinfo shows what the settings ask for."""
    assert slurm.run("sinfo", "-h", "-p", "normal", "-o", "%D %T %G").strip() == "6 idle dcu:4"


def test_twenty_four_ranks(slurm: Cluster, tmp_path: Path):
    """One rank a DCU, numbered node by node, each on a machine of its own name, and accounted for."""
    script = "srun bash -c 'echo $SLURM_PROCID $SLURM_LOCALID $(hostname)'"
    job = slurm.sbatch(script, "--nodes=6", "--ntasks-per-node=4", "--gres=dcu:4", f"--output={tmp_path}/out")
    slurm.wait_state(job, "COMPLETED")
    expected = [f"{rank} {rank % 4} node{rank // 4 + 1:02}" for rank in range(24)]
    assert sorted(out(tmp_path / "out"), key=lambda line: int(line.split()[0])) == expected
    slurm.wait_for("accounting", lambda: "gres/dcu=24" in slurm.sacct(job, ["AllocTRES"])[0]["AllocTRES"])


def test_the_names_of_nodes_resolve(slurm: Cluster, tmp_path: Path):
    """A rank finds the first node of SLURM_JOB_NODELIST by its name."""
    script = "first=$(scontrol show hostnames | head -n1); srun -N1 -n1 -w node03 getent hosts $first"
    job = slurm.sbatch(script, "--nodelist=node01,node03", f"--output={tmp_path}/out")
    slurm.wait_state(job, "COMPLETED")
    assert out(tmp_path / "out")[0].split() == ["127.0.1.1", "node01"]


def test_srun_does_not_take_over_cpus_per_task(slurm: Cluster, tmp_path: Path):
    """From Slurm 22.05 on it must be told again."""
    cpus = "scontrol -o show step $SLURM_JOB_ID.$SLURM_STEP_ID | grep -o 'TRES=cpu=[0-9]*'"
    script = f'srun --exact bash -c "{cpus}"; SRUN_CPUS_PER_TASK=4 srun --exact bash -c "{cpus}"'
    script = script.replace("$SLURM_STEP_ID", "\\$SLURM_STEP_ID")
    job = slurm.sbatch(script, "--ntasks=1", "--cpus-per-task=4", f"--output={tmp_path}/out")
    slurm.wait_state(job, "COMPLETED")
    assert out(tmp_path / "out") == ["TRES=cpu=1", "TRES=cpu=4"]


def test_arrays_requeue_the_right_task(slurm: Cluster, tmp_path: Path):
    """Each task runs with its own number; requeueing one leaves the others alone."""
    script = "echo $SLURM_ARRAY_TASK_ID life=${SLURM_RESTART_COUNT:-0}; sleep 3"
    job = slurm.sbatch(script, "--array=0-2", "--open-mode=append", f"--output={tmp_path}/%a")
    slurm.wait_state(f"{job}_1", "RUNNING")
    slurm.requeue(f"{job}_1")
    slurm.wait_gone(job)
    said = [[line for line in out(tmp_path / str(task)) if "life" in line] for task in range(3)]
    assert said == [["0 life=0"], ["1 life=0", "1 life=1"], ["2 life=0"]]
    slurm.wait_for("accounting", lambda: lives(slurm, f"{job}_1") == ["REQUEUED", "COMPLETED"])


def test_arrays_end_below_the_limit(slurm: Cluster):
    """MaxArraySize counts from nought, and is refused when the job is submitted."""
    slurm.sbatch("true", "--array=99", "--hold", "--output=/dev/null")
    with pytest.raises(SlurmError, match="Invalid job array specification"):
        slurm.sbatch("true", "--array=100", "--hold")


def test_a_limit_on_submitted_jobs(slurm: Cluster):
    """Every task of an array counts."""
    slurm.sbatch("true", f"--qos={LIMITED_QOS}", f"--array=1-{LIMIT}", "--hold", "--output=/dev/null")
    with pytest.raises(SlurmError, match="QOSMaxSubmitJobPerUserLimit"):
        slurm.sbatch("true", f"--qos={LIMITED_QOS}", "--hold")


def test_a_warning_signal_comes_before_the_time_limit(slurm: Cluster, tmp_path: Path):
    """`--signal` reaches the steps, up to a minute early, and not the batch script."""
    rank = "trap 'echo rank; exit 0' USR1; sleep 120 & wait"
    job = slurm.sbatch(
        f'trap "echo batch" USR1; srun bash -c "{rank}"',
        "--time=1",
        "--signal=USR1@25",
        f"--output={tmp_path}/out",
    )
    slurm.wait_gone(job, 120)
    assert out(tmp_path / "out") == ["rank"]


def test_requeue_counts_lives(slurm: Cluster, tmp_path: Path):
    """The second life knows that it is one."""
    job = slurm.sbatch(LIVES, "--open-mode=append", f"--output={tmp_path}/out")
    slurm.wait_state(job, "RUNNING")
    slurm.requeue(job)
    slurm.wait_state(job, "PENDING")
    slurm.wait_state(job, "RUNNING")
    time.sleep(1)
    assert [line.split()[0] for line in out(tmp_path / "out") if "life" in line] == ["life=0", "life=1"]
    assert slurm.show("job", job)["Restarts"] == "1"


def test_preemption_requeues_what_does_not_end_by_itself(slurm: Cluster, tmp_path: Path):
    """A job that outlives its grace time comes back."""
    rank = "trap 'echo rank' TERM; while :; do sleep 0.2; done"
    job = slurm.sbatch(
        f'echo life=${{SLURM_RESTART_COUNT:-0}}; srun bash -c "{rank}"',
        *("--partition=low", "--exclusive", "--nodes=6", "--open-mode=append", f"--output={tmp_path}/out"),
    )
    slurm.wait_state(job, "RUNNING")
    time.sleep(1)
    urgent = slurm.sbatch("sleep 1", "--partition=high", "--output=/dev/null")
    slurm.wait_state(urgent, "COMPLETED", 90)
    slurm.wait_state(job, "RUNNING", 90)
    slurm.wait_for("accounting", lambda: lives(slurm, job)[0] == "PREEMPTED")
    assert [line for line in out(tmp_path / "out") if line.startswith("life")] == ["life=0", "life=1"]


def test_preemption_does_not_requeue_what_ends_in_its_grace_time(slurm: Cluster):
    """A trap: a job that ends at the first SIGTERM has ended, and its requeue is its own business."""
    job = slurm.sbatch(
        "srun sleep 300; exit 0", "--partition=low", "--exclusive", "--nodes=6", "--output=/dev/null"
    )
    slurm.wait_state(job, "RUNNING")
    time.sleep(1)
    slurm.sbatch("sleep 1", "--partition=high", "--output=/dev/null")
    slurm.wait_state(job, "COMPLETED", 30)


def test_a_job_requeues_itself(slurm: Cluster, tmp_path: Path):
    """From inside, on a signal, and even though the script then exits with 0."""
    script = (
        'test -n "$SLURM_RESTART_COUNT" && exit 0\n'
        "trap 'scontrol requeue $SLURM_JOB_ID; exit 0' USR2\n"
        "sleep 300 & wait"
    )
    job = slurm.sbatch(script, f"--output={tmp_path}/out")
    slurm.wait_state(job, "RUNNING")
    time.sleep(1)
    slurm.signal(job, "USR2", "--batch")
    slurm.wait_state(job, "COMPLETED", 30)
    slurm.wait_for("accounting", lambda: lives(slurm, job) == ["REQUEUED", "COMPLETED"])


@pytest.mark.parametrize("tell", [False, True])
def test_a_lost_node_requeues_its_jobs(slurm: Cluster, tmp_path: Path, tell: bool):
    """All that ran there is gone, and the job starts again elsewhere."""
    job = slurm.sbatch(LIVES, "--nodes=2", "--open-mode=append", f"--output={tmp_path}/out")
    slurm.wait_state(job, "RUNNING")
    time.sleep(1)
    there = slurm.pids("node01")
    assert there
    slurm.fail_node("node01", tell=tell)
    assert not [pid for pid in there if psutil.pid_exists(pid)]
    slurm.wait_state(job, "PENDING")
    slurm.wait_state(job, "RUNNING")
    time.sleep(1)
    assert [line for line in out(tmp_path / "out") if "life" in line] == [
        "life=0 node=node01",
        "life=1 node=node02",
    ]
    slurm.wait_for("accounting", lambda: lives(slurm, job)[0] == "NODE_FAIL")
    slurm.return_node("node01")


def test_one_failed_rank_ends_the_others(slurm: Cluster, tmp_path: Path):
    """KillOnBadExit; the script's own status decides what becomes of the job."""
    rank = "test $SLURM_PROCID = 2 && exit 7; sleep 300"
    job = slurm.sbatch(f"srun bash -c '{rank}'", "--nodes=2", "--ntasks=4", f"--output={tmp_path}/out")
    slurm.wait_state(job, "FAILED", 30)


def test_dependencies(slurm: Cluster):
    """afterok runs after success, and never after a failure."""
    good, bad = (slurm.sbatch(script, "--output=/dev/null") for script in ("true", "false"))
    after_good, after_bad = (
        slurm.sbatch("true", f"--dependency=afterok:{job}", "--output=/dev/null") for job in (good, bad)
    )
    slurm.wait_state(after_good, "COMPLETED")
    slurm.wait_state(bad, "FAILED")
    time.sleep(2)
    assert [(row["state"], row["reason"]) for row in slurm.squeue("-j", after_bad)] == [
        ("PENDING", "DependencyNeverSatisfied")
    ]


def test_stop_leaves_nothing(slurm: Cluster):
    """A second cluster beside the first, with a running job, is gone without a trace; the first stays."""
    with Cluster(settings=Settings(nodes=2)) as other:
        job = other.sbatch("srun sleep 300", "--nodes=2", "--output=/dev/null")
        other.wait_state(job, "RUNNING")
        time.sleep(1)
        running = [*other.pids("node01"), *other.pids("node02")]
        assert other.start().run("sinfo", "-h", "-p", "normal", "-o", "%D").strip() == "2"
    assert running and not [pid for pid in running if psutil.pid_exists(pid)]
    assert not other.folder.exists()
    assert str(other.folder) not in HOSTS.read_text()
    assert not [process for process in psutil.process_iter(["cmdline"])
                if str(other.folder) in " ".join(process.info["cmdline"] or [])]  # fmt: skip
    assert slurm.run("sinfo", "-h", "-p", "normal", "-o", "%D").strip() == "6"


def test_orphans_are_stopped(slurm: Cluster):
    """A test run that was killed leaves its cluster to the next one to stop."""
    code = (
        "import os; from tests.slurm.cluster import Cluster; from tests.slurm.configuration import Settings;"
        "cluster = Cluster(settings=Settings(nodes=1)).start();"
        "print(cluster.folder, flush=True); os._exit(9)"
    )
    killed = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    folder = Path(killed.stdout.strip())
    assert Cluster(folder).running()
    stop_orphans()
    assert not folder.exists()
    assert slurm.running()


def test_why_not_names_the_command(monkeypatch: pytest.MonkeyPatch):
    """Where Slurm is missing, the reason says what would install it."""
    monkeypatch.setattr(
        "tests.slurm.cluster._find", lambda program: None if program == "slurmd" else "/bin/true"
    )
    assert "slurmd" in why_not() and "python -m tests.slurm.cluster install" in why_not()
