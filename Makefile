# SPDX-License-Identifier: GPL-3.0-or-later
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

DEV_CACHE := $(or $(OPTIO_CODEX_DEV_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/optio-codex-dev)
ENVIRONMENT := tests/environment
export PATH := $(DEV_CACHE)/venv/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/collections
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache

.PHONY: help check test test-batteries test-extended qualify demo demo-down bench docs site pictures release-check sanity units fleets clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: ## lint, types and unit tests (two to three minutes on two cores, no containers)
	@$(ENVIRONMENT)/stages.sh check

test: ## sanity, unit and container tests, Molecule (13 minutes on two cores; sets up all it needs)
	@$(ENVIRONMENT)/stages.sh test

test-batteries: ## faults, interruptions, other users, credentials, the gateway and the mirror: all cases of each (16 minutes)
	@$(ENVIRONMENT)/stages.sh tools environment batteries

test-extended: ## the tests that make test leaves out: repetitions with an older codex, more kinds of projects, Python 3.9 to 3.14
	@$(ENVIRONMENT)/stages.sh tools environment units pythons all-pythons extended

qualify: ## the contract with another version of codex, in about half an hour: make qualify CODEX=0.172.0
	@$(ENVIRONMENT)/bootstrap.sh check-tools collection
	@scripts/qualify.py run $(or $(CODEX),$(error Set the version, as in make qualify CODEX=0.172.0))

demo: ## a small fleet with a list of codex sessions on it
	@$(ENVIRONMENT)/demo.sh up

demo-down: ## remove all of the demo
	@$(ENVIRONMENT)/demo.sh down

bench: ## a cold install, warm runs beside ping and pyinfra, the size of a fleet, many sessions beside a script, payload sizes
	@$(ENVIRONMENT)/bootstrap.sh all
	@python tests/benchmark/install_cost.py
	@python tests/benchmark/warm_run.py
	@python tests/benchmark/fleet_size.py
	@python tests/benchmark/many_sessions.py
	@python tests/benchmark/payload.py

docs: ## check and render the documentation of modules and roles into build/docs
	@$(ENVIRONMENT)/stages.sh docs

site: ## the documentation site, with Sphinx, into build/site/html
	@$(ENVIRONMENT)/bootstrap.sh check-tools release collection
	@$(ENVIRONMENT)/site.sh

pictures: ## the pictures of the site: a terminal and the gateway's page as tests see them, and the table of sessions
	@$(ENVIRONMENT)/bootstrap.sh all browser
	@python -m pytest -q tests/e2e/test_browser.py tests/e2e/test_gateway_page.py -k "sees_the_session or forty_sessions"
	@cp $(DEV_CACHE)/test-artifacts/session-in-browser.png docs/images/session-in-browser.png
	@cp $(DEV_CACHE)/test-artifacts/gateway-page-guide.png docs/images/gateway-page.png
	@scripts/table_picture.py write

release-check: ## all that a release must pass: licenses, changelog, lint, sanity, units, Galaxy's import, the artifact on every core
	@OPTIO_CODEX_ALLOW_MISSING=$(ALLOW_MISSING) $(ENVIRONMENT)/release.sh

sanity: ## ansible-test sanity alone; CORE=2.21 with that ansible-core
	@$(ENVIRONMENT)/bootstrap.sh check-tools
	@OPTIO_CODEX_CORE=$(CORE) $(ENVIRONMENT)/ansible_test.sh sanity

units: ## the quick unit tests of what runs on workers, on every Python; PYTHON=3.9 on that one
	@$(ENVIRONMENT)/bootstrap.sh check-tools collection
	@$(ENVIRONMENT)/pythons.sh $(PYTHON)

fleets: ## the fleets of containers that are up
	@python $(ENVIRONMENT)/fleet.py status

clean: ## remove what was generated in the tree (downloads and images stay in the cache)
	@rm -rf build collections/ansible_collections .ansible .mypy_cache .pytest_cache .ruff_cache tests/output
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
	@echo "kept: $(DEV_CACHE)"
