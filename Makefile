# Two commands matter: `make run` and `make test`. `make help` lists the others.

.DEFAULT_GOAL := help
.PHONY: help run reset test test-servers bench soak check lint types imports migrations security clean

# The first Python that is new enough; another one: make run PYTHON=/path/to/python
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; done)
JOBS ?= 2
MINUTES ?= 2
RATE ?= 20
SEED ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -qq --disable-pip-version-check

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/product ## Install what is missing and run everything, with demo data, until Ctrl-C
	@exec $(BIN)/python manage.py stack

reset: ## Throw the data folder's content away: the next run starts over
	@if [ ! -e $(VENV)/product ] && [ ! -e "$${DATA_DIR:-.data}/stack.lock" ]; then \
		echo "Nothing was ever started here, so there is nothing to throw away."; else \
		$(MAKE) -s --no-print-directory $(VENV)/product && $(BIN)/python manage.py stack --reset; fi

test: $(VENV)/tools ## Run all tests on servers of their own, in JOBS=2 processes (ARGS= goes to pytest)
	@env -u DATABASE_URL -u REDIS_URL -u MARKET_REDIS_URL $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-servers: $(VENV)/tools ## Run all tests on the servers that DATABASE_URL, REDIS_URL and MARKET_REDIS_URL name
	@for name in DATABASE_URL REDIS_URL MARKET_REDIS_URL; do \
		if [ -z "$$(printenv $$name)" ]; then echo "Set $$name first: this runs the tests on servers that you give."; exit 2; fi; done
	@$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/tools ## Measure speed against limits found in the same run; see docs/performance.md
	@$(BIN)/python -m benchmarks

soak: $(VENV)/tools ## Run everything under load with random faults and compare (MINUTES=2 RATE=20 SEED=)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --rate $(RATE) $(if $(SEED),--seed $(SEED))

check: lint types imports migrations security ## Run every check that is no test

lint: $(VENV)/tools ## Check the style (ruff)
	@$(BIN)/ruff check .

types: $(VENV)/tools ## Check the types (mypy)
	@$(BIN)/mypy copytrading accounts orders workers tests benchmarks manage.py

imports: $(VENV)/tools ## Check who imports whom (import-linter)
	@$(BIN)/lint-imports

migrations: $(VENV)/tools ## Check the settings and that the migrations are complete
	@$(BIN)/python manage.py check --fail-level WARNING
	@$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

security: $(VENV)/tools ## Check for insecure calls (bandit)
	@$(BIN)/bandit -q -r copytrading accounts orders workers manage.py -c pyproject.toml

clean: ## Remove the virtual environment and every cache, not the data
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.data/*' -prune -exec rm -rf {} +

$(BIN)/pip:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed and was not found. Install it, or name one: make run PYTHON=/path/to/python"; exit 1; fi
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "This Python can't make virtual environments. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/product: requirements.txt | $(BIN)/pip
	@echo "Installing what the product needs; the first time this takes a minute ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/tools: requirements.txt requirements-dev.txt | $(BIN)/pip
	@echo "Installing what the tests need; the first time this takes a minute ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/product
