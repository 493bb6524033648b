# make demo        a throw-away deployment with planted faults, and the console on it
# make test        everything, on real servers; installs what it needs
# make test-twin   the API beside real Label Studio: same requests, same answers, same rows; the official SDK on both; installs it
# make bench       the figures of the README, taken anew; the API's beside Label Studio's
# make lint        ruff and mypy
# make lock        resolve the dependencies anew

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

# The virtual environment of real Label Studio; one that is there already can be named instead.
LABEL_STUDIO_VENV := $(or $(LSCONSOLE_TEST_LABEL_STUDIO),.venv-label-studio)
TWIN_ENGINES ?= sqlite,postgresql
TWIN_TESTS ?= tests/twin tests/sdk

.PHONY: demo test test-twin label-studio lint bench lock clean

demo: $(VENV)/demo.installed
	@exec $(BIN)/lsconsole demo $(DEMO_ARGS)

test: $(VENV)/dev.installed
	@sh tools/system-packages
	@sh tools/azurite
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-twin: $(VENV)/dev.installed $(if $(LSCONSOLE_TEST_LABEL_STUDIO),,$(LABEL_STUDIO_VENV)/label-studio.installed)
	@sh tools/system-packages
	@echo "Comparing with Label Studio of $(LABEL_STUDIO_VENV) on $(TWIN_ENGINES)"
	LSCONSOLE_TEST_LABEL_STUDIO=$(LABEL_STUDIO_VENV) LSCONSOLE_TWIN_ENGINES=$(TWIN_ENGINES) \
	  $(BIN)/python -m pytest $(TWIN_TESTS) $(PYTEST_ARGS)

label-studio: $(if $(LSCONSOLE_TEST_LABEL_STUDIO),,$(LABEL_STUDIO_VENV)/label-studio.installed)

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.installed $(if $(LSCONSOLE_TEST_LABEL_STUDIO),,$(LABEL_STUDIO_VENV)/label-studio.installed)
	@sh tools/system-packages
	LSCONSOLE_TEST_LABEL_STUDIO=$(LABEL_STUDIO_VENV) $(BIN)/python -m tests.bench

$(VENV)/%.installed: requirements/%.txt pyproject.toml
	@echo "Installing into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(LABEL_STUDIO_VENV)/label-studio.installed: requirements/label-studio.txt
	@echo "Installing Label Studio into $(LABEL_STUDIO_VENV) (once, about a minute)"
	@test -x $(LABEL_STUDIO_VENV)/bin/python || $(PYTHON) -m venv $(LABEL_STUDIO_VENV)
	@$(LABEL_STUDIO_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--strip-extras --allow-unsafe --no-header --build-deps-for editable

lock: $(VENV)/dev.installed
	$(COMPILE) --extra demo --extra dev --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --extra demo --constraint requirements/dev.txt --output-file requirements/demo.txt pyproject.toml

clean:
	rm -rf $(VENV) .venv-label-studio .venv-rq build dist .pytest_cache .mypy_cache .ruff_cache
