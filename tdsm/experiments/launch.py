"""Launchers: compute the cells of an experiment in several processes of this machine, or in jobs of a Slurm cluster.

A worker runs the same command with ``--shard``. Only this line of text is passed to it, so any other scheduler can start workers too. All workers share one
folder of stages: one worker computes a stage, and the others wait for it or find it finished. After a worker is lost, the missing stages show which work is
left. Whether a job is alive is read from squeue, because sacct, which submitit uses, needs accounting, which small clusters do not have.
"""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tdsm.experiments.cells import Cell
from tdsm.experiments.plan import plan_of
from tdsm.experiments.run import check, run
from tdsm.experiments.stages import Stage
from tdsm.experiments.workers import Worker, at_work, forget, is_alive, jobs_in_queue, last_line, log_of, read_workers, record, worker_of
from tdsm.util.errors import InputError
from tdsm.util.files import disk_faults
from tdsm.util.progress import progress_bar
from tdsm.util.shard import Shard

__all__ = ["Launch", "launch", "run_shard"]

_LAUNCHERS = ("local", "slurm")
_OURS = {"array": "--workers", "cpus-per-task": "--threads", "job-name": "the name that the jobs have, tdsm"}
_EVERY = {"local": 0.2, "slurm": 5.0}  # seconds between two looks
_GONE = 2  # looks after which a worker that is not there has been lost: a shared disk shows late what another machine wrote


