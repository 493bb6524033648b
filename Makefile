# make demo   a throw-away deployment with planted faults, and the console on it
# make test   everything, on real servers; installs what it needs
# make lint   ruff and mypy
# make lock   resolve the dependencies anew

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint bench lock clean

demo: $(VENV)/demo.installed
	@exec $(BIN)/lsconsole demo $(DEMO_ARGS)

test: $(VENV)/dev.installed
	@sh tools/system-packages
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.installed
	@sh tools/system-packages
	$(BIN)/python -m tests.bench

$(VENV)/%.installed: requirements/%.txt pyproject.toml
	@echo "Installing into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--strip-extras --allow-unsafe --no-header --build-deps-for editable

lock: $(VENV)/dev.installed
	$(COMPILE) --extra demo --output-file requirements/demo.txt pyproject.toml
	$(COMPILE) --extra demo --extra dev --output-file requirements/dev.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
