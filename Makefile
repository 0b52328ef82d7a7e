# Every habit of this repository is one command: `make help` lists them.
# Extra arguments go into ARGS: make test ARGS="-k lease -x"

PYTHON ?= python3
ARGS ?=
# How many tests run at a time: more than two cores can, for many of them wait. On a database of yours they run one by one:
# they share its channels and its sessions.
PARALLEL ?= $(if $(CURRANT_DATABASE_URL),,-n 3 --dist worksteal)
VENV := .venv
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench crash crash-soak explain clean demo-ready dev-ready

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: demo-ready ## Watch Currant run an online shop's jobs, on a Postgres of its own: half a minute.
	@$(RUN) -m examples.demo $(ARGS)

test: dev-ready ## Run all tests.
	@$(RUN) -m pytest $(PARALLEL) $(ARGS)

lint: dev-ready ## Check style, format, types and the directions of imports.
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy
	@$(RUN) -m pyright --pythonpath $(RUN)
	@cd tests/testing/sample && ../../../$(RUN) -m mypy
	@$(VENV)/bin/lint-imports

docs: dev-ready ## Build the site of the documentation into site/.
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet $(ARGS)

bench: demo-ready ## Measure how fast a backlog is drained, next to what the database can do.
	@$(RUN) -m currant bench --mode capacity --workers 2 --concurrency 64 --jobs 40000 $(ARGS)

crash: dev-ready ## Break everything in the fault table, with 10,000 executions each; the report goes to crash.json.
	@$(RUN) -m pytest tests/faults --crash --crash-report crash.json $(ARGS)

crash-soak: dev-ready ## Break things at random under load, for five minutes or as said: ARGS="--soak-seconds 60 --soak-seed 7".
	@$(RUN) -m pytest tests/faults/soak --crash -s --soak-seconds 300 $(ARGS)

explain: dev-ready ## Show the plans of the hot statements, and check them.
	@$(RUN) -m pytest tests/store -k explain -s $(ARGS)

clean: ## Remove what these commands have made: the environment and the caches.
	@if [ -e $(VENV)/.made-by-make ]; then rm -rf $(VENV); fi
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build src/*.egg-info tests/testing/sample/.mypy_cache
	@find src tests examples -type d -name __pycache__ -prune -exec rm -rf {} +

demo-ready:
	@$(call install,embedded,$(VENV)/.ready-*)

dev-ready:
	@$(call install,dev,$(VENV)/.ready-dev)

# Installs Currant with the extra $(1), unless one of the stamps $(2) is newer than pyproject.toml. A stamp holds the path
# of the environment, whose scripts do not outlive a move.
define install
here=$$(pwd -P); \
works() { [ "$$($(RUN) -c 'import sys, pip; print(sys.version_info >= (3, 11))' 2>&1)" = True ]; }; \
moved() { cat $(VENV)/.ready-* 2>/dev/null | grep -qvxF "$$here"; }; \
if works && ! moved; then \
	for stamp in $(2); do \
		if [ "$$stamp" -nt pyproject.toml ]; then exit 0; fi; \
	done; \
else \
	if ! found=$$($(PYTHON) -c 'import sys; print(sys.version.split()[0], sys.version_info >= (3, 11))' 2>&1); then \
		echo "Currant needs Python 3.11 or later, and '$(PYTHON)' does not run: name another, as in: make PYTHON=python3.13" >&2; \
		exit 1; \
	fi; \
	if [ "$${found#* }" != True ]; then \
		echo "Currant needs Python 3.11 or later, and '$(PYTHON)' is $${found% *}: name another, as in: make PYTHON=python3.13" >&2; \
		exit 1; \
	fi; \
	echo "Making a Python environment in $(VENV), with Python $${found% *}"; \
	if ! $(PYTHON) -m venv --clear $(VENV); then \
		echo "'$(PYTHON) -m venv' failed: it may need a package of your system, such as python3-venv" >&2; \
		exit 1; \
	fi; \
	touch $(VENV)/.made-by-make; \
fi; \
echo "Installing Currant and what '$(1)' needs into $(VENV), which may take a minute"; \
$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[$(1)]' && \
echo "$$here" > $(VENV)/.ready-$(1)
endef