@dataclass(frozen=True)
class Launch:
    """How workers are started.

    Attributes:
        launcher: "local" for processes of this machine, or "slurm" for an array of jobs that submitit submits.
        workers: number of workers at a time.
        threads: threads per worker, and cpus-per-task of a job. Default: OMP_NUM_THREADS; otherwise the cores divided among local workers, and 1 for a job.
        slurm: further options of sbatch by their long names, such as {"partition": "gpu", "gpus-per-node": "1"}; True for an option without a value.
        wait: whether to wait until all cells are computed. With False, which needs "slurm", jobs are submitted and the call returns.

    Raises:
        InputError: an unknown launcher, fewer than one worker or thread, or options that the launcher does not have.
    """

    launcher: str
    workers: int = 2
    threads: int | None = None
    slurm: Mapping[str, str | bool] = field(default_factory=dict)
    wait: bool = True

    def __post_init__(self) -> None:
        if self.launcher not in _LAUNCHERS:
            raise InputError("--launcher", f"{self.launcher!r:.60} is not a launcher", f"choose {' or '.join(_LAUNCHERS)}")
        for name, value in (("--workers", self.workers), ("--threads", self.threads)):
            if value is not None and value < 1:
                raise InputError(name, f"is {value}", "give 1 or more")
        if self.launcher != "slurm" and (self.slurm or not self.wait):
            raise InputError("--slurm" if self.slurm else "--no-wait", "is for --launcher slurm", "remove it")
        for name in self.slurm:
            if not re.fullmatch("[a-z][a-z0-9-]*", name):
                raise InputError("--slurm", f"{name!r:.60} is not an option of sbatch", "give NAME=VALUE with its long name, without dashes before it")
            if name in _OURS:
                raise InputError("--slurm", f"{name} is set here", f"use {_OURS[name]}")

    @property
    def threads_each(self) -> int:
        """Number of threads per worker."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        given = os.environ.get("OMP_NUM_THREADS", "")
        return self.threads or (int(given) if given.isdigit() and int(given) else max(1, cores // self.workers) if self.launcher == "local" else 1)


class _Failed(InputError):
    """The unchanged error line of a worker."""

    def __init__(self, line: str) -> None:
        ValueError.__init__(self, line)


def run_shard(cells: Sequence[Cell], out: Path, shard: str) -> str:
    """Compute the cells of a shard (:class:`~tdsm.util.shard.Shard`); returns a line with the result. Raises InputError: bad input, or no such shard."""
    part = Shard.parse(shard)
    mine = part.pick(cells)
    with at_work(out, part, [plan_of(cell, out).folder.name for cell in mine]):
        run(mine, out)
    return f"{len(mine)} of {len(cells)} cells are done, shard {part}; the table comes from the same call without --shard, when all are"


def launch(cells: Sequence[Cell], out: Path, how: Launch, command: Sequence[str]) -> bool:
    """Compute all missing cells in workers. Afterwards :func:`tdsm.experiments.run.run` finds all cells computed.

    Workers of an earlier call that are still alive keep their cells. The remaining cells of a lost local worker are given to another worker once. The
    remaining cells of a lost job are submitted by the next call.

    Args:
        cells: the cells of the experiment.
        out: folder of all stages.
        how: the launcher and the number of workers.
        command: the command of ``tdsm`` and all arguments after it on the command line. A worker runs the same command with ``--shard``.

    Returns:
        whether all cells are done; False if ``how.wait`` is False.

    Raises:
        InputError: bad input in a worker (with the line of the worker), cells that could not be computed, submitit or sbatch missing, or an error of sbatch.
    """
    check(cells, out)
    stages = [plan_of(cell, out) for cell in cells]
    jobs, done = jobs_in_queue(), all(stage.done for stage in stages)
    start = None if done else _Slurm(out, how, command) if how.launcher == "slurm" else _Local(out, how, command)
    for worker in _on(stages, out):  # of earlier calls
        if is_alive(worker, jobs) is False:
            if _left(worker, stages):
                _say(f"{_lost(out, worker)}; its cells are computed again")
            forget(out, worker)
    if start is None:
        return True
    try:
        with _sigterm_as_ctrl_c():
            done = _work_off(stages, out, how, start)
    except BaseException as error:
        start.stop()
        if isinstance(error, KeyboardInterrupt):
            _say(start.interrupted)
        raise
    start.join()
    return done


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, so that the local workers end with the launcher. Python allows handlers in the main thread only.

    SIGTERM is not sent on as SIGINT, which a process that a script started in the background ignores.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _on(stages: Sequence[Stage], out: Path) -> list[Worker]:
    """The workers of any of these cells; a folder may contain several experiments."""
    folders = {stage.folder.name for stage in stages}
    return [worker for worker in read_workers(out) if not folders.isdisjoint(worker.cells)]


def _work_off(stages: Sequence[Stage], out: Path, how: Launch, start: "_Local | _Slurm") -> bool:
    gone, lost = Counter(), {}
    tries = Counter(number for worker in _on(stages, out) for number in _left(worker, stages))
    with progress_bar(total=len(stages), desc="cells", unit="cell") as bar:
        while missing := [number for number, stage in enumerate(stages) if not stage.done]:
            bar.update(len(stages) - len(missing) - bar.n)
            workers, jobs = _on(stages, out), start.jobs()
            for worker in workers:
                there = is_alive(worker, jobs)
                absent = there is False or (there is None and not (worker.job and how.launcher == "slurm"))  # squeue may not answer for a while
                gone[worker.name] = gone[worker.name] + 1 if absent else 0
            alive = [worker for worker in workers if gone[worker.name] < _GONE]
            lost = {name: worker for name, worker in lost.items() if gone[name] >= _GONE}  # some come back: a queue is not always whole
            bar.set_postfix(workers=len(alive))
            for worker in workers:
                if worker not in alive and worker.name not in lost and _left(worker, stages):
                    lost[worker.name] = worker
                    if not worker.fault:
                        _say(_lost(out, worker))
            held = {cell for worker in alive for cell in worker.cells}
            free = [number for number in missing if stages[number].folder.name not in held and tries[number] < start.tries]
            room = how.workers - len(alive) if how.wait else how.workers
            faults = {_left(worker, stages)[0]: worker.fault for worker in lost.values() if worker.fault and _left(worker, stages)}
            if free and not faults:
                if room > 0:
                    tries.update(free)
                    for worker in start(_dealt(free, min(room, len(free)), stages)):
                        record(out, worker)
            elif not any(stages[number].folder.name in held for number in missing):
                if faults:
                    raise _Failed(faults[min(faults)])
                raise InputError(out, f"{len(missing)} of {len(stages)} cells could not be computed", "see `tdsm status`; run the same command again to resume")
            if not how.wait:
                if not free:
                    _say(f"nothing to submit: running jobs hold the {len(missing)} remaining cells")
                return False
            time.sleep(_EVERY[how.launcher])
        bar.update(len(stages) - bar.n)
    return True


def _dealt(numbers: Sequence[int], workers: int, stages: Sequence[Stage]) -> list[tuple[Shard, list[str]]]:
    """The cells of each worker. Adjacent cells go to different workers, because they rarely share a backbone."""
    shards = [Shard(tuple(number + 1 for number in numbers[first::workers]), len(stages)) for first in range(workers)]
    return [(shard, [stage.folder.name for stage in shard.pick(stages)]) for shard in shards]


def _left(worker: Worker, stages: Sequence[Stage]) -> list[int]:
    """Indices of the worker's cells that are not done."""
    return [number for number, stage in enumerate(stages) if stage.folder.name in worker.cells and not stage.done]


