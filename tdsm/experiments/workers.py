"""Workers: processes that compute a shard of the cells each, and the records from which others see them.

Every worker keeps a record in ``OUT/jobs``, written when it begins and when it ends; a launcher of Slurm jobs adds one for each job, which may begin much
later. A worker without an end has been lost, unless its process or its job is still there. Cells are found again by their stages, never by these records.
"""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from tdsm.util.errors import InputError
from tdsm.util.files import read_object, write_json
from tdsm.util.shard import Shard

__all__ = ["Worker", "at_work", "forget", "is_alive", "jobs_in_queue", "last_line", "log_of", "read_workers", "record"]

_FOLDER = "jobs"
_TAIL = 4096  # bytes of a log in which its last line is looked for


@dataclass(frozen=True)
class Worker:
    """What is known of a worker.

    Attributes:
        name: HOST-PROCESS, or the id of a job that a launcher submitted; of its record and its log.
        shard, cells: which cells, and the names of the folders of their scores.
        host, pid, began: its machine, process number, and when that process was started (seconds since 1970); empty for a job that has not begun.
        job: id of the Slurm job that it runs in, or "".
        ended, fault: whether it has come to its end, and the line of bad input that ended it, or "".
    """

    name: str
    shard: str
    cells: tuple[str, ...]
    host: str = ""
    pid: int = 0
    began: float = 0.0
    job: str = ""
    ended: bool = False
    fault: str = ""

    @property
    def submitted(self) -> bool:
        """Whether the record is one of a launcher of Slurm jobs."""
        return self.name == self.job

    @property
    def where(self) -> str:
        """Job, machine and process, as far as known."""
        parts = [f"job {self.job}" if self.job else "", f"process {self.pid} on {self.host}" if self.pid else ""]
        return ", ".join(filter(None, parts))


@contextmanager
def at_work(out: Path, shard: Shard, cells: Sequence[str]) -> Iterator[None]:
    """Keep the record of this process while it computes ``cells``."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
    worker = replace(worker_of(os.getpid(), shard, cells), job=job)
    record(out, worker)
    try:
        yield
    except InputError as error:
        record(out, replace(worker, ended=True, fault=str(error)))
        raise
    record(out, replace(worker, ended=True))


def worker_of(pid: int, shard: Shard, cells: Sequence[str]) -> Worker:
    """A process of this machine."""
    host = socket.gethostname()
    return Worker(f"{host}-{pid}", str(shard), tuple(cells), host, pid, psutil.Process(pid).create_time())


def record(out: Path, worker: Worker) -> None:
    """Write the record of a worker."""
    write_json(out / _FOLDER / f"{worker.name}.json", asdict(worker))


def read_workers(out: Path) -> list[Worker]:
    """All workers that have records, a submitted job and the process in it as one."""
    every = [worker for path in sorted((out / _FOLDER).glob("*.json")) if (worker := _read(path)) is not None]
    inside = {worker.job: worker for worker in sorted(every, key=lambda worker: worker.began) if worker.job and not worker.submitted}  # requeued: the last
    workers = [worker if not worker.submitted or worker.job not in inside else replace(inside[worker.job], name=worker.name) for worker in every]
    jobs = {worker.job for worker in every if worker.submitted}
    return [worker for worker in workers if worker.submitted or worker.job not in jobs]


def _read(path: Path) -> Worker | None:
    """A record; None if another process has just deleted it."""
    remedy = "delete it: it is only the record of a worker"
    try:
        values = read_object(path, remedy)
    except InputError:
        if path.exists():
            raise
        return None
    try:
        worker = Worker(**{**values, "cells": tuple(values["cells"])})
    except (KeyError, TypeError) as error:
        raise InputError(path, "is not the record of a worker", remedy) from error
    texts = (worker.name, worker.shard, worker.host, worker.job, worker.fault, *worker.cells)
    if not all(isinstance(text, str) for text in texts) or type(worker.pid) is not int or worker.pid < 0 or not isinstance(worker.began, int | float):
        raise InputError(path, "is not the record of a worker", remedy)
    return worker


def forget(out: Path, worker: Worker) -> None:
    """Delete the record of a worker, and of the process inside its job; the log stays."""
    for path in {out / _FOLDER / f"{name}.json" for name in (worker.name, f"{worker.host}-{worker.pid}")}:
        path.unlink(missing_ok=True)


def jobs_in_queue() -> Mapping[str, str] | None:
    """Slurm's jobs of this user that wait or run: id (of a task of an array ``ARRAY_TASK``) -> state. None: squeue is missing, or does not answer now."""
    if shutil.which("squeue") is None:
        return None
    command = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i|%T"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return dict(line.strip().split("|", 1) for line in done.stdout.splitlines() if "|" in line)


def is_alive(worker: Worker, jobs: Mapping[str, str] | None) -> bool | None:
    """Whether it is still at work or waits in the queue; None if that cannot be known from this machine.

    Args:
        jobs: from :func:`jobs_in_queue`.
    """
    if worker.ended:
        return False
    if worker.submitted:
        return None if jobs is None else worker.job in jobs
    if worker.host == socket.gethostname():
        return _process_is_there(worker)
    return worker.job in jobs if worker.job and jobs is not None else None


def _process_is_there(worker: Worker) -> bool:
    try:
        process = psutil.Process(worker.pid)
        return abs(process.create_time() - worker.began) < 2 and process.status() != psutil.STATUS_ZOMBIE  # else the number went to another process
    except psutil.NoSuchProcess:
        return False


def log_of(out: Path, worker: Worker) -> Path | None:
    """Its log, if it has one in ``OUT/jobs``; the second name is submitit's."""
    return next((path for end in (".log", "_0_log.out") if (path := out / _FOLDER / f"{worker.name}{end}").is_file()), None)


def last_line(path: Path | None) -> str:
    """The last line of a log that is not empty; of a progress bar its last state."""
    if path is None:
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
