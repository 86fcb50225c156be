# Two commands: `make run` talks to the bot, `make test` checks everything. Both set up .venv from the lock files first.

PYTHON ?= python3
WORKERS ?= 3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
LOCK   := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra all
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: run serve test lint types contracts unit chaos fuzz mutants bench soak bench-growth bench-edge bench-nlu format lock clean help

help: ## what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ -/'

run: $(VENV)/run ## talk to the bot in the terminal
	@$(BIN)/firstline chat

serve: $(VENV)/run ## run the adapters named in FIRSTLINE_ADAPTERS
	@$(BIN)/firstline run

test: $(VENV)/dev lint types contracts unit ## everything that must hold

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

types: $(VENV)/dev
	$(BIN)/mypy

contracts: $(VENV)/dev
	$(BIN)/lint-imports

unit: $(VENV)/dev
	$(BIN)/firstline intents check
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

chaos: $(VENV)/dev ## kill, stop and cut off whole bots under load: make chaos SEED=1 MESSAGES=1000 ENGINE=sqlite
	@$(BIN)/python -m tests.chaos.storm $(if $(SEED),--seed $(SEED)) $(if $(MESSAGES),--messages $(MESSAGES)) \
	  $(if $(ENGINE),--engine $(ENGINE))

fuzz: $(VENV)/dev ## damage 100,000 updates for each adapter: make fuzz SEED=1 COUNT=100000
	@$(BIN)/python -m tests.hostile.fuzz $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

mutants: $(VENV)/dev ## take out what keeps it reliable, piece by piece, and see a test fail: make mutants ONLY="fence sweeper"
	@$(BIN)/python -m tests.mutants.gate $(ONLY)

bench: $(VENV)/dev ## measure whole bots under load: make bench SECONDS=600 ENGINE=postgresql RATE=100
	@$(BIN)/python -m tests.benchmarks.load $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE)) \
	  $(if $(ENGINE),--engine $(ENGINE)) $(if $(FLOOD),--flood $(FLOOD)) $(if $(QUEUE),--queue $(QUEUE)) $(if $(PROFILE),--profile)

soak: $(VENV)/dev ## the same for an hour, to see whether memory stays flat: make soak ENGINE=sqlite
	@$(BIN)/python -m tests.benchmarks.load --seconds 3600 --rate $(or $(RATE),20) $(if $(ENGINE),--engine $(ENGINE))

bench-growth: $(VENV)/dev ## measure what a message costs with many conversations and many intents: make bench-growth MOST=1000000
	@$(BIN)/python -m tests.benchmarks.growth $(if $(MOST),--most $(MOST))

bench-edge: $(VENV)/dev ## measure what a call to a platform, or of one, costs
	@$(BIN)/python -m tests.benchmarks.edge $(if $(COUNT),--count $(COUNT))

bench-nlu: $(VENV)/dev ## measure the classifier on public data: make bench-nlu DATA=folder
	@$(BIN)/python -m tests.benchmarks.nlu --data "$(DATA)"

format: $(VENV)/dev ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/dev ## resolve the dependencies anew
	$(LOCK) --group build pyproject.toml --output-file requirements/run.txt
	$(LOCK) --group dev pyproject.toml --output-file requirements/dev.txt

clean: ## remove what can be made again
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Firstline needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements/run.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing what Firstline needs into $(VENV) ..."
	@$(PIP) --require-hashes --requirement requirements/run.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/dev: requirements/dev.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing what Firstline and its tests need into $(VENV) ..."
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/run
