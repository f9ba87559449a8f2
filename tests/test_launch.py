"""Cells computed by several workers, here and on a Slurm cluster: the table of one process, whatever happens to a worker; and what `tdsm status` says."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import psutil
import pytest
import slurm
import standins
import torch
from standins import TINY_CLASSIFIER

import tdsm.cli
from tdsm.config import override
from tdsm.data.readers.nw_ucla import CLASSES
from tdsm.experiments import launch, workers
from tdsm.experiments.launch import Launch
from tdsm.experiments.status import status_table
from tdsm.experiments.workers import Worker, is_alive, jobs_in_queue, read_workers, record
from tdsm.util.errors import InputError
from tdsm.util.files import locked, read_object
from tdsm.util.shard import Shard
from tdsm.util.weights import save_tensors

CONFIG = override(TINY_CLASSIFIER, {"encoder.kind": "tcn", "train.steps": 40, "train.save_every": 5})  # "tcn": the quickest encoder
GRID = '{"train.batch": [16, 8]}'  # of 2 settings, 2 draws and 2 seeds: 8 cells
FEW = ("--draws", "1", "--seeds", "1")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "config.json").write_text(CONFIG.to_json())
    return standins.kinect_set("nw-ucla", CLASSES).save(folder / "clips.npz"), folder / "config.json"


@pytest.fixture
def study(files, monkeypatch, capsys):
    """Calls `tdsm study` in this process with one thread: (exit code, what it prints, what it says on stderr)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def call(out, *options, grid=GRID):
        given = ["study", grid, files[0], "--split", "8/2", "--draws", "2", "--seeds", "2", "--preset", files[1], "--out", out, *options]
        monkeypatch.setattr(sys, "argv", ["tdsm", *map(str, given)])
        capsys.readouterr()
        code = 0
        try:
            tdsm.cli.main()
        except SystemExit as error:
            code = error.code or 0
        return code, *capsys.readouterr()

    yield call
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def table():
    """The table of one process, computed once (:func:`of_one_process`)."""
    return {}


def of_one_process(table, study, tmp_path):
    if not table:
        assert study(tmp_path / "alone")[0] == 0
        table["bytes"] = (tmp_path / "alone/table.md").read_bytes()
    return table["bytes"]


def half_way(out, deed):
    """A thread that does ``deed(worker)`` once to a worker that has begun, when two cells are done and two are not."""

    def watch():
        until = time.monotonic() + 60
        while time.monotonic() < until:
            done = len(list(out.glob("scores-*/stage.json")))
            begun = [worker for worker in read_workers(out) if worker.pid and not worker.ended and any(not (out / cell).exists() for cell in worker.cells)]
            if done >= 2 and begun:
                deed(begun[0])
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


# Workers of this machine


