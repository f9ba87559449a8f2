"""A Slurm cluster of this one machine for the tests, in a temporary folder, on free ports: munged, slurmctld and slurmd, without accounting (no sacct)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
CONF = """
ClusterName=tdsm
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MailProg=/bin/true
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no cluster can be started here, or ""."""
    if os.getuid() != 0:
        return "Slurm's daemons are started as root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{', '.join(absent)} not installed (Debian: slurmctld slurmd slurm-client munge)" if absent else ""


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start it; gives the environment in which its commands work. Everything is ended and nothing left outside ``folder``.

    Raises:
        RuntimeError: it does not come up within 20 s; the message holds the ends of the logs.
    """
    folder = folder.resolve()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    (folder / "slurm.conf").write_text(CONF.format(host=socket.gethostname().split(".")[0], folder=folder, controller=_port(), node=_port()))
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    munge = [f"--socket={folder}/munge.socket", f"--key-file={folder}/munge.key", f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed"]
    daemons = [["munged", "--foreground", "--force", *munge, f"--log-file={folder}/munge.log"], ["slurmctld", "-D", "-c", "-i"], ["slurmd", "-D", "-c"]]
    started = []
    try:
        for command in daemons:
            with (folder / f"{command[0]}.out").open("wb") as log:
                started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True))
            time.sleep(0.5)
        _wait(folder, environment)
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True)
        until = time.monotonic() + 8
        while time.monotonic() < until and subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True).stdout:
            time.sleep(0.2)
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(folder: Path, environment: dict[str, str]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        seen = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True)
        if seen.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-500:]}" for path in sorted(folder.glob("*.[lo][ou][gt]")))
    raise RuntimeError(f"Slurm does not come up ({seen.stdout.strip()} {seen.stderr.strip()})\n{logs}")
