"""What the test cluster's daemons read: a small copy of how a DCU site sets Slurm up, with short waits."""

from dataclasses import dataclass
from pathlib import Path

CLUSTER_NAME = "ftcore"
DATABASE = "slurm_acct_db"


@dataclass(frozen=True)
class Settings:
    """What a test may want different."""

    nodes: int = 6
    dcus: int = 4
    cpus: int = 32
    memory_mib: int = 120_000
    max_array_size: int = 100
    """Task numbers end below it: 100 allows 0 to 99."""
    max_job_count: int = 1000
    slurmd_timeout: int = 10
    message_timeout: int = 5
    """Seconds: a node is down after about the sum of both without an answer."""
    kill_wait: int = 5
    """Seconds between SIGTERM and SIGKILL."""
    grace_time: int = 10
    """Seconds that a preempted job of partition `low` keeps running."""
    requeue_delay: int = 5
    """Seconds that a requeued job waits (`cred_expire`, 5 at least); on a real site it is Slurm's 120."""
    extra: tuple[str, ...] = ()
    """Lines added to slurm.conf, for example `PreemptParameters=send_user_signal`."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"node{number:02}" for number in range(1, self.nodes + 1))


@dataclass(frozen=True)
class Ports:
    """Where the daemons of one cluster listen."""

    database: int
    accounting: int
    controller: int
    nodes: tuple[int, ...]


def address(number: int) -> str:
    """The address that the name of the node of this number, counted from 1, stands for."""
    return f"127.0.1.{number}"


def slurm_conf(folder: Path, settings: Settings, ports: Ports, hostname: str) -> str:
    """The text of slurm.conf."""
    everything = ",".join(settings.names)
    return "\n".join([
        f"ClusterName={CLUSTER_NAME}",
        f"SlurmctldHost={hostname}(127.0.0.1)",
        f"SlurmctldPort={ports.controller}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.socket,cred_expire={settings.requeue_delay}",
        f"StateSaveLocation={folder}/controller",
        f"SlurmctldPidFile={folder}/slurmctld.own",
        f"SlurmctldLogFile={folder}/slurmctld.log",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmdPidFile={folder}/%n.own",
        f"SlurmdLogFile={folder}/%n.log",
        "SlurmdParameters=config_overrides",
        f"SlurmdTimeout={settings.slurmd_timeout}",
        f"MessageTimeout={settings.message_timeout}",
        "SlurmctldTimeout=30",
        f"KillWait={settings.kill_wait}",
        "KillOnBadExit=1",
        "ReturnToService=2",
        "JobRequeue=1",
        "MailProg=/bin/true",
        "MpiDefault=none",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SwitchType=switch/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1",
        "PriorityType=priority/basic",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        f"MaxArraySize={settings.max_array_size}",
        f"MaxJobCount={settings.max_job_count}",
        "JobAcctGatherType=jobacct_gather/linux",
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={ports.accounting}",
        f"AccountingStoragePass={folder}/munge.socket",  # AuthInfo does not reach this connection
        "AccountingStorageTRES=gres/dcu",
        "AccountingStorageEnforce=associations,limits,qos",
        "GresTypes=dcu,gpu",
        "DefMemPerCPU=1000",
        *settings.extra,
        *(
            f"NodeName={name} NodeHostname={name} NodeAddr=127.0.0.1 Port={port} CPUs={settings.cpus}"
            f" RealMemory={settings.memory_mib} Gres=dcu:{settings.dcus} State=UNKNOWN"
            for name, port in zip(settings.names, ports.nodes, strict=True)
        ),
        f"PartitionName=normal Nodes={everything} Default=YES MaxTime=7-0 State=UP PreemptMode=OFF",
        f"PartitionName=short Nodes={everything} MaxTime=2 State=UP PreemptMode=OFF",
        f"PartitionName=low Nodes={everything} MaxTime=7-0 State=UP PreemptMode=REQUEUE"
        f" GraceTime={settings.grace_time}",
        f"PartitionName=high Nodes={everything} MaxTime=7-0 State=UP PriorityTier=10 PreemptMode=OFF",
        "",
    ])  # fmt: skip


def gres_conf(settings: Settings) -> str:
    """The text of gres.conf: counted, with no device files behind them."""
    return "".join(f"NodeName={name} Name=dcu Count={settings.dcus}\n" for name in settings.names)


def slurmdbd_conf(folder: Path, ports: Ports, hostname: str, password: str) -> str:
    """The text of slurmdbd.conf."""
    return "\n".join([
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.socket",
        f"DbdHost={hostname}",
        "DbdAddr=127.0.0.1",
        f"DbdPort={ports.accounting}",
        "SlurmUser=root",
        f"LogFile={folder}/slurmdbd.log",
        f"PidFile={folder}/slurmdbd.own",
        "StorageType=accounting_storage/mysql",
        "StorageHost=127.0.0.1",
        f"StoragePort={ports.database}",
        "StorageUser=slurm",
        f"StoragePass={password}",
        f"StorageLoc={DATABASE}",
        "",
    ])  # fmt: skip


def database_sql(password: str) -> str:
    """What MariaDB executes as it starts; one statement a line, as its init file wants."""
    return (
        f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n"
        f"CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON {DATABASE}.* TO 'slurm'@'127.0.0.1';\n"
    )
