"""A real Slurm on this machine: six nodes of four DCUs, accounting on, everything it keeps in one folder.

    python -m tests.slurm.cluster install | start | stop | status
    eval "$(python -m tests.slurm.cluster env)"      then sbatch, srun, squeue, sacct find it

In a test: `with Cluster() as slurm:`, and `subprocess.run(..., env={**os.environ, **slurm.env})`.
"""

import argparse
import contextlib
import fcntl
import json
import os
import random
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from tests.slurm.configuration import (
    CLUSTER_NAME,
    Ports,
    Settings,
    address,
    database_sql,
    gres_conf,
    slurm_conf,
    slurmdbd_conf,
)

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server-core", "mariadb-client-core")
PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "my_print_defaults",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "sacctmgr",
)
INSTALL = "python -m tests.slurm.cluster install"
HOSTS = Path("/etc/hosts")
POLICY = Path("/usr/sbin/policy-rc.d")
TEMPORARY = Path(tempfile.gettempdir())
DEFAULT_FOLDER = TEMPORARY / "ftcore-slurm"
OWNER = "owner"
ACCOUNT = "ftcore"
LIMITED_QOS, LIMIT = "limited", 3
PASSING = (
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "PREEMPTED", "NODE_FAIL",
    "SIGNALING", "STAGE_OUT", "MIXED", "UNKNOWN",
)  # fmt: skip
"""States after which a job may still reach others; MIXED are an array's, UNKNOWN is not there yet."""


class SlurmError(RuntimeError):
    """A daemon or a command of Slurm did not do what was asked."""


def why_not() -> str | None:
    """Why no cluster can be started here, and what would change that; None where one can."""
    if os.geteuid() != 0:
        return "the Slurm test cluster needs root (it writes the names of its nodes into /etc/hosts)"
    if missing := [program for program in PROGRAMS if _find(program) is None]:
        return f"Slurm is not installed here (missing: {', '.join(missing)}); install it with: {INSTALL}"
    return None


def install() -> float:
    """Install Slurm from the distribution's packages, starting nothing; returns the seconds it took."""
    began = time.monotonic()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
            check=True, env=environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return time.monotonic() - began


def stop_orphans() -> None:
    """Stop the clusters of test runs that ended without stopping theirs."""
    for folder in TEMPORARY.glob("ftcore-slurm-*"):
        if (folder / f"{OWNER}.pid").exists() and not Daemons(folder).alive(OWNER):
            Cluster(folder).stop()


