# One verb, one line: `make help` lists them. Every verb sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
UV := $(BIN)/uv
PACKAGES := proto services/testkit services/local-models services/voice-gateway services/voice-client
LOCAL := voicegateway-proto voicegateway-testkit local-models voice-gateway voice-client
MANIFESTS := pyproject.toml $(PACKAGES:%=%/pyproject.toml)

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/.installed: requirements.lock $(MANIFESTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) && $(UV) --version | grep -q '$(UV_VERSION)' || $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation $(PACKAGES:%=--editable %)
	@touch $@

.PHONY: setup
setup: .venv/.installed ## install everything into .venv

.PHONY: lock
lock: ## resolve the dependencies again into requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev \
	  $(LOCAL:%=--no-emit-package %) $(MANIFESTS) --output-file requirements.lock
