# SPDX-License-Identifier: MIT
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= /usr/bin/python3
export PYTHON
BIN := .venv/bin

help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## set everything up and run the main job for real (KEEP=1: stay up for remote-viewer)
	@packaging/dev-setup.sh demo
	@KEEP=$(KEEP) $(BIN)/python -m vdagent.lab.demo

test: setup lint ## set everything up and run all tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-quick: setup lint ## lint, unit and property tests
	@$(BIN)/python -m pytest tests/unit tests/property $(PYTEST_ARGS)

test-guest: setup ## the tests in one full Linux guest
	@$(BIN)/python -m pytest tests/guest $(PYTEST_ARGS)

test-apt: setup ## install the .deb over spice-vdagent and back, on Debian 12, 13 and testing
	@VDAGENT_TEST_APT=1 $(BIN)/python -m pytest tests/packaging/test_apt.py $(PYTEST_ARGS)

test-c-peer: setup ## the end-to-end tests with the C peer in place of either half, and of both (5 min)
	@for agent in c-daemon c-session c; do E2E_AGENT=$$agent $(BIN)/python -m pytest $(PYTEST_ARGS) \
		$(addprefix tests/e2e/test_,clipboard.py connection.py files.py pointer_and_display.py) || exit 1; done

test-newest: setup ## the Wayland tests against the compositors of Debian testing (root, 1.2 GB, 3 min)
	@tests/support/newest-tree.sh $(CURDIR)/.cache/newest
	@VDAGENT_TREE=$(CURDIR)/.cache/newest $(BIN)/python -m pytest tests/backends -k "sway or kwin or wayland" $(PYTEST_ARGS)

lint: setup ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >.cache/lint-imports.log 2>&1 || { cat .cache/lint-imports.log; exit 1; }

fmt: setup ## let ruff format everything
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: ## the documents as HTML in .cache/docs; a warning is an error
	@packaging/dev-setup.sh docs
	@$(BIN)/sphinx-build -W --keep-going -n -q docs .cache/docs
	@echo .cache/docs/index.html

deb: ## dist/vdagent_VERSION_ARCH.deb, for Debian 12 and newer
	@packaging/dev-setup.sh deb
	@$(PYTHON) packaging/build.py deb

dist: ## wheel and sdist in dist/
	@packaging/dev-setup.sh deb
	@$(PYTHON) packaging/build.py dist

fuzz: setup ## fuzz every parser for TIME seconds (default 60)
	@$(BIN)/python -m tests.fuzz --time $(or $(TIME),60)

hostile: setup ## hostile peers against our programs and the C ones, as a table
	@$(BIN)/python -m tests.hostile

soak: setup ## use everything at random for TIME seconds (default 60)
	@$(BIN)/python -m tests.soak --time $(or $(TIME),60)

bench: setup ## CPU, latency and memory beside the C peer, as a table
	@$(BIN)/python -m bench $(BENCH_ARGS)

setup: ## Debian packages and the virtual environment for the tests
	@mkdir -p .cache
	@packaging/dev-setup.sh test

clean: ## remove what was built here
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: test-newest test-c-peer help demo test test-quick test-guest test-apt lint fmt docs deb dist fuzz hostile soak bench setup clean
