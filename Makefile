PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help dev test trial bench histories examples permissions reference check lock format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

dev: $(INSTALLED) ## Run everything on this machine; Ctrl-C stops it (docs/development.md)
	@exec $(BIN)/python -m cks.dev

ifdef AREA
test: $(INSTALLED)
	@found=$$(find tests -type d -name '$(AREA)'); test -n "$$found" \
		|| { echo "There is no area $(AREA): see the folders of tests/api, tests/db and tests/domain."; exit 1; }; \
		$(BIN)/pytest $$found --numprocesses=2 --dist=worksteal
else
test: $(INSTALLED) ## Run the tests (AREA=clusters: of one area); cks/domain and workflows wholly covered
	@$(BIN)/pytest --quiet tests/sim & histories=$$!; \
		$(BIN)/pytest --ignore=tests/sim --numprocesses=2 --dist=worksteal --cov --cov-report=term:skip-covered; tests=$$?; \
		wait $$histories && exit $$tests
	@told=$$($(BIN)/coverage report --include='cks/domain/*,workflows/*' --fail-under=100) \
		|| { echo "$$told"; echo 'cks/domain and workflows are not covered to the last branch.'; exit 1; }
endif

trial: $(INSTALLED) ## Play thousands of histories by seed, and examine the trials by sabotage
	@$(BIN)/pytest -m trial
	@$(BIN)/python -m tests.sim --seeds $(or $(SEEDS),2000) --start $(or $(START),$(shell date +%Y%m%d))

bench: $(INSTALLED) ## Measure what is done most against floors (docs/performance.md)
	@for name in read accept access provision idle; do $(BIN)/python -m bench $$name || exit 1; done

histories: $(INSTALLED) ## Record histories of each workflow for the replay tests
	@$(BIN)/python -m tests.workflows.histories

check: $(INSTALLED) ## Lint, types, who may import whom, and the production files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/python -m api.reference.describe | tools/spectral/lint

format: $(INSTALLED) ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

examples: $(INSTALLED) ## Record the reference's examples anew, from the running API
	@$(BIN)/python -m tests.support.examples

permissions: $(INSTALLED) ## Write the tables of docs/permissions.md anew
	@$(BIN)/python -m api.reference.permissions

reference: ## Fetch the reference page's own files from npm again, and check them
	@tools/reference.sh

lock: $(INSTALLED) ## Write the hashed requirements anew (UPGRADE=--upgrade takes the newest)
	@$(COMPILE) pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	@echo uv | $(COMPILE) - -o requirements/uv.txt
	@echo 'setuptools>=77' | $(COMPILE) - -o requirements/build.txt

clean: ## Remove the virtual environment and all caches; .dev and its data stay
	@rm -rf .venv .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build htmlcov *.egg-info tools/spectral/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv reads no configuration of pip: where only pip knows the way to the packages, pip installs.
$(INSTALLED): pyproject.toml requirements/dev.txt requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo 'Installing into .venv …'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt \
		|| $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