@pytest.mark.slow
def test_a_study_whose_worker_is_killed_gives_the_table_of_one_process(study, table, tmp_path):
    expected, out, killed = of_one_process(table, study, tmp_path), tmp_path / "out", []

    def kill(worker):
        os.kill(worker.pid, signal.SIGKILL)
        killed.append(worker)

    thread = half_way(out, kill)
    code, printed, said = study(out, "--launcher", "local", "--workers", "2")
    thread.join()
    assert code == 0
    assert (out / "table.md").read_bytes() == expected
    assert expected.decode() in printed
    assert said.count("was lost") == len(killed) == 1
    assert f"worker {killed[0].shard} (process {killed[0].pid} on " in said
    assert len(read_workers(out)) == 3  # the third did what was left
    assert not [path for path in out.rglob("*") if path.suffix in (".partial", ".lock")]
    assert "8 cells: 8 done, 0 running, 0 waiting, 0 lost" in status_table(out)
    before = read_workers(out)
    assert study(out, "--launcher", "local")[1] == printed  # all is there: no worker is started
    assert len(read_workers(out)) < len(before)


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "background"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)])
def test_a_launcher_that_is_ended_ends_its_workers(files, tmp_path, ending, background):
    out = tmp_path / "out"
    options = ("--split", "8/2", "--draws", "2", "--seeds", "2", "--preset", str(files[1]), "--out", str(out), "--launcher", "local", "--workers", "2")
    kept = signal.SIG_IGN if background else signal.SIG_DFL  # a script starts a command in the background with SIGINT ignored
    command = [sys.executable, "-m", "tdsm.cli", "study", GRID, str(files[0]), *options]
    launcher = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, kept))
    until = time.monotonic() + 60
    while len(begun := read_workers(out)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    launcher.send_signal(ending)
    said = launcher.communicate(timeout=60)[1]
    assert launcher.returncode == 130
    assert "stopped" in said
    assert len(begun) == 2
    assert [is_alive(worker, None) for worker in begun] == [False, False]


def test_shards_by_hand_make_the_same_table(study, table, tmp_path):
    expected, out = of_one_process(table, study, tmp_path), tmp_path / "out"
    for number, cells in ((1, "3 of 8"), (2, "3 of 8"), (3, "2 of 8")):
        code, printed, _ = study(out, "--shard", f"{number}/3")
        assert code == 0
        assert printed == f"{cells} cells are done, shard {number}/3; the table comes from the same call without --shard, when all are\n"
        assert not (out / "table.md").exists()
    assert len(list(out.glob("scores-*"))) == 8
    before = {path: path.stat().st_mtime_ns for path in out.glob("*-*/stage.json")}
    assert study(out)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*-*/stage.json")} == before
    assert (out / "table.md").read_bytes() == expected
    assert [(worker.shard, worker.ended, worker.fault) for worker in read_workers(out)] == [("3/3", True, "")]  # one process was all three


@pytest.mark.slow
def test_bad_input_in_a_worker_is_the_line_of_one_process_and_the_others_go_on(study, tmp_path):
    grid = '{"train.lr": [1e30, 0.01]}'
    alone = study(tmp_path / "alone", *FEW, grid=grid)
    assert alone[0] == 2
    assert "lower lr" in alone[2]
    code, printed, said = study(tmp_path / "out", *FEW, "--launcher", "local", "--workers", "2", grid=grid)
    assert (code, printed) == (2, "")
    assert said.splitlines()[-1] == alone[2].splitlines()[-1]
    assert "Traceback" not in said
    assert len(list((tmp_path / "out").glob("scores-*/stage.json"))) == 1
    shown = status_table(tmp_path / "out")
    assert "2 cells: 1 done, 0 running, 0 waiting, 1 lost" in shown
    assert "lower lr" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "3/2"), "--shard: '3/2' has a number that is not from 1 to 2"),
        (("--shard", "two"), "--shard: 'two' is not of the form i/n"),
        (("--shard", "0/4"), "not from 1 to 4"),
        (("--launcher", "pbs"), "--launcher: 'pbs' is not a launcher; choose local or slurm"),
        (("--slurm", "partition=gpu"), "--slurm: is given without --launcher"),
        (("--threads", "2"), "--threads: is given without --launcher"),
        (("--workers", "8"), "--workers: is given without --launcher"),
        (("--launcher", "slurm", "--slurm", "--partition=gpu"), "--slurm: '--partition' is not an option of sbatch"),
        (("--launcher", "slurm", "--slurm", "=5"), "--slurm: '' is not an option of sbatch"),
        (("--launcher", "slurm", "--slurm", "cpus-per-task=8"), "--slurm: cpus-per-task is set here; use --threads"),
        (("--launcher", "local", "--no-wait"), "--no-wait: is for --launcher slurm"),
    ],
)
def test_options_that_cannot_be_are_one_line_and_nothing_is_computed(study, tmp_path, options, message):
    code, printed, said = study(tmp_path / "out", *options)
    assert (code, printed) == (2, "")
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("out/*-*"))


def test_a_shard_picks_every_cell_of_one_of_its_numbers():
    assert [Shard.parse(f"{number}/3").pick(range(7)) for number in (1, 2, 3)] == [[0, 3, 6], [1, 4], [2, 5]]
    assert Shard.parse("2,5/7").pick(range(7)) == [1, 4]
    assert str(Shard.parse("2,5/7")) == "2,5/7"


def test_threads_are_given_taken_from_the_environment_or_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [Launch("local", count).threads_each for count in (2, 8, 20)] == [4, 1, 1]
    assert Launch("slurm", 2).threads_each == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [Launch("local", 2).threads_each, Launch("local", 2, 5).threads_each] == [3, 5]


# Who is alive


def test_a_process_is_alive_until_it_ends_and_its_number_may_go_to_another(tmp_path):
    me = workers.worker_of(os.getpid(), Shard.parse("1/1"), ["scores-1"])
    assert is_alive(me, None) is True
    assert is_alive(replace(me, began=me.began - 100), None) is False
    assert is_alive(replace(me, ended=True), None) is False
    assert is_alive(replace(me, host="elsewhere"), None) is None
    child = psutil.Popen([sys.executable, "-c", ""])
    while child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_alive(workers.worker_of(child.pid, Shard.parse("1/1"), []), None) is False
    child.wait()


