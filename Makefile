# Two commands, each with all its own set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs bench clean

demo: .venv/ready
	$(BIN)/mdisim compare scenarios/mdi-exit-5-mesh.yaml --seeds 3 --set 'run.duration=5 min' --set 'run.warmup=1 min'

test: .venv/ready-test
	$(BIN)/python -m pytest -n auto

lint: .venv/ready-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

docs: .venv/ready-test
	$(BIN)/sphinx-build -q -j auto -W --keep-going -c docs . build/site
	@echo "open build/site/docs/index.html"

bench: .venv/ready-test
	$(BIN)/python -m pip install -q -e '.[bench]'
	$(BIN)/python benchmarks/tandem.py

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[plot]'
	touch $@

.venv/ready-test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@ .venv/ready
