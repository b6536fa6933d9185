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

# Whole machines without KVM and whole desktops have deadlines that a busy machine can break: what failed
# is run once more by itself, and both summaries are shown.
test: setup guest-disk lint ## set everything up and run all tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS) || \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(PYTEST_ARGS)

test-quick: setup lint ## lint, unit and property tests
	@$(BIN)/python -m pytest tests/unit tests/property $(PYTEST_ARGS)

# A minute's work, which the tests in guests need in five: whoever comes to them too early waits.
guest-disk: setup
	@mkdir -p .cache; nice $(BIN)/python -m tests.support.guest.disk >.cache/guest-disk.log 2>&1 </dev/null &

test-guest: setup ## the tests in full Linux guests, one of them with systemd and the package installed
	@$(BIN)/python -m pytest tests/guest $(PYTEST_ARGS)

test-guest-full: setup ## following the GPU's size; all the package has to survive, as a table (root, 20 min)
	@VDAGENT_TEST_GUEST_FULL=1 $(BIN)/python -m pytest tests/guest_full tests/guest/test_repair.py $(PYTEST_ARGS)
	@$(BIN)/python -m tests.survive --write docs/survive.md $(ROWS)

bench-guest: setup ## pointer and file on a real port in a full guest, beside the C peer, as a table
	@$(BIN)/python -m bench.in_guest

test-apt: setup ## install the .deb over spice-vdagent and back, on Debian 12, 13 and testing
	@VDAGENT_TEST_APT=1 $(BIN)/python -m pytest tests/packaging/test_apt.py $(PYTEST_ARGS)

test-c-peer: setup ## the end-to-end tests with the C peer in place of either half, and of both (7 min)
	@for agent in c-daemon c-session c; do E2E_AGENT=$$agent $(BIN)/python -m pytest $(PYTEST_ARGS) \
		$(addprefix tests/e2e/test_,clipboard.py connection.py files.py pointer_and_display.py \
		monitors.py) || exit 1; done

test-newest: ## desktops and QEMU's own agent host as Debian testing has them (root, 3 GB)
	@tests/support/in-debian.sh testing packaging/dev-setup.sh test
	@tests/support/in-debian.sh testing $(BIN)/python -m pytest tests/backends \
		tests/e2e/test_qemu_vdagent.py tests/e2e/test_wayland.py $(PYTEST_ARGS)

test-pythons: ## unit, property and backend tests on the oldest and the newest Python (root, 6 GB)
	@for one in "bookworm /usr/bin/python3" "testing /usr/bin/python3.15"; do \
		set -- $$one; export PYTHON=$$2; \
		tests/support/in-debian.sh $$1 packaging/dev-setup.sh test && \
		tests/support/in-debian.sh $$1 sh -c '$(BIN)/python --version && $(BIN)/python \
			-m pytest tests/unit tests/property tests/backends $(PYTEST_ARGS)' || exit 1; \
	done

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

recordings: setup ## what docs/ shows of the programs, from the programs
	@$(BIN)/python -m vdagent.lab.demo --screenshot docs/demo.png
	@TZ=UTC $(BIN)/vdagent monitor --read tests/captures/a-viewers-visit.jsonl >docs/monitor.txt

deb: ## dist/vdagent_VERSION_ARCH.deb, for Debian 12 and newer
	@packaging/dev-setup.sh deb
	@$(PYTHON) packaging/build.py deb

dist: ## wheel and sdist in dist/
	@packaging/dev-setup.sh deb
	@$(PYTHON) packaging/build.py dist

fuzz: setup ## fuzz every parser for TIME seconds (default 60)
	@$(BIN)/python -m tests.fuzz --time $(or $(TIME),60)

hostile: setup ## hostile peers against our programs and the C ones, as a table: docs/hostile.md
	@$(BIN)/python -m tests.hostile --full --write docs/hostile.md

soak: setup ## use everything at random for TIME seconds (default 60)
	@$(BIN)/python -m tests.soak --time $(or $(TIME),60)

bench: setup ## CPU, latency and memory beside the C peer, as a table (BENCH_ARGS: --report docs/benchmarks.md)
	@$(BIN)/python -m bench $(BENCH_ARGS)

setup: ## Debian packages and the virtual environment for the tests
	@mkdir -p .cache
	@packaging/dev-setup.sh test

clean: ## remove what was built here
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help demo test guest-disk test-quick test-guest test-guest-full test-apt test-c-peer test-newest test-pythons lint fmt docs
.PHONY: recordings deb dist fuzz hostile soak bench bench-guest setup clean
