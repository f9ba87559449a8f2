#!/usr/bin/env bash
# No guess of our own: both behaviours were known from use when this was written down. Expected before that: SlurmExecutor.map_array over a list of one gives an
# array of one job, 12_0, as a list of two gives 12_0 and 12_1; without timeout_min no time limit is asked for.
# Seen: the job of a list of one is called 12, its sbatch file has no --array, and its log files are named in another way (%j in place of %A_%a). Every job gets
# --time=5, five minutes, where Slurm alone would give the partition's own limit.
# Why: map_array submits an array only from two jobs on, and sends one as a plain job; timeout_min, which becomes --time, has the default 5.
# Why it matters: a sweep that is resumed with one cell left has job numbers and log files of another form, so that a pattern such as 12_* finds nothing; and
# a training that took hours by sbatch is ended after five minutes.
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
seen = {}
for count in (1, 2, 3):
    jobs = submitit.SlurmExecutor(folder=folder / "logs").map_array(print, range(count))
    options = dict(line.removeprefix("#SBATCH --").split("=", 1) for line in (folder / "kept.sh").read_text().splitlines() if line.startswith("#SBATCH --"))
    seen[count] = [job.job_id for job in jobs], options.get("array"), Path(options["output"]).name, options["time"]
    print(f"{count} in the list: jobs {seen[count][0]}, --array {seen[count][1]}, output {seen[count][2]}, --time {seen[count][3]}")
assert seen == {
    1: (["12"], None, "%j_0_log.out", "5"),
    2: (["12_0", "12_1"], "0-1%2", "%A_%a_0_log.out", "5"),
    3: (["12_0", "12_1", "12_2"], "0-2%3", "%A_%a_0_log.out", "5"),
}, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/look.py" "$work"
