"""Workers: processes that each compute one shard of the cells, and the records that make them visible to other processes.

Each worker writes a record to ``OUT/jobs`` when it begins and when it ends. A launcher of Slurm jobs adds one record per job, because a job may begin much
later. A worker whose record has no end is lost, unless its process or its job still exists. Whether cells are done is read from their stages, never from
these records.
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
    """The record of a worker.

    Attributes:
        name: HOST-PROCESS, or the id of a job that a launcher submitted; also the name of its record and its log.
        shard, cells: its shard, and the names of the folders with the scores of its cells.
        host, pid, began: machine, process id, and start time of the process (seconds since 1970); empty for a job that has not begun.
        job: id of the Slurm job that it runs in, or "".
        ended, fault: whether it has ended, and the error line about bad input that ended it, or "".
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
        """Whether a launcher of Slurm jobs wrote the record."""
        return self.name == self.job

    @property
    def where(self) -> str:
        """Text with job, machine and process, as far as known."""
        parts = [f"job {self.job}" if self.job else "", f"process {self.pid} on {self.host}" if self.pid else ""]
        return ", ".join(filter(None, parts))


@contextmanager
def at_work(out: Path, shard: Shard, cells: Sequence[str]) -> Iterator[None]:
    """Context manager that writes the record of this process before and after it computes ``cells``."""
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
    """The record of a process of this machine."""
    host = socket.gethostname()
    return Worker(f"{host}-{pid}", str(shard), tuple(cells), host, pid, psutil.Process(pid).create_time())


def record(out: Path, worker: Worker) -> None:
    """Write the record of a worker."""
    write_json(out / _FOLDER / f"{worker.name}.json", asdict(worker))


def read_workers(out: Path) -> list[Worker]:
    """All workers that have records. A submitted job and the process in it count as one worker."""
    every = [worker for path in sorted((out / _FOLDER).glob("*.json")) if (worker := _read(path)) is not None]
    inside = {worker.job: worker for worker in sorted(every, key=lambda worker: worker.began) if worker.job and not worker.submitted}  # requeued: the last
    workers = [worker if not worker.submitted or worker.job not in inside else replace(inside[worker.job], name=worker.name) for worker in every]
    jobs = {worker.job for worker in every if worker.submitted}
    return [worker for worker in workers if worker.submitted or worker.job not in jobs]


def _read(path: Path) -> Worker | None:
    """Read a record; None if another process has just deleted it."""
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
    """Delete the record of a worker and of the process in its job; the log is kept."""
    for path in {out / _FOLDER / f"{name}.json" for name in (worker.name, f"{worker.host}-{worker.pid}")}:
        path.unlink(missing_ok=True)


def jobs_in_queue() -> Mapping[str, str] | None:
    """Waiting and running Slurm jobs of this user: id (``ARRAY_TASK`` for a task of an array) -> state. None if squeue is missing or does not answer."""
    if shutil.which("squeue") is None:
        return None
    command = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i|%T"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return dict(line.strip().split("|", 1) for line in done.stdout.splitlines() if "|" in line)


def is_alive(worker: Worker, jobs: Mapping[str, str] | None) -> bool | None:
    """Whether the worker is still running or waits in the queue; None if this machine cannot determine it.

    Args:
        worker: record of the worker.
        jobs: result of :func:`jobs_in_queue`.
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
    """The log of a worker in ``OUT/jobs``, None if it has none; the second name is the one that submitit uses."""
    return next((path for end in (".log", "_0_log.out") if (path := out / _FOLDER / f"{worker.name}{end}").is_file()), None)


def last_line(path: Path | None) -> str:
    """The last non-empty line of a log; for a progress bar, its last state."""
    if path is None:
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
