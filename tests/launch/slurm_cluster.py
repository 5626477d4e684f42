"""A Slurm of its own for tests: munged, slurmctld and slurmd on this machine, in one folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")

CONF = """\
ClusterName=test
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={controller}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=15
NodeName={name} NodeHostname=localhost Port={node} CPUs=4
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no Slurm can be started here, or an empty string."""
    absent = [program for program in PROGRAMS if not _found(program)]
    if absent:
        return f"{', '.join(absent)} absent: apt-get install slurm-wlm munge (Debian)"
    if os.geteuid() != 0:
        return "slurmd needs root"
    return ""


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Starts it in ``folder``; yields the environment for sbatch and its company."""
    (folder / "state").mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    for path, mode in ((folder, 0o755), (key, 0o600)):
        path.chmod(mode)
    controller, node = _free_ports(2)
    text = CONF.format(
        folder=folder,
        controller=controller,
        node=node,
        name=socket.gethostname().split(".")[0],
    )
    (folder / "slurm.conf").write_text(text)
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    munge = ["--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
    munge += [f"--{kind}-file={folder}/munged.{kind}" for kind in ("pid", "log", "seed")]
    commands = [["munged", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]]
    daemons = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.out").open("ab") as log:
                program = [_found(command[0]), *command[1:]]
                daemons.append(subprocess.Popen(program, env=environment, stdout=log, stderr=log))
            time.sleep(1.0)
        _wait_until_idle(environment)
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()
            daemon.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_until_idle(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"], env=environment, capture_output=True, text=True
        )
        if done.stdout.split() == ["idle"]:
            return
        time.sleep(0.5)
    raise TimeoutError(f"the node of the test cluster is not idle: {done.stdout} {done.stderr}")


def job(environment: dict[str, str], number: str) -> dict[str, str]:
    """What ``scontrol show job`` says: JobState, Restarts, ExitCode, …"""
    done = subprocess.run(
        ["scontrol", "-o", "show", "job", number], env=environment, capture_output=True, text=True
    )
    words = (word.partition("=") for word in done.stdout.split())
    return {key: value for key, _, value in words}