def test_a_job_is_alive_while_squeue_knows_it_and_is_one_with_the_process_in_it(tmp_path):
    job = Worker("7_1", "2/2", ("scores-1",), job="7_1")
    assert [is_alive(job, jobs) for jobs in ({"7_1": "PENDING"}, {"7_0": "RUNNING"}, None)] == [True, False, None]
    record(tmp_path, job)
    assert read_workers(tmp_path) == [job]
    inside = Worker("node-12", "2/2", ("scores-1",), "node", 12, 5.0, "7_1")
    record(tmp_path, replace(inside, name="node-11", pid=11, began=4.0))  # before it was requeued
    record(tmp_path, inside)
    assert read_workers(tmp_path) == [replace(inside, name="7_1")]
    record(tmp_path, replace(inside, name="node-13", pid=13, job="8"))  # a process in an allocation of the user's own
    assert [worker.name for worker in read_workers(tmp_path)] == ["7_1", "node-13"]


def test_squeue_that_does_not_answer_says_nothing_about_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jobs_in_queue() is None
    for text, expected in (("echo down >&2; exit 1", None), ("echo '7_0|RUNNING'; echo '8|PENDING'", {"7_0": "RUNNING", "8": "PENDING"})):
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "squeue").chmod(0o755)
        assert jobs_in_queue() == expected


def test_status_tells_done_running_left_waiting_and_lost(study, files, tmp_path):
    assert study(tmp_path, *FEW, "--shard", "1/2")[0] == 0  # one of two cells
    scores = [cell["scores"] for cell in read_object(tmp_path / "table.plan.json")["cells"]]
    assert "2 cells: 1 done, 0 running, 1 waiting, 0 lost" in status_table(tmp_path)
    partial = tmp_path / f"{scores[1]}.partial"
    partial.mkdir()
    save_tensors(partial / "training.safetensors", {"x": torch.zeros(1)}, {"step": 35})
    with locked(partial):
        shown = status_table(tmp_path)
    assert "2 cells: 1 done, 1 running, 0 waiting, 0 lost" in shown
    assert any(line.split()[:2] == [scores[1], "running"] and line.endswith("40 denoiser steps, checkpoint at step 35") for line in shown.splitlines())
    assert any(line.split()[:2] == [scores[1], "left"] for line in status_table(tmp_path).splitlines())
    here = workers.worker_of(os.getpid(), Shard.parse("2/2"), [scores[1]])
    record(tmp_path, here)  # begun by a worker that was killed, and held by one that is alive
    assert "2 cells: 1 done, 0 running, 1 waiting, 0 lost" in status_table(tmp_path)
    workers.forget(tmp_path, here)
    partial.joinpath("training.safetensors").write_bytes(b"half")
    record(tmp_path, replace(workers.worker_of(os.getpid(), Shard.parse("2/2"), [scores[1]]), name="gone", pid=2**22 + 1))
    (tmp_path / "jobs/gone.log").write_bytes(b"begun\n denoiser: 10%\rdenoiser: 20%\r\n")
    shown = status_table(tmp_path)
    assert "2 cells: 1 done, 0 running, 0 waiting, 1 lost" in shown
    assert "gone.log\n    denoiser: 20%" in shown
    (tmp_path / "jobs/gone.json").write_text("{}")
    with pytest.raises(InputError, match=r"gone\.json: is not the record of a worker; delete it"):
        status_table(tmp_path)
    record(tmp_path, replace(here, name="gone", pid="many"))
    with pytest.raises(InputError, match=r"gone\.json: is not the record of a worker; delete it"):
        status_table(tmp_path)
    (tmp_path / "jobs/gone.json").unlink()
    (tmp_path / "table.plan.json").write_text('{"cells": [{"name": "a", "scores": "b"}], "stages": []}')
    with pytest.raises(InputError, match=r"table\.plan\.json: is damaged; delete it"):
        status_table(tmp_path)
    with pytest.raises(InputError, match="holds no experiment"):
        status_table(tmp_path / "jobs")


