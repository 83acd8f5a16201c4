# Two commands, each with all its own set-up: `make demo` runs the main job, `make test` passes the tests.
# What they install are the versions of the lock files in requirements/; CONTRIBUTING says how these are made.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Modules are compiled when they are first used: most of what is installed never is.
LOCKED := install --no-compile --require-hashes -r
THIS := install --no-deps --no-build-isolation -e .

# Tests and commands start many processes: modules are compiled once, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint docs bench lock lock-check clean

demo: .venv/ready
	@echo "== Comparing four policies on five Jetson Nanos: three seeds of five minutes each (about 15 s)"
	$(BIN)/mdisim compare scenarios/mdi-exit-5-mesh.yaml --seeds 3 --set 'run.duration=5 min' --set 'run.warmup=1 min'

test: .venv/ready-test
	@echo "== Running all tests, on all cores (about 5 minutes on two)"
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: .venv/ready-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

docs: .venv/ready-test
	@echo "== Running the notebooks (about a minute)"
	@mkdir -p build/notebooks
	EXECUTED=$(CURDIR)/build/notebooks $(BIN)/python -m pytest -n auto --dist worksteal -m site tests/test_notebooks.py
	@echo "== Building the site, with what they show (about a minute)"
	$(BIN)/sphinx-build -q -j auto -W --keep-going -c docs . build/site
	$(BIN)/python -m pytest -m site tests/docs/test_site.py
	@echo "open build/site/docs/index.html"

bench: .venv/ready-test
	$(BIN)/python benchmarks/tandem.py

lock: .venv/ready-test
	@echo "== Resolving the newest versions that pyproject.toml allows, into requirements/*.txt"
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip --disable-pip-version-check install uv
	$(BIN)/python requirements/locks.py build/uv/bin/uv

lock-check: .venv/ready-test
	$(BIN)/python requirements/locks.py

clean:
	rm -rf .venv

.venv/bin/python:
	@echo "== Creating a virtual environment in .venv (about 5 s)"
	$(PYTHON) -m venv .venv

.venv/ready: requirements/plot.txt pyproject.toml | .venv/bin/python
	@echo "== Installing the $$(grep -c == $<) locked packages of $< (about 30 s)"
	$(PIP) $(LOCKED) $<
	@echo "== Installing mdisim itself"
	$(PIP) $(THIS)
	@touch $@

.venv/ready-test: requirements/dev.txt pyproject.toml | .venv/bin/python
	@echo "== Installing the $$(grep -c == $<) locked packages of $< (about one minute)"
	$(PIP) $(LOCKED) $<
	@echo "== Installing mdisim itself"
	$(PIP) $(THIS)
	@touch $@ .venv/ready
