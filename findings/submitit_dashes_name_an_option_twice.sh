#!/usr/bin/env bash
# Guess, written down before this script was run, though the code of submitit had been read in part before: SlurmExecutor.update_parameters(cpus_per_task=1,
# additional_parameters={"cpus-per-task": 4}), which names the option as sbatch's manual does, gives a job of 4 cores, since additional parameters are what
# the user adds.
# Seen: the sbatch file names the option twice, first as given and then as submitit's own, and of two sbatch takes the last (tried with Slurm 22.05): the job has 1 core. Written with
# underscores the additional parameter replaces submitit's, as guessed. The same holds for every option that has a dash and a parameter of submitit's own.
# Why: all parameters are put into one dictionary by name, so that only equal names replace each other; the dashes are made when the lines are written, in
# the order of the sorted names, in which "-" comes before "_".
# Why it matters: options copied from sbatch's manual or from a working sbatch file are lost without a word.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet submitit==1.5.4
cat > "$work/look.py" <<'PY'
import os
import sys
from importlib.metadata import version
from pathlib import Path

import submitit

print("submitit", version("submitit"))
folder = Path(sys.argv[1])
(folder / "bin").mkdir()
sbatch = folder / "bin" / "sbatch"  # stands for Slurm's: keeps the file that it is given, and answers as it would
sbatch.write_text(f'#!/bin/sh\ncp "$1" {folder}/kept.sh\necho "Submitted batch job 12"\n')
sbatch.chmod(0o755)
(folder / "bin" / "srun").symlink_to(sbatch)
os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"


def lines(name):
    executor = submitit.SlurmExecutor(folder=folder / "logs")
    executor.update_parameters(cpus_per_task=1, additional_parameters={name: 4})
    executor.submit(print, "hello")
    return [line for line in (folder / "kept.sh").read_text().splitlines() if "cpus-per-task" in line and line.startswith("#SBATCH")]


dashes, underscores = lines("cpus-per-task"), lines("cpus_per_task")
print("with dashes:", dashes)
print("with underscores:", underscores)
assert dashes == ["#SBATCH --cpus-per-task=4", "#SBATCH --cpus-per-task=1"], "the behaviour has changed"
assert underscores == ["#SBATCH --cpus-per-task=4"], "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
