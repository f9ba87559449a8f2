# make demo, make test: nothing before them but git, python3 >= 3.11 and make. Both build .venv once and reuse it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)

# Two processes side by side; what all but one print follows when they have ended.
PAIR := --jobs=2 --keep-going --no-print-directory
LATER = > $@.log 2>&1; status=$$?; cat $@.log; rm $@.log; exit $$status
PYTEST := OMP_NUM_THREADS=1 TQDM_DISABLE=1 $(BIN)/python -m pytest -p no:cacheprovider
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=600 notebooks
QUICK := -m "not slow and not browser and not slurm" tests
# Tests of files, pages and servers, in which no arithmetic can differ.
FILES := app cli detector_files dictionary digest doctor door feature_files fetch files kinetics labels launch live mocap_files npz ntu ntu_text openpose_json pku_mmd progress \
	project prompt_files provenance pyskl readers results rich sharded site sniff store structure timeline
ARITHMETIC_TESTS := $(QUICK) $(FILES:%=--ignore=tests/test_%.py)
# Tests of what most numbers come from: towers, texts, the denoiser, training, answers.
CORE_TESTS := -m "not slow and not browser and not slurm" $(patsubst %,tests/test_%.py,align alignment baselines convert encoders lexicon missing model preprocess recognizer shipped spotting text train)

.PHONY: help demo test test-all test-arithmetic quick-tests quick-notebooks all-tests all-notebooks other-1 other-2 fuzz lint notebooks figures docs lab clean

help:
	@echo "make demo   classify real recordings; fine-tune on 42 synthetic actions and test on 10 others (about a minute)"
	@echo "make test   ruff, the quick tests, and the notebooks up to their first slow cell (6 minutes at most on two quiet cores)"
	@echo "make test-all   every test, every cell of the notebooks, and those that compute once more under other arithmetic; what CI runs"
	@echo "make fuzz   damage files of every kind thousands of times: an answer or one line, never a traceback (10 to 20 minutes)"
	@echo "make lint   ruff"
	@echo "make notebooks  run the notebooks again, outputs kept in them"
	@echo "make figures  draw the figures and tables of figures/out from results/ alone; nothing is trained"
	@echo "make docs   build the documentation site in build/site, with warnings as errors, and check its links"
	@echo "make lab    JupyterLab on the notebooks"
	@echo "make clean  remove .venv and caches"

demo: $(VENV)/ready
	$(BIN)/tdsm demo

test: lint
	$(MAKE) $(PAIR) quick-tests quick-notebooks

test-all: lint
	$(MAKE) $(PAIR) all-tests all-notebooks other-1 other-2

quick-tests:
	$(PYTEST) $(QUICK)

quick-notebooks:
	@$(PYTEST) $(NBVAL) $(LATER)

all-tests:
	$(PYTEST) --durations=10 tests

all-notebooks:
	@$(PYTEST) --every-cell $(NBVAL) $(LATER)

# Quick tests with the instruction sets of other machines: those of the core with the oldest and one thread, all that compute with AVX2 and two threads. A library
# that does not know a variable ignores it; the first line printed says what torch and numpy use.
test-arithmetic: $(VENV)/ready
	$(MAKE) $(PAIR) other-1 other-2

other-1 other-2: ARITHMETIC := python -c "import numpy, torch, threadpoolctl; \
	print(torch.backends.cpu.get_cpu_capability(), [one.get('architecture') for one in threadpoolctl.threadpool_info()])"

other-1: export ATEN_CPU_CAPABILITY := default
other-1: export MKL_ENABLE_INSTRUCTIONS := SSE4_2
other-1: export ONEDNN_MAX_CPU_ISA := SSE41
other-1: export OPENBLAS_CORETYPE := Prescott
other-1:
	$(BIN)/$(ARITHMETIC)
	@$(PYTEST) $(CORE_TESTS) $(LATER)

other-2: export ATEN_CPU_CAPABILITY := avx2
other-2: export MKL_ENABLE_INSTRUCTIONS := AVX2
other-2: export ONEDNN_MAX_CPU_ISA := AVX2
other-2: export OPENBLAS_CORETYPE := Haswell
other-2:
	$(BIN)/$(ARITHMETIC)
	@OMP_NUM_THREADS=2 TQDM_DISABLE=1 $(BIN)/python -m pytest -p no:cacheprovider $(ARITHMETIC_TESTS) $(LATER)

fuzz: $(VENV)/ready
	$(BIN)/python -m tests.fuzz

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

notebooks: $(VENV)/ready
	TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb

figures: $(VENV)/ready
	$(BIN)/python figures/all.py

docs: $(VENV)/ready
	$(BIN)/python docs/build.py

lab: $(VENV)/ready
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# Without an NVIDIA driver the CPU build of torch is asked for first; an index that has none is asked for its only build.
$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	command -v nvidia-smi > /dev/null || $(BIN)/pip install --quiet torch==$(TORCH)+cpu || echo "this index has no CPU build of torch; taking its default build"
	$(BIN)/pip install --quiet -c constraints.txt -e '.[app,dev,docs]'
	touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache
