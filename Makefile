# Two commands on a fresh machine: `make table1` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help env table1 test lint clean

help:
	@echo "make table1   install and run Table 1: the real thing with a GPU and data, else a demonstration"
	@echo "make test     install and run the tests"
	@echo "make env      install, nothing more"
	@echo "make lint     check style"
	@echo "make clean    remove the environment and work_dirs"

env: $(VENV)/.installed

# pyirstdmetrics, which tests compare with, pins numpy<2 but runs on numpy 2: installed without its dependencies.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch torchvision
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps pyirstdmetrics==1.0.2
	touch $@

table1: env
	$(BIN)/python benchmark/run.py --suite table1 $(ARGS)

# A process for each core, but no more than four: each imports torch.
test: env
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: env
	$(BIN)/ruff check --no-cache .

clean:
	rm -rf $(VENV) work_dirs
