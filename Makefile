# Two commands for a newcomer: `make demo` shows the bundled recording, `make test` runs every test.
# Each step leaves a file behind that is newer than what it was made from, so that a second run is fast.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
BUNDLE := src/cutaway/static/index.html
NODE_MODULES := viewer/node_modules/.package-lock.json
VIEWER_SOURCES := $(shell find viewer/src viewer/public -type f ! -name '*.test.*' 2>/dev/null) \
	$(wildcard viewer/index.html viewer/package.json viewer/vite.config.ts viewer/tsconfig.json)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
NPM := npm --prefix viewer --no-audit --no-fund --no-update-notifier

.DEFAULT_GOAL := help
.PHONY: help demo test lint test-python test-viewer test-browser build clean python-check node-check chromium

help: ## Show this list
	@echo "Cutaway: needs Python 3.11 or newer, Node 20 or newer, and git."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: python-check node-check $(BUNDLE) $(VENV)/.installed ## Open the bundled recording in the browser (ARGS="--no-browser --port 0")
	@$(BIN)/cutaway demo $(ARGS)

test: python-check node-check lint test-python test-viewer test-browser ## Install what the tests need and run all of them

lint: $(VENV)/.installed-dev $(NODE_MODULES) ## Ruff, mypy, tsc and Biome
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(NPM) run --silent check

test-python: $(BUNDLE) $(VENV)/.installed-dev ## The Python tests (ARGS="-k server")
	$(BIN)/python -m pytest $(ARGS)

test-viewer: $(NODE_MODULES) ## The viewer's tests in Node
	$(NPM) test --silent

test-browser: $(BUNDLE) $(VENV)/.installed-dev chromium ## The viewer's tests in a real browser
	$(NPM) run --if-present test:browser

build: $(BUNDLE) $(VENV)/.installed-dev ## Build the viewer, the wheel and the sdist into dist/
	$(BIN)/python -m build --outdir dist .

clean: ## Remove everything that was built or installed here
	rm -rf $(VENV) dist build viewer/node_modules src/cutaway/static src/*.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis test-results
	find src tests demo -name __pycache__ -type d -prune -exec rm -rf {} +

python-check:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Cutaway needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing). Name one: make PYTHON=python3.12 …" >&2; exit 1; }

node-check:
	@version=$$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'); \
	if [ -z "$$version" ] || ! command -v npm >/dev/null; then \
		echo "Cutaway's viewer is built with Node 20 or newer, and 'node' or 'npm' is not installed here." >&2; exit 1; \
	elif [ "$$version" -lt 20 ]; then \
		echo "Cutaway's viewer is built with Node 20 or newer; 'node' is $$(node --version) here." >&2; exit 1; fi

# CUTAWAY_CHROMIUM names the browser where it is none of the usual ones.
chromium:
	@if [ -n "$$CUTAWAY_CHROMIUM" ]; then exit 0; fi; \
	for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null && exit 0; done; \
	[ -d "/Applications/Google Chrome.app" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests …"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "The browser tests need Chromium: install it (Debian: apt-get install chromium; macOS: brew install --cask chromium) or set CUTAWAY_CHROMIUM to its path." >&2; \
		exit 1; fi

$(VENV)/bin/python: | python-check
	$(PYTHON) -m venv $(VENV)

# After the bundle: the build hook finds it fresh and has nothing to do.
$(VENV)/.installed: pyproject.toml hatch_build.py | $(VENV)/bin/python $(BUNDLE)
	$(PIP) install -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml hatch_build.py | $(VENV)/bin/python $(BUNDLE)
	$(PIP) install -e '.[dev,frameworks]'
	@touch $(VENV)/.installed $@

$(NODE_MODULES): viewer/package-lock.json | node-check
	$(NPM) ci --loglevel error
	@touch $@

$(BUNDLE): $(VIEWER_SOURCES) $(NODE_MODULES)
	$(NPM) run --silent build
	@touch $@
