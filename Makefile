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
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/.installed: requirements.lock $(MANIFESTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) && $(UV) --version | grep -q '$(UV_VERSION)' || $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation $(PACKAGES:%=--editable %)
	@touch $@

.PHONY: setup
setup: .venv/.installed ## install everything into .venv

LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: lock
lock: ## resolve the dependencies again, into requirements.lock and those of the images
	$(LOCK) --group dev --extra top $(LOCAL:%=--no-emit-package %) $(MANIFESTS) --output-file requirements.lock
	$(LOCK) --extra top $(LOCAL:%=--no-emit-package %) --constraint requirements.lock --output-file services/voice-gateway/requirements.lock \
	  proto/pyproject.toml services/voice-gateway/pyproject.toml services/voice-client/pyproject.toml
	$(LOCK) --constraint requirements.lock --output-file services/local-models/requirements.lock services/local-models/pyproject.toml
	$(LOCK) $(LOCAL:%=--no-emit-package %) --constraint requirements.lock --output-file services/testkit/requirements.lock \
	  proto/pyproject.toml services/testkit/pyproject.toml
	$(LOCK) --no-deps --group mutants pyproject.toml --output-file requirements-mutants.lock
	echo 'hatchling uv==$(UV_VERSION)' | tr ' ' '\n' | $(LOCK) --constraint requirements.lock --output-file services/build.lock -

SERVICES := services/voice-gateway services/local-models services/voice-client services/testkit
GENERATORS := $(sort $(wildcard scripts/gen_*.py))
CORE_PROPERTIES := $(addprefix services/voice-gateway/tests/turn/,test_turn_properties.py test_turn_snapshot.py test_turn_tool_properties.py)
CORE_TESTS := services/voice-gateway/tests/turn services/voice-gateway/tests/domain

.PHONY: proto
proto: setup ## generate the stubs from the .proto files
	scripts/gen_proto.sh

.PHONY: docs
docs: setup ## generate the reference pages that come from the code
	for generator in $(GENERATORS); do PYTHONPATH=. $(BIN)/python $$generator; done

.PHONY: fmt
fmt: setup ## format the code
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format --quiet .

.PHONY: lint
lint: setup ## style of Python, .proto files, shell scripts and Dockerfiles
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/interrogate -c pyproject.toml -vv --omit-covered-files $(wildcard $(SERVICES:%=%/tests)) helm/tests e2e-kube docs/examples/tests
	cd proto && ../$(BIN)/buf lint
	$(BIN)/shellcheck --external-sources .ci/run $(wildcard scripts/*.sh)
	$(BIN)/hadolint $(wildcard services/*/Dockerfile)

