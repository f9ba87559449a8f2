# make demo, make test: nothing before them but git, python3 >= 3.11 and make. Both build .venv once and reuse it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)

.PHONY: help demo test fuzz lint notebooks figures lab clean

help:
	@echo "make demo   train on synthetic clips, recognise actions never trained on, leave a run folder (about a minute)"
	@echo "make test   every test, and the notebooks"
	@echo "make fuzz   damage files of every kind thousands of times: an answer or one line, never a traceback (10 to 20 minutes)"
	@echo "make lint   ruff"
	@echo "make notebooks  run the notebooks again, outputs kept in them"
	@echo "make figures  draw the figures and tables of figures/out from results/ alone; nothing is trained"
	@echo "make lab    JupyterLab on the notebooks"
	@echo "make clean  remove .venv and caches"

demo: $(VENV)/ready
	$(BIN)/tdsm demo

test: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest tests
	TQDM_DISABLE=1 $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=300 -p no:cacheprovider notebooks

fuzz: $(VENV)/ready
	$(BIN)/python -m tests.fuzz

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

notebooks: $(VENV)/ready
	TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb

figures: $(VENV)/ready
	$(BIN)/python figures/all.py

lab: $(VENV)/ready
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# Without an NVIDIA driver the CPU build of torch is asked for first; an index that has none is asked for its only build.
$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	command -v nvidia-smi > /dev/null || $(BIN)/pip install --quiet torch==$(TORCH)+cpu || echo "this index has no CPU build of torch; taking its default build"
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
