# Everything that continuous integration does, and nothing that cannot be done here.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests start hundreds of processes; each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install check test test-all demo table-synthetic table-dubai table-methods sweep-synthetic docs ci clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv with the pinned packages (PYTHON=python3.12 picks another Python)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: rs-adapt needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Say: make install PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

check: $(STAMP) ## Lint, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP) ## Run the quick tests: about four minutes on two idle cores (no network, no GPU, no data needed)
	$(BIN)/python -m pytest -q -n logical --dist worksteal -m "not slow"

test-all: $(STAMP) ## Run all tests, those marked slow too
	$(BIN)/python -m pytest -q -n logical --dist worksteal

demo: $(STAMP) ## Train Earth-Adapter on synthetic scenes, score and map: three minutes on two idle cores
	$(BIN)/rs-adapt train --bench synthetic-da --work-dir work_dirs/demo --overwrite
	@$(BIN)/python -c "from pathlib import Path; from rs_adapt.datasets.synthetic import write_scenes; \
		write_scenes(Path('work_dirs/demo_map/scenes'), scenes={'test': 1})"
	$(BIN)/rs-adapt predict work_dirs/demo_map/scenes/south/test/south_test_00.tif --checkpoint work_dirs/demo \
		--out work_dirs/demo_map/map.tif --preview --style --vector geojson --min-area 10 --overwrite
	@echo "A map of the target region lies in work_dirs/demo_map/map.tif: open it in QGIS, or its picture map.png."

table-synthetic: $(STAMP) ## Measure what each strategy closes of the gap on synthetic scenes, and report it
	$(BIN)/rs-adapt sweep configs/sweep/strategies_synthetic.toml
	$(BIN)/rs-adapt report work_dirs/strategies_synthetic

table-dubai: $(STAMP) ## The same on the Dubai images: DATA_ROOT=folder that holds dubai/
	$(BIN)/rs-adapt sweep configs/sweep/strategies_dubai.toml --data-root $(or $(DATA_ROOT),data)
	$(BIN)/rs-adapt report work_dirs/strategies_dubai

table-methods: $(STAMP) ## Measure every method on synthetic scenes, adaptation and generalization, and report it
	$(BIN)/rs-adapt sweep configs/sweep/methods_synthetic.toml
	$(BIN)/rs-adapt report work_dirs/methods_synthetic

sweep-synthetic: $(STAMP) ## Run the sweep of four methods on synthetic scenes: 24 short cells (work_dirs/synthetic_all)
	$(BIN)/rs-adapt sweep configs/sweep/synthetic_all.toml

docs: $(STAMP) ## Build the documentation into build/site (no network): open build/site/index.html
	$(BIN)/python benchmarks/methods_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

ci: check test-all ## What continuous integration runs

clean: ## Remove .venv, caches and builds; runs and data stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