class Cluster:
    """One cluster, all of it below `folder`: a fresh one, or one that another process may have started."""

    def __init__(self, folder: Path | None = None, settings: Settings = Settings()) -> None:  # noqa: B008
        self.settings = settings
        # Not below pytest's folders: a socket's path must stay under 108 characters.
        self.folder = (folder or TEMPORARY / f"ftcore-slurm-{secrets.token_hex(4)}").absolute()
        self._owned = folder is None
        self._daemons = Daemons(self.folder)

    def __enter__(self) -> "Cluster":
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return self.settings.names

    @property
    def env(self) -> dict[str, str]:
        """What a process needs besides its own environment to find this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    # Up and down

    def start(self) -> "Cluster":
        """Bring it up, or what of it is down; returns once all nodes are."""
        if reason := why_not():
            raise SlurmError(reason)
        self._write_files()
        _write_hosts(self.folder, self.names)
        self._start_accounting()
        self._start_controller()
        for name in self.names:
            self._start_node(name)
        self.wait_for("all nodes to be up", self._all_up)
        return self

    def stop(self) -> None:
        """End the jobs and every process that this cluster started, and remove its folder."""
        if self.running():
            self._cancel_everything()
        for file in self.folder.glob("node*.pid"):
            self._kill_node(file.stem)
        for name in ("slurmctld", "slurmdbd", "mariadbd", "munged"):
            self._daemons.stop(name)
        if (self.folder / "slurm.conf").exists():
            _write_hosts(self.folder, ())
            shutil.rmtree(self.folder)

    def running(self) -> bool:
        """Is the controller there?"""
        return self._daemons.alive("slurmctld")

    def reset(self) -> None:
        """Between two tests: no jobs, all nodes back."""
        self._cancel_everything()
        if not self._all_up():
            for name in self.names:
                self.return_node(name)

    # Faults

    def fail_node(self, name: str, tell: bool = False, timeout: float = 60) -> None:
        """Kill the node's slurmd and all that runs on it, as a power failure would; returns once it is down.

        Slurm notices after some 15 s; `tell` marks the node down instead, to the same effect on its jobs.
        """
        self._kill_node(name)
        if tell:
            self.run("scontrol", "update", f"nodename={name}", "state=down", "reason=test")
        self.wait_for(f"{name} down", lambda: "DOWN" in self.node_state(name), timeout)

    def fail_daemon(self, name: str, timeout: float = 60) -> None:
        """Kill the node's slurmd alone: what runs there lives on; returns once the node is down."""
        for process in self._daemons.processes(name):
            process.kill()
            process.wait(10)
        self.wait_for(f"{name} down", lambda: "DOWN" in self.node_state(name), timeout)

    def return_node(self, name: str, timeout: float = 60) -> None:
        """Start the node again; returns once Slurm would use it."""
        self._start_node(name)
        self.wait_for(f"{name} to answer", lambda: "NOT_RESPONDING" not in self.node_state(name), timeout)
        if not _usable(self.node_state(name)):  # a node that was marked by hand stays so
            self.run("scontrol", "update", f"nodename={name}", "state=resume", check=False)
        self.wait_for(f"{name} up", lambda: _usable(self.node_state(name)), timeout)

    def requeue(self, job: str) -> None:
        """`scontrol requeue` of the job."""
        self.run("scontrol", "requeue", job)

    def signal(self, job: str, name: str, *options: str) -> None:
        """`scancel --signal`: to the steps; with `--full` also to the batch script and its children."""
        self.run("scancel", f"--signal={name}", *options, job)

    def pids(self, node: str) -> list[int]:
        """The processes of jobs on a node."""
        return [process.pid for process in self._daemons.below(node)]

    # Asking and submitting

    def run(self, *command: str, check: bool = True, **changed: Any) -> str:
        """What a command prints, with this cluster in its environment; raises with its error text."""
        done = subprocess.run(
            command, text=True, capture_output=True, env={**_own_environment(), **self.env}, **changed
        )
        if check and done.returncode:
            raise SlurmError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def sbatch(self, script: str, *options: str, **changed: Any) -> str:
        """Submit a script's text; returns the job's number."""
        if not script.startswith("#!"):
            script = f"#!/bin/bash\n{script}\n"
        return self.run("sbatch", "--parsable", *options, input=script, **changed).strip().split(";")[0]

    def squeue(self, *options: str) -> list[dict[str, str]]:
        """Jobs that are pending or running (all known ones with `-t all`), an array's tasks one by one."""
        fields = {"id": "%i", "state": "%T", "reason": "%r", "nodes": "%N", "name": "%j", "partition": "%P"}
        try:
            out = self.run("squeue", "-r", "-h", "-o", "|".join(fields.values()), *options)
        except SlurmError as error:
            if "Invalid job id" not in str(error):  # the controller forgets a job five minutes after its end
                raise
            return []
        return [dict(zip(fields, line.split("|"), strict=True)) for line in out.splitlines()]

    def sacct(self, job: str, fields: Iterable[str] = ("JobID", "State", "ExitCode"), *options: str,
              steps: bool = False) -> list[dict[str, str]]:  # fmt: skip
        """Accounting of a job, a second or two behind; `--duplicates` adds the lives before a requeue."""
        fields = list(fields)
        words = ["sacct", "-P", "-n", "-j", job, "-o", ",".join(fields), *options]
        out = self.run(*words, *([] if steps else ["-X"]))
        return [dict(zip(fields, line.split("|"), strict=True)) for line in out.splitlines()]

    def state(self, job: str) -> str:
        """The job's state as the controller has it, or accounting where it has forgotten; `UNKNOWN`."""
        if states := {row["state"] for row in self.squeue("-t", "all", "-j", job)}:
            return states.pop() if len(states) == 1 else "MIXED"
        rows = self.sacct(job, ["State"])
        return rows[0]["State"].split()[0] if rows else "UNKNOWN"

    def wait_state(self, job: str, states: str | Iterable[str], timeout: float = 60) -> str:
        """Wait until the job is in one of these states; fails at once where it has ended in another."""
        wanted = {states} if isinstance(states, str) else set(states)
        what = f"job {job} to be {' or '.join(sorted(wanted))}"

        def there() -> bool:
            state = self.state(job)
            if state not in (*wanted, *PASSING):
                raise SlurmError(f"waited for {what}, and it is {state}")
            return state in wanted

        self.wait_for(what, there, timeout)
        return self.state(job)

    def wait_gone(self, job: str, timeout: float = 60) -> None:
        """Wait until no part of the job is pending or running."""
        self.wait_for(f"end of job {job}", lambda: not self.squeue("-j", job), timeout)

    def wait_for(self, what: str, ready: Callable[[], Any], timeout: float = 60) -> None:
        """Wait until `ready()` is true; raises with the daemons' logs."""
        deadline = time.monotonic() + timeout
        while not ready():
            if time.monotonic() > deadline:
                raise SlurmError(
                    f"waited {timeout:.0f} s for {what}\n{self.run('squeue', check=False)}{self._tail()}"
                )
            time.sleep(0.1)

    def show(self, kind: str, name: str) -> dict[str, str]:
        """`scontrol show KIND NAME` as a table."""
        words = self.run("scontrol", "-o", "show", kind, name).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def node_state(self, name: str) -> str:
        """As Slurm writes it: `IDLE`, `DOWN+NOT_RESPONDING`, ..."""
        return self.show("node", name)["State"]

    # Inside

    def _write_files(self) -> None:
        """All that the daemons read, once: ports and passwords stay while the folder does."""
        if (self.folder / "slurm.conf").exists():
            return
        self.folder.mkdir(exist_ok=True)
        if any(self.folder.iterdir()):
            raise SlurmError(f"{self.folder} holds something that is not a cluster")
        self.folder.chmod(0o755)  # munge wants its socket's folder open to all
        if self._owned:
            self._daemons.note(OWNER, os.getpid())
        hostname, password = socket.gethostname().split(".")[0], secrets.token_hex(12)
        first, second, third, *others = _free_ports(3 + self.settings.nodes)
        ports = Ports(first, second, third, tuple(others))
        for name in ("controller", "spool"):
            (self.folder / name).mkdir(exist_ok=True)
        _write_private(self.folder / "munge.key", secrets.token_bytes(256))
        _write_private(self.folder / "database.sql", database_sql(password).encode())
        _write_private(self.folder / "ports.json", json.dumps(vars(ports)).encode())
        conf = slurmdbd_conf(self.folder, ports, hostname, password)
        _write_private(self.folder / "slurmdbd.conf", conf.encode())
        (self.folder / "gres.conf").write_text(gres_conf(self.settings))
        (self.folder / "slurm.conf").write_text(slurm_conf(self.folder, self.settings, ports, hostname))

    def _start_accounting(self) -> None:
        folder, port = self.folder, json.loads((self.folder / "ports.json").read_text())
        self._daemons.start(
            "munged", "munged", "--foreground", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.own",
            f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed",
        )  # fmt: skip
        if not (folder / "database").exists():
            _run_quietly(
                "mariadb-install-db", "--no-defaults", f"--datadir={folder}/database", "--user=root",
                "--auth-root-authentication-method=normal", "--skip-test-db",
            )  # fmt: skip
        self._daemons.start(
            "mariadbd", "mariadbd", "--no-defaults", f"--datadir={folder}/database", "--user=root",
            f"--socket={folder}/database.socket", f"--pid-file={folder}/mariadbd.own",
            "--bind-address=127.0.0.1", f"--port={port['database']}", f"--init-file={folder}/database.sql",
            "--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        self._wait_daemon("mariadbd", lambda: _listens(port["database"]))
        self._wait_daemon("munged", (folder / "munge.socket").exists)
        self._daemons.start("slurmdbd", "slurmdbd", "-D", env=self.env)
        self._wait_daemon("slurmdbd", lambda: _listens(port["accounting"]))

    def _start_controller(self) -> None:
        if self._daemons.alive("slurmctld"):
            return
        self.run("sacctmgr", "-i", "add", "cluster", CLUSTER_NAME, check=False)  # says so where it is there
        self.run("sacctmgr", "-i", "add", "account", ACCOUNT, f"cluster={CLUSTER_NAME}", check=False)
        self.run("sacctmgr", "-i", "add", "qos", LIMITED_QOS, f"MaxSubmitJobsPerUser={LIMIT}", check=False)
        self.run("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}", f"qos=normal,{LIMITED_QOS}",
                 f"defaultaccount={ACCOUNT}", "defaultqos=normal", check=False)  # fmt: skip
        self._daemons.start("slurmctld", "slurmctld", "-D", "-i", env=self.env)
        self._wait_daemon("slurmctld", lambda: "is UP" in self.run("scontrol", "ping", check=False))

    def _start_node(self, name: str) -> None:
        words = ["slurmd", "-D", "-N", name]
        if _can_rename():  # so that gethostname() is the node's name there
            words = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name, *words]
        self._daemons.start(name, *words, env=self.env)

    def _wait_daemon(self, name: str, ready: Callable[[], Any]) -> None:
        def there() -> bool:
            if not self._daemons.alive(name):
                raise SlurmError(f"{name} ended as it started\n{self._tail()}")
            return ready()

        self.wait_for(name, there)

    def _kill_node(self, name: str) -> None:
        processes = [*self._daemons.processes(name), *self._daemons.below(name)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        self._daemons.stop(name)

    def _cancel_everything(self) -> None:
        """No job is left pending, running or completing."""

        def empty() -> bool:
            jobs = {row["id"].split("_")[0] for row in self.squeue()}
            if jobs:
                self.run("scancel", *jobs, check=False)
                self.run("scancel", "--signal=KILL", "--full", *jobs, check=False)
            return not jobs

        with contextlib.suppress(SlurmError):
            self.wait_for("an empty queue", empty, 30)

    def _all_up(self) -> bool:
        nodes = self.run("sinfo", "-h", "-p", "normal", "-N", "-o", "%N %T", check=False).splitlines()
        return sorted(self.names) == sorted(name for name, state in map(str.split, nodes) if _usable(state))

    def _tail(self) -> str:
        """The ends of the daemons' logs, for a message."""
        logs = [self.folder / f"{name}.log" for name in ("slurmctld", "slurmdbd", "munged")]
        logs += [self.folder / "mariadbd.out", self.folder / "munged.out"]
        ends = {log.name: log.read_text(errors="replace").splitlines()[-5:] for log in logs if log.exists()}
        return "\n".join(f"--- {name}\n" + "\n".join(lines) for name, lines in ends.items() if lines)


class Daemons:
    """Processes known by a file each: its number, and when it was created, as numbers are used again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, name: str, program: str, *words: str, env: dict[str, str] | None = None) -> None:
        """Start it, unless it runs."""
        if self.alive(name):
            return
        with (self._folder / f"{name}.out").open("ab") as out:
            child = subprocess.Popen(
                [_find(program), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self._folder,
                start_new_session=True, env={**_own_environment(), **(env or {})},
            )  # fmt: skip
        self.note(name, child.pid)

    def note(self, name: str, pid: int) -> None:
        """Know the process by this name from now on."""
        self._file(name).write_text(f"{pid} {psutil.Process(pid).create_time()}")

    def processes(self, name: str) -> list[psutil.Process]:
        """The one process of that name, or none."""
        try:
            pid, created = self._file(name).read_text().split()
            process = psutil.Process(int(pid))
            same = abs(process.create_time() - float(created)) < 0.1
            return [process] if same and process.status() != psutil.STATUS_ZOMBIE else []
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return []

    def alive(self, name: str) -> bool:
        return bool(self.processes(name))

    def below(self, node: str) -> list[psutil.Process]:
        """The steps of a node and all that they started; steps outlive their slurmd."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            with contextlib.suppress(psutil.Error):
                title = (process.info["cmdline"] or [""])[0]
                if title.startswith("slurmstepd") and self._is_on(process, node):
                    found += [process, *process.children(recursive=True)]
        return found

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM, timeout: float = 10) -> None:
        """End it, with SIGKILL where it does not go by itself."""
        for process in self.processes(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(how)
                try:
                    process.wait(timeout)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(timeout)
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.pid"

    def _is_on(self, step: psutil.Process, node: str) -> bool:
        """Told by the log that a step keeps open: it has written its title over its environment."""
        return any(file.path == f"{self._folder}/{node}.log" for file in step.open_files())


def _find(program: str) -> str | None:
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _own_environment() -> dict[str, str]:
    """This process's, without what a surrounding Slurm job or another cluster put there."""
    foreign = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SQUEUE_", "SACCT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _run_quietly(program: str, *words: str) -> None:
    done = subprocess.run([_find(program), *words], capture_output=True, text=True)
    if done.returncode:
        raise SlurmError(f"{program}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _can_rename() -> bool:
    return subprocess.run(["unshare", "--uts", "true"], capture_output=True).returncode == 0


def _usable(state: str) -> bool:
    return not any(word in state.upper() for word in ("DOWN", "DRAIN", "UNK", "NOT_RESPONDING", "FAIL", "*"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the kernel hands to outgoing connections."""
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            found.add(port)
    return list(found)


def _write_private(path: Path, text: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(text)


def _write_hosts(folder: Path, names: Iterable[str]) -> None:
    """Make these the names that `folder` has in /etc/hosts; those of clusters whose folder is gone go."""
    mark = "# Slurm test cluster "
    with HOSTS.open("r+") as hosts:
        fcntl.flock(hosts, fcntl.LOCK_EX)
        lines = [line for line in hosts if mark not in line or _stays(line.split(mark)[1].strip(), folder)]
        lines += [f"{address(number)} {name} {mark}{folder}\n" for number, name in enumerate(names, 1)]
        hosts.seek(0)
        hosts.write("".join(lines))
        hosts.truncate()


def _stays(owner: str, folder: Path) -> bool:
    return owner != str(folder) and Path(owner).exists()


@contextlib.contextmanager
def _no_services():
    """Keep the packages from starting their own daemons while they are installed."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.cluster", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    actions = {"install": _install, "start": _start, "stop": _stop, "status": _status, "env": _env}
    parser.add_argument("action", choices=actions)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    chosen = parser.parse_args(words)
    try:
        return actions[chosen.action](Cluster(chosen.folder))
    except (SlurmError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1


def _install(_: Cluster) -> int:
    print(f"installed {' '.join(PACKAGES)} in {install():.1f} s")
    return 0


def _start(cluster: Cluster) -> int:
    began = time.monotonic()
    cluster.start()
    print(f"# up after {time.monotonic() - began:.1f} s")
    return _env(cluster)


def _stop(cluster: Cluster) -> int:
    stop_orphans()
    cluster.stop()
    return 0


def _status(cluster: Cluster) -> int:
    if not cluster.running():
        print(why_not() or f"installed; no cluster runs in {cluster.folder}")
        return 1
    print(cluster.run("sinfo"), cluster.run("squeue"), sep="\n")
    return 0


def _env(cluster: Cluster) -> int:
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in cluster.env.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