def test_what_is_done_needs_no_launcher_and_a_file_in_the_way_is_one_line(study, tmp_path, monkeypatch):
    (tmp_path / "jobs").touch()
    code, _, said = study(tmp_path, *FEW, "--launcher", "local")
    assert code == 2 and "jobs: cannot be written: " in said
    (tmp_path / "jobs").unlink()
    code, printed, _ = study(tmp_path, *FEW)
    assert code == 0
    monkeypatch.setenv("PATH", str(tmp_path))  # no sbatch
    assert study(tmp_path, *FEW, "--launcher", "slurm")[:2] == (0, printed)


def test_a_job_that_squeue_forgets_for_a_moment_is_not_lost(study, tmp_path, monkeypatch):
    """Present, missing, present, missing, ...: lost is only who is missing twice in a row."""
    looks, cells = [], []

    class Starts:
        tries, interrupted = 1, ""

        def __init__(self, out, how, command):
            self.out = out

        def __call__(self, shards):
            for shard, folders in shards:
                cells.extend((str(shard), folder) for folder in folders)
            return [Worker("101", "1,2/2", tuple(folder for _, folder in cells), job="101")]

        def jobs(self):
            looks.append(None)
            if len(looks) == 9:  # the job ends
                for _, folder in cells:
                    (self.out / folder).mkdir()
                    (self.out / folder / "stage.json").touch()
            return {} if len(looks) % 2 else {"101": "RUNNING"}

        def stop(self):
            pass

        join = stop

    monkeypatch.setattr(launch, "_Slurm", Starts)
    monkeypatch.setitem(launch._EVERY, "slurm", 0.0)
    _, _, said = study(tmp_path, *FEW, "--launcher", "slurm", "--workers", "1")
    assert len(looks) >= 9
    assert "was lost" not in said and "could not be computed" not in said


# Slurm


def test_slurm_without_slurm_or_submitit_is_one_line(study, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "--launcher slurm: there is no sbatch on this machine" in study(tmp_path / "out", "--launcher", "slurm")[2]
    (tmp_path / "sbatch").touch(0o755)
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert "the package submitit is missing; pip install 'tdsm[cluster]'" in study(tmp_path / "out", "--launcher", "slurm")[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if reason := slurm.missing():
        pytest.skip(reason)
    pytest.importorskip("submitit")
    with slurm.cluster(tmp_path_factory.mktemp("slurm") / "cluster") as environment:
        yield environment


@pytest.fixture
def on_cluster(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", cluster["SLURM_CONF"])
    monkeypatch.setitem(launch._EVERY, "slurm", 0.5)


@pytest.mark.slurm
def test_a_study_whose_job_is_cancelled_gives_the_table_of_one_process(study, table, tmp_path, on_cluster):
    expected, out = of_one_process(table, study, tmp_path), tmp_path / "out"
    options = ("--launcher", "slurm", "--workers", "2", "--slurm", "time=10", "--slurm", "nice=5")
    code, printed, said = study(out, *options, "--no-wait")
    assert (code, printed) == (0, "")
    assert "submitted " in said
    submitted = read_workers(out)
    assert [worker.shard for worker in submitted] == ["1,3,5,7/8", "2,4,6,8/8"]
    thread = half_way(out, lambda worker: os.system(f"scancel {worker.job}"))
    assert study(out, *options, "--no-wait")[:2] == (0, "")  # both are there: nothing is submitted
    assert [worker.job for worker in read_workers(out)] == [worker.job for worker in submitted]
    code, printed, said = study(out, *options)  # waits for both
    thread.join()
    assert (code, printed) == (2, "")
    assert said.count("was lost") == 1
    assert "of 8 cells could not be computed; see `tdsm status`; run the same command again to resume" in said
    assert {worker.job for worker in read_workers(out)} == {worker.job for worker in submitted}
    states = Counter(line.split()[1] for line in status_table(out).split("\n\n")[-1].splitlines() if "_" in line[:8])
    assert states == {"ended": 1, "lost": 1}
    code, printed, said = study(out, *options)
    assert code == 0
    assert "its cells are computed again" in said
    assert (out / "table.md").read_bytes() == expected
    assert not [path for path in out.rglob("*") if path.suffix in (".partial", ".lock")]


@pytest.mark.slurm
def test_what_sbatch_refuses_is_one_line(study, tmp_path, on_cluster):
    code, printed, said = study(tmp_path, *FEW, "--launcher", "slurm", "--slurm", "partition=nowhere")
    assert (code, printed) == (2, "")
    assert "sbatch: refuses: " in said
    assert "invalid partition" in said
