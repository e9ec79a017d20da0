# `make run` shows the whole thing on a fresh machine; `make test` proves it. Python 3.11, make and git are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# --no-deps: the lock names everything, and a resolver would still look for the newest of what it finds without a hash.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps --only-binary :all:

# Compiled once: the tests start hundreds of processes, and where an environment forbids it each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test quick judge lint bench soak chaos lock clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/run  ## the gateway, three partners in a box, and the story told (ARGS=--once: tell it and exit)
	@$(BIN)/aeo-gateway demo $(ARGS)

test: $(VENV)/dev lint  ## everything that must hold, in a random order (ARGS goes to pytest: ARGS=--randomly-seed=7 is that order again)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term $(ARGS)

quick: $(VENV)/dev  ## what needs no process, no PostgreSQL and no whole node, in under a minute (ARGS goes to pytest)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --quick $(ARGS)

judge: $(VENV)/dev  ## what is too long for every change: three orders, 100,000 histories, chaos, soak; a table for the note (up to an hour; ARGS="order soak")
	@$(BIN)/python -m tests.judge $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/dev  ## one table: each figure beside what a user would run instead, written to build/bench.json
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(VENV)/dev  ## minutes of as much as the gateway takes, then the account (ARGS="--minutes 10")
	$(BIN)/python -m tests.soak $(ARGS)

chaos: $(VENV)/dev  ## processes killed at every step, disks filled, databases stopped, hostile callers; after each the account must add up (some 20 minutes)
	$(BIN)/python -m tests.chaos $(ARGS)

lock: $(VENV)/dev  ## write the hash-locked requirements anew from pyproject.toml; they name no package index
	$(BIN)/pip-compile $(LOCK) --upgrade -o requirements.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml
LOCK := --quiet --strip-extras --allow-unsafe --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean:  ## take away what was made, but not var/, where an installation lives
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(VENV)/run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; say PYTHON=... if it has another name.")'
	@test -x $(BIN)/python || { echo "Setting up $(VENV) (once, about a minute) ..."; $(PYTHON) -m venv $(VENV); }
	@$(PIP) -r requirements.txt
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/run
	@$(PIP) -r requirements-dev.txt
	@touch $@
