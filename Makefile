# Needs Python 3.11 or newer, pip and make. Everything is installed into .venv, nothing outside this folder.
# Paths are relative throughout, so the folder's own path may contain spaces.
PYTHON    ?= python3
TEST_JOBS ?= 2
ARGS      ?=

BIN   := .venv/bin
STAMP := .venv/installed
SUDO   = $(shell test "$$(id -u)" = 0 || echo sudo)

# Debian packages that `make prove` talks to; see CONTRIBUTING.md.
PEERS := tshark kamailio kamailio-presence-modules kamailio-tls-modules sip-tester baresip \
         chromium chromium-driver fonts-inter fonts-jetbrains-mono pngquant
# Node's own packages bring an npm that Debian's would not stand beside.
NPM    = $(shell command -v npm >/dev/null || echo npm)
# What comes from npm: it goes into .venv/npm.
NPM_PEERS := allure@3

.DEFAULT_GOAL := help
.PHONY: help run test lint prove test-deps schema screenshots lock clean
.DELETE_ON_ERROR:

help: ## this list
	@echo 'ringproof: make TARGET [PYTHON=python3.12] [ARGS="..."]'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name what; do \
	    printf '  %-12s %s\n' "$$name" "$$what"; done

run: $(STAMP) ## the shipped scenarios on loopback sockets against the embedded reference server (ARGS: more for `ringproof run`)
	@$(BIN)/ringproof run $(ARGS)

test: $(STAMP) ## ruff, mypy and every test that needs no system package (ARGS: more for pytest)
	@$(BIN)/python -m pytest -n $(TEST_JOBS) -m 'not interop and not prove' $(ARGS)

lint: $(STAMP) ## ruff and mypy alone
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy

prove: $(STAMP) ## tests against software that we did not write (first: make test-deps)
	@$(BIN)/python -m pytest -m 'interop or prove' --durations=12 $(ARGS)

test-deps: $(STAMP) ## install what `make prove` talks to (Debian and its children; the only target that calls apt)
	@command -v apt-get >/dev/null || { echo 'make: test-deps knows only apt; install by hand: $(PEERS)' >&2; exit 1; }
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PEERS) $(NPM)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check 'pysipp==0.1.0'
	@npm install --silent --no-save --no-fund --no-audit --prefix .venv/npm $(NPM_PEERS)

promises: $(STAMP) ## regenerate docs/promises.md
	@mkdir -p out
	@$(BIN)/ringproof list --table > out/promises.md && mv out/promises.md docs/promises.md

schema: $(STAMP) ## regenerate scenarios/schema.json
	@mkdir -p out
	@$(BIN)/ringproof schema scenario > out/schema.json && mv out/schema.json scenarios/schema.json

screenshots: $(STAMP) ## regenerate docs/screenshots (first: make test-deps)
	@$(BIN)/python -m tests.interop.screenshots

lock: ## remake requirements.lock from pyproject.toml, everything as new as allowed
	@$(PYTHON) -m venv .venv/lock
	@.venv/lock/bin/python -m pip install -qq --disable-pip-version-check uv
	@.venv/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --extra dev --extra allure --extra browser --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	    --output-file requirements.lock pyproject.toml

clean: ## remove .venv, out, caches and build products
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed once; again only when the lock or the project file changes. With everything in place pip asks no index.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: no '$(PYTHON)' found; say make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: ringproof needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Say make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "make: '$(PYTHON)' has no venv or pip; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo 'make: installing the locked packages into .venv (once)'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)