.PHONY: types
types: setup ## mypy, strict, one package at a time
	for package in $(SERVICES); do \
	  $(BIN)/mypy --no-error-summary $$package/src $$package/tests; \
	done
	$(BIN)/mypy --no-error-summary helm/tests
	$(BIN)/mypy --no-error-summary e2e-kube
	$(BIN)/mypy --no-error-summary docs/examples/tests
	$(BIN)/mypy --no-error-summary $(wildcard scripts/*.py)
	$(BIN)/mypy --no-error-summary bench accept monitoring

.PHONY: imports
imports: setup ## which room may import which
	$(BIN)/lint-imports --cache-dir .cache/import_linter

.PHONY: generated
generated: setup ## generated files are as their sources say
	scripts/gen_proto.sh --check
	for generator in $(GENERATORS); do PYTHONPATH=. $(BIN)/python $$generator --check; done

.PHONY: coverage
coverage: setup ## the core's own tests cover every branch of it
	PROPERTY_EXAMPLES=20 $(BIN)/coverage run -m pytest --quiet --no-header --durations=0 --durations-min=1 $(CORE_TESTS)
	$(BIN)/coverage report

.PHONY: test
test: setup ## the whole suite
	$(BIN)/pytest

.PHONY: examples
examples: setup ## build and run the example clients in Go and Node; what this machine cannot install is skipped
	$(BIN)/pytest --timeout 900 docs/examples/tests

.PHONY: e2e-kube
e2e-kube: setup ## install, upgrade, drain and break on the cluster of KUBECONFIG; TESTS=e2e-kube/test_3_upgrades.py for less
	$(BIN)/pytest -p no:randomly --timeout 600 --durations=0 --durations-min=1 $(or $(TESTS),e2e-kube)

.PHONY: prove
prove: setup ## the core's properties, 50,000 new examples of each; takes an hour (EXAMPLES=10000 for fewer)
	PROPERTY_EXAMPLES=$(or $(EXAMPLES),50000) $(BIN)/pytest --timeout 0 --hypothesis-profile=default $(CORE_PROPERTIES)

MUTMUT := .cache/mutants/lib

$(MUTMUT)/.installed: requirements-mutants.lock .venv/.installed
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --require-hashes --no-deps --target $(MUTMUT) -r requirements-mutants.lock
	@touch $@

.PHONY: mutants
mutants: setup $(MUTMUT)/.installed ## faults in the core that its tests do not notice; MODULE=turn/user/keypad.py, SAMPLE=400 SEED=1 for less
	PYTHONPATH=$(MUTMUT) $(BIN)/python scripts/mutants.py $(MODULE) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

.PHONY: check
check: lint types imports generated coverage test ## everything above that must be green; the suite last

.PHONY: demo
demo: setup ## a spoken conversation on this machine; LLM=gguf for a real language model
	$(BIN)/python -m scripts.demo $(if $(LLM),--llm $(LLM))

.PHONY: up
up: setup ## start local-models and the gateway and leave them running
	$(BIN)/python -m scripts.up

.PHONY: accept
accept: setup ## every real-time acceptance line, as a table
	$(BIN)/python -m accept

.PHONY: soak
soak: setup ## ten minutes of everything at once, and what is left of it (HOURS=1 for longer)
	GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/python -m accept.soak $(if $(HOURS),--minutes $$(( $(HOURS) * 60 )))

.PHONY: issuer
issuer: setup ## JWTs of an issuer that others wrote (oauth2-mock-server, through npm), with rotation under a live call
	$(BIN)/pytest -m npm services/voice-gateway/tests/e2e/test_e2e_real_issuer.py

.PHONY: rules
rules: setup ## every alert by promtool, which it installs where it can
	scripts/install_prometheus.sh || echo 'no promtool here: no alert is tried'
	$(BIN)/pytest helm/tests/test_chart_rules.py

.PHONY: dashboards
dashboards: setup ## every alert by promtool, every panel by a Prometheus that reads a gateway with calls; installs them
	scripts/install_prometheus.sh
	$(BIN)/pytest helm/tests/test_chart_rules.py helm/tests/test_chart_dashboards.py
	GRPC_ENABLE_FORK_SUPPORT=0 PYTHONPATH=. $(BIN)/python scripts/check_dashboards.py

.PHONY: bench
bench: setup ## the gateway under load, as a table; SECTION=barge-in, SESSIONS=1,10 LENGTH=20 (seconds) for less
	GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/python -m bench $(SECTION) $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(LENGTH),--seconds $(LENGTH))

.PHONY: knee
knee: setup ## what voice-client load finds: a lone caller, a hundred beside the echo, the most; BASE=COMMIT beside another
	$(BIN)/python -m bench.knee $(BASE) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(LENGTH),--seconds $(LENGTH))

.PHONY: bench-workers
bench-workers: setup ## what a call costs with two workers instead of one; LENGTH=20 (seconds)
	$(BIN)/python -m bench.workers $(if $(LENGTH),--seconds $(LENGTH))

.PHONY: bench-compare
bench-compare: setup ## the bench against the gateway of BASE=COMMIT, in PAIRS=5; SECTION, SESSIONS and LENGTH as above
	@test -n "$(BASE)" || { echo 'make bench-compare BASE=COMMIT' >&2; exit 1; }
	$(BIN)/python -m bench.compare $(BASE) $(SECTION) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(LENGTH),--seconds $(LENGTH))
