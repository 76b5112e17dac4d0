# make run: set up and do the main job.  make test: set up and test.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# The first interpreter that is 3.11 or 3.12 (a pyenv shim that answers "not found" is passed over).
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; \
	done)
export UV_LINK_MODE ?= copy
# Where it is set, every rank compiles thousands of modules anew: 24 s of imports instead of 8.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-base browser slurm slurm-up slurm-down run test test-slow bench bench-gpu test-gpu lock lint clean

help:
	@echo "make run [ARGS='lr=5e-4']   set up, then python -m ftcore"
	@echo "make test                  set up, then the ordinary tests (make test-slow, make test-gpu: the others)"
	@echo "make setup                 everything, for training; make setup-base: the light half, for login nodes"
	@echo "make slurm-up              a Slurm of six nodes on this machine (Debian, as root); make slurm-down ends it"
	@echo "make bench                 benchmarks of the command line, of finding runs and of sweeps"
	@echo "make bench-gpu             ftcore beside XTuner, TRL with Liger and Unsloth on this machine's card"
	@echo "make lock                  write the lock files anew from pyproject.toml"

setup: $(VENV)/.all
setup-base: $(VENV)/.base

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "ftcore needs Python 3.11 or 3.12 (set PYTHON=...)"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing: apt-get install python3-venv"; exit 2; }
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.all: requirements.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.base: requirements-base.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements-base.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	touch $@

# Reports are tested in a real browser. Only root can install one; without it those tests say that they
# were skipped, and with CI=true they fail instead.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" != 0 || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null; }; }

# Runs are tested on a real Slurm, of six nodes on this machine; as with the browser.
slurm: setup
	@command -v slurmctld >/dev/null || { test "$$(id -u)" != 0 || $(BIN)/python -m tests.slurm.cluster install; }

slurm-up: slurm
	$(BIN)/python -m tests.slurm.cluster start

slurm-down: setup
	$(BIN)/python -m tests.slurm.cluster stop

run: setup
	$(BIN)/python -m ftcore $(ARGS)

# What needs nothing of the machine but a processor side by side, in the order of folders, in which what takes
# longest comes first; then what starts several ranks, stops runs at a step, or starts clusters, one by one.
# 5 is pytest's word for "none of these were asked for".
WORKERS ?= 2
RANKS := $(patsubst %,tests/integration/training/test_%.py,ddp resume zero) tests/slurm
test: setup browser slurm
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(RANKS:%=--ignore=%) $(ARGS); first=$$?; \
	$(BIN)/python -m pytest $(RANKS) $(ARGS); second=$$?; \
	for one in $$first $$second; do test $$one -eq 0 || test $$one -eq 5 || exit $$one; done; \
	test $$first -eq 0 || test $$second -eq 0

test-slow: setup browser slurm
	$(BIN)/python -m pytest -m slow $(ARGS)

test-gpu: setup
	$(BIN)/python -m pytest -m gpu $(ARGS)

bench: setup
	$(BIN)/python bench/help_latency.py $(ARGS)
	$(BIN)/python bench/records.py $(ARGS)
	$(BIN)/python bench/sweeps.py $(ARGS)

# The peers' packages stay out of ftcore's environment. Without a network: PEERS_INDEX='--no-index -f FOLDER'.
PEERS ?= $(VENV)/peers
PEERS_INDEX ?=
$(PEERS)/.all: bench/gpu/requirements.txt | $(BIN)/uv
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --target $(PEERS) $(PEERS_INDEX) -r $<
	touch $@

bench-gpu: setup $(PEERS)/.all
	$(BIN)/python -m bench.gpu --peers $(PEERS) $(ARGS)

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# Locks carry hashes and no index addresses.
COMPILE := $(BIN)/uv pip compile pyproject.toml -q --universal -p 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
lock: | $(BIN)/uv
	$(COMPILE) --extra train --extra trackers --extra serve --extra dev -o requirements.lock
	$(COMPILE) -c requirements.lock -o requirements-base.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
