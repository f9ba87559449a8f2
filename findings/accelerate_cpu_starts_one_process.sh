#!/usr/bin/env bash
# Guess, made long before it was looked at: `accelerate launch --cpu --num_machines=1 --num_processes=2 script.py` starts two processes of one training on the
# cores of this machine, as it does on two GPUs. (Met by accident: tests that compared "two processes" with one had always passed.)
# Seen: one process is started, with no word about the other; Accelerator().num_processes is 1 and exit is 0. torchrun with ACCELERATE_USE_CPU=true starts two.
# Why: with --cpu every launcher of several processes is passed over, and the one that is left starts one, whatever --num_processes says.
# Why it matters: a test of data-parallel training on CPU compares one process with itself; a job on a CPU node uses one process where eight were asked for.
# Exits 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 accelerate==1.15.0 numpy==2.4.6
cat > "$work/train.py" <<'PY'
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
print(f"process {accelerator.process_index} of {accelerator.num_processes}", flush=True)
PY
"$work/venv/bin/pip" list 2> /dev/null | grep -E "^(torch|accelerate) "
export HF_HOME="$work/home"
launched=$("$work/venv/bin/accelerate" launch --cpu --num_machines=1 --num_processes=2 --mixed_precision=no --dynamo_backend=no "$work/train.py" 2> "$work/said" | sort)
printf 'accelerate launch --cpu --num_processes=2:\n%s\n' "$launched"
torchrun=$(ACCELERATE_USE_CPU=true "$work/venv/bin/torchrun" --standalone --nproc_per_node=2 "$work/train.py" 2> /dev/null | sort)
printf 'torchrun --nproc_per_node=2:\n%s\n' "$torchrun"
printf 'said on the first call that has to do with processes: %s lines\n' "$(grep -c "num_processes=2\|one process" "$work/said" || true)"
[ "$launched" = "process 0 of 1" ] && [ "$torchrun" = $'process 0 of 2\nprocess 1 of 2' ] || { echo "the behaviour has changed"; exit 1; }