def _lost(out: Path, worker: Worker) -> str:
    if worker.fault:
        return f"worker {worker.shard} ({worker.where}) ended: {worker.fault}"
    log = log_of(out, worker)
    said = f"; its log {log} ends in: {last_line(log)!r:.200}" if log and last_line(log) else ""
    return f"worker {worker.shard} ({worker.where}) was lost{said}"


def _say(line: str) -> None:
    print(f"tdsm: {line}", file=sys.stderr)


class _Local:
    """Starts processes of this machine."""

    tries = 2
    interrupted = "stopped; run the same command again to resume"

    def __init__(self, out: Path, how: Launch, command: Sequence[str]) -> None:
        self._out, self._how, self._command = out, how, command
        self._processes: list[subprocess.Popen] = []
        self._queue: tuple[float, Mapping[str, str] | None] = (-math.inf, None)
        _say(f"{_count(how.workers, 'worker')} on this machine, {_count(how.threads_each, 'thread')} each; logs are in {out}/jobs")

    def __call__(self, shards: Sequence[tuple[Shard, list[str]]]) -> list[Worker]:
        with disk_faults(self._out / "jobs"):
            (self._out / "jobs").mkdir(parents=True, exist_ok=True)
            return [self._one(shard, cells) for shard, cells in shards]

    def _one(self, shard: Shard, cells: list[str]) -> Worker:
        environment = os.environ | {"OMP_NUM_THREADS": str(self._how.threads_each), "TQDM_MININTERVAL": "2"}
        fresh = self._out / "jobs" / f"{os.getpid()}-{len(self._processes)}.partial"
        with fresh.open("wb") as log:
            process = subprocess.Popen(_command(self._command, shard), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        worker = worker_of(process.pid, shard, cells)
        fresh.rename(self._out / "jobs" / f"{worker.name}.log")
        return worker

    def jobs(self) -> Mapping[str, str] | None:
        """Slurm jobs of an earlier call, read every few seconds; also collects the processes that have ended."""
        for process in self._processes:
            process.poll()
        if time.monotonic() - self._queue[0] > _EVERY["slurm"]:
            self._queue = time.monotonic(), jobs_in_queue()
        return self._queue[1]

    def stop(self) -> None:
        """Terminate the processes that are still running."""
        for process in self._processes:
            process.terminate()
        self.join()

    def join(self) -> None:
        """Wait until all processes have ended."""
        for process in self._processes:
            process.wait()


class _Slurm:
    """Submits arrays of jobs."""

    tries = 1
    interrupted = "the jobs continue; run the same command to wait for them, or `scancel --name=tdsm` to cancel them"

    def __init__(self, out: Path, how: Launch, command: Sequence[str]) -> None:
        if shutil.which("sbatch") is None:
            raise InputError("--launcher slurm", "there is no sbatch on this machine", "run it on a host that submits jobs, or use --launcher local")
        try:
            import submitit
        except ImportError as error:
            raise InputError("--launcher slurm", "the package submitit is missing", "pip install 'tdsm[cluster]'") from error
        self._command, self._submitit = command, submitit
        self._executor = submitit.SlurmExecutor(folder=out.resolve() / "jobs")
        threads = how.threads_each
        given = {name.replace("-", "_"): value for name, value in how.slurm.items()}  # a name written twice would count twice
        every = {"job_name": "tdsm", "time": 240, "cpus_per_task": threads, "stderr_to_stdout": True}
        setup = [f"export OMP_NUM_THREADS={threads} TQDM_MININTERVAL=10"]
        self._executor.update_parameters(**every, setup=setup, additional_parameters=given)

    def __call__(self, shards: Sequence[tuple[Shard, list[str]]]) -> list[Worker]:
        try:
            jobs = self._executor.map_array(subprocess.run, [_command(self._command, shard) for shard, _ in shards])
        except self._submitit.core.utils.FailedJobError as error:
            raise InputError("sbatch", f"refuses: {' '.join(str(error).split()):.300}", "change --slurm") from error
        ids = [job.job_id for job in jobs]
        _say(f"submitted {ids[0]}{f' to {ids[-1]}' if len(ids) > 1 else ''}; `tdsm status` shows them, and the same command waits for them")
        return [Worker(job, str(shard), tuple(cells), job=job) for job, (shard, cells) in zip(ids, shards, strict=True)]

    def jobs(self) -> Mapping[str, str] | None:
        """Jobs that are waiting or running."""
        return jobs_in_queue()

    def stop(self) -> None:
        """Do nothing: jobs continue without this process."""

    join = stop


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _command(command: Sequence[str], shard: Shard) -> list[str]:
    """The command line of a worker: the command, the shard, and the remaining arguments."""
    return [sys.executable, "-P", "-m", "tdsm.cli", command[0], "--shard", str(shard), *command[1:]]
