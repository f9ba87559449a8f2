"""Damages files of every kind that the package reads, thousands of times, and counts what comes of it: ``make fuzz``, or ``python -m tests.fuzz --help``.

Allowed are an answer and one line (InputError); of a file with a checksum, the same answer or one line. A traceback, an answer that takes more than five
seconds, memory beyond the limit, and a changed answer of a file with a checksum are faults; they are printed, and the exit code is 1. Each mutant has a seed
of its own, so that ``--only KIND --seed N --mutants 1`` does it again. The reading is done by one forked process, which is replaced when it hangs or dies.
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["TQDM_DISABLE"] = "1"

from tdsm.util.errors import InputError
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Target, targets

SECONDS, MEMORY = 5.0, 2**31  # of the processor, per mutant; bytes beyond what the process has when it starts
COLUMNS = ("refused", "same", "other", "CHANGED", "TRACEBACK", "HANG", "DIED")
FAULTS = COLUMNS[3:]


def main() -> int:
    """Run, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=200, help="of each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    options = parser.parse_args()
    chosen = {name: target for name, target in targets().items() if options.only in name}
    table, faults = {}, []
    for name, target in chosen.items():
        table[name] = Counter()
        for number, outcome, words in outcomes(target, name, range(options.seed, options.seed + options.mutants)):
            table[name][outcome] += 1
            if outcome in FAULTS:
                faults.append(f"{name}, seed {number}: {outcome} {words}")
                print(faults[-1], flush=True)
    print(shown(table))
    return 1 if faults else 0


def shown(table: dict[str, Counter]) -> str:
    """The table as Markdown."""
    lines = ["| read | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    total = sum(table.values(), Counter())
    rows = [*table.items(), (f"all {total.total():,}", total)]
    return "\n".join(lines + [f"| {name} | " + " | ".join(str(counts[column]) for column in COLUMNS) + " |" for name, counts in rows])


def outcomes(target: Target, name: str, seeds: range):
    """What comes of each mutant."""
    context = multiprocessing.get_context("fork")
    todo = list(seeds)
    while todo:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            ours, theirs = context.Pipe()
            worker = context.Process(target=work, args=(target, name, list(todo), theirs, Path(folder)))
            worker.start()
            theirs.close()
            try:
                while todo:
                    outcome = wait(ours, worker.pid)
                    yield todo.pop(0), *outcome
                    if outcome[0] in ("HANG", "DIED"):
                        break
            finally:
                worker.kill()
                worker.join()


def wait(connection: Connection, pid: int) -> tuple[str, str]:
    """The next outcome; "HANG" when the worker takes too much of the processor, or a minute of any kind of waiting, for it."""
    start, used = time.monotonic(), processor_seconds(pid)
    while not connection.poll(0.25):
        if processor_seconds(pid) - used > SECONDS or time.monotonic() - start > 60:
            return "HANG", ""
    try:
        return connection.recv()
    except EOFError:
        return "DIED", ""


def processor_seconds(pid: int) -> float:
    """Of a process, until now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def work(target: Target, name: str, seeds: list[int], connection: Connection, folder: Path) -> None:
    """Read mutants, one after the other, and send what comes of each."""
    original, path = folder / "original" / "x.npz", folder / "mutant" / "x.npz"
    for place in (original, path):
        place.parent.mkdir()
    target.write(original)
    (original,) = original.parent.iterdir()
    path = path.with_name(original.name)
    copy(original, path)
    right = repr(target.read(path))
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for seed in seeds:
        draw = random.Random(f"{name} {seed}")
        copy(original, path)
        file = draw.choice(sorted(one for one in path.rglob("*") if one.is_file())) if path.is_dir() else path
        file.write_bytes(mutated(file.read_bytes(), draw))
        connection.send(outcome(target, path, right))


def copy(original: Path, path: Path) -> None:
    """Put the undamaged file or folder in place."""
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    if original.is_dir():
        shutil.copytree(original, path)
    else:
        shutil.copy(original, path)


def outcome(target: Target, path: Path, right: str) -> tuple[str, str]:
    """One mutant."""
    try:
        found = repr(target.read(path))
    except InputError as error:
        return ("TRACEBACK", "more than one line") if "\n" in str(error) else ("refused", "")
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/tdsm/" in frame.filename] or frames
        return "TRACEBACK", f"{type(error).__name__}: {str(error)[:100]!r} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
    if found == right:
        return "same", ""
    return ("CHANGED", "") if target.sealed else ("other", "")


if __name__ == "__main__":
    sys.exit(main())
