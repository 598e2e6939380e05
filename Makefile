# The only interface: people and CI call the same targets. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
SERVICES := $(patsubst services/%/pyproject.toml,%,$(wildcard services/*/pyproject.toml))
MEMBERS := libs/protos libs/kit $(addprefix services/,$(SERVICES)) gateway deploy/local
BIN := .venv/bin
UV := .tools/bin/uv
# The certificates that the machine trusts, also where a proxy stands in between.
export UV_SYSTEM_CERTS := 1
export PYTHONDONTWRITEBYTECODE :=

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: build ## Start everything on this machine; Ctrl-C stops it
	@$(BIN)/python -m crm_local run

reset: build ## Forget all local data
	@$(BIN)/python -m crm_local reset

# Only from the command line: an environment may have such names for something else.
AT :=
ZONE :=
TESTS :=
test: build ## Run all tests, or some: make test TESTS=tests/service/sales; they start what they need
	@$(BIN)/pytest $(if $(TESTS),$(TESTS),@tests/parallel.args)

test-slow: build ## The short runs of chaos, cluster and fuzz (about ten minutes)
	@$(BIN)/pytest tests/chaos tests/cluster tests/fuzz

test-any-day: build ## Tests as on another day: make test-any-day AT="2028-02-29 23:30" ZONE=Asia/Kathmandu TESTS=tests
	@$(BIN)/python -m tests.any_day $(if $(AT),--at "$(AT)") $(if $(ZONE),--zone "$(ZONE)") $(TESTS)

lint: build ## Style, walls between packages, contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache
	@$(BIN)/python proto/check.py

types: build ## mypy --strict
	@$(BIN)/mypy libs/kit services/* gateway deploy/local tests proto/check.py deploy/check.py

k8s-check: build ## Render and validate the Kubernetes manifests, offline and strictly
	@$(BIN)/python deploy/check.py

images: ## Build the image of each service and of the gateway with docker
	@for p in $(subst _,-,$(SERVICES)) gateway; do \
	  docker build -f deploy/images/Dockerfile --target $$p -t guanxi/$$p:0.1.0 . || exit; done

format: build ## Write code and contracts in the house style
	@$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q . && $(BIN)/buf format -w proto

proto: build ## Compile the contracts

migration: build ## Draft a migration: make migration SERVICE=customer MESSAGE="add tiers" (SERVICE=kit: for all)
	@$(BIN)/python -m crm_local migration "$(SERVICE)" "$(MESSAGE)"

# Only from the command line: an environment may have such names for something else.
SERVICE :=
NAME :=
PLURAL :=
CHINESE :=
resource: build ## Write a new resource's scaffold: make resource SERVICE=sales NAME=service_contract CHINESE=服务合同
	@$(BIN)/python -m crm_local resource "$(SERVICE)" "$(NAME)" --plural "$(PLURAL)" --chinese "$(CHINESE)"
	@$(MAKE) -s format
	@$(MAKE) -s migration SERVICE="$(SERVICE)" MESSAGE="add $(NAME)"
	@$(MAKE) -s format openapi

scaffold-check: build ## Write a resource into a copy of each service and run every check on it (about three minutes)
	@echo "a resource in a copy of each service, with every check: about three minutes"
	@SCAFFOLD="$(SERVICES)" $(BIN)/pytest tests/scaffold

story: build ## Play the platform's main job on a running platform (make run)
	@$(BIN)/python -m tests.e2e.story

bench: build ## Speed beside the bare and the naive program, and of daily work; writes build/*bench.json
	@$(BIN)/python -m tests.load.bench; compared=$$?; $(BIN)/python -m tests.load.daily_bench && exit $$compared

search-bench: build ## Search among a million accounts; writes build/search_bench.json
	@$(BIN)/python -m tests.load.search_bench

link-bench: build ## What a call costs over a link and without; writes build/link_bench.json
	@$(BIN)/python -m tests.load.link_bench

background-bench: build ## What background work costs beside a million rows; writes build/background_bench.json
	@$(BIN)/python -m tests.load.background_bench

automation-bench: build ## What automation rules cost, and whom they keep waiting; writes build/automation_bench.json
	@$(BIN)/python -m tests.load.automation_bench

reports-bench: build ## How long reports about a million orders take; writes build/reports_bench.json
	@$(BIN)/python -m tests.load.reports_bench

jobs-bench: build ## Records a second of a bulk change; writes build/jobs_bench.json
	@$(BIN)/python -m tests.load.jobs_bench

notices-bench: build ## Lists and counts beside a million notifications; writes build/notices_bench.json
	@$(BIN)/python -m tests.load.notices_bench

streams-bench: build ## Memory and CPU of a thousand open streams of events, and how late they are told
	@$(BIN)/python -m tests.load.streams_bench

approvals-bench: build ## What approvals cost, and events where no policy asks
	@$(BIN)/python -m tests.load.approvals_bench

tasks-bench: build ## One's own tasks beside a million others; writes build/tasks_bench.json
	@$(BIN)/python -m tests.load.tasks_bench

webhooks-bench: build ## What telling webhook endpoints costs, and whom it keeps waiting; writes build/webhooks_bench.json
	@$(BIN)/python -m tests.load.webhooks_bench

intake-bench: build ## Mails a second that become cases, and waits beside full mailboxes; writes build/intake_bench.json
	@$(BIN)/python -m tests.load.intake_bench

calls-bench: build ## How soon whose telephone rings knows who it is; writes build/calls_bench.json
	@$(BIN)/python -m tests.load.calls_bench

duplicates-bench: build ## How well and how soon duplicates are found; writes build/duplicates_bench.json
	@$(BIN)/python -m tests.load.duplicates_bench

pricing-bench: build ## What 200 lines with discounts and taxes take to reckon; writes build/pricing_bench.json
	@$(BIN)/python -m tests.load.pricing_bench

import-bench: build ## Rows a second of an import until all have caught up; writes build/import_bench.json
	@$(BIN)/python -m tests.load.import_bench

feeds-bench: build ## Small deliveries beside large ones, conflicts among 300,000 accounts, a million imports cleared away
	@$(BIN)/python -m tests.load.feeds_bench

chaos: build ## Kill, freeze, cut off, fill up and set back what runs under load; count what is missing or doubled
	@$(BIN)/python -m tests.chaos

# Only from the command line: an environment may have such names for something else.
OVERLAY := production
ONLY :=
cluster: build ## Run an overlay's manifests here and try them: make cluster OVERLAY=production ONLY="restart story"
	@$(BIN)/python -m tests.cluster "$(OVERLAY)" $(if $(ONLY),--only $(ONLY))

fuzz: build ## Odd and hostile requests over the whole REST and gRPC contract
	@$(BIN)/python -m tests.fuzz

sdk-check: build ## Make TypeScript and Python clients of docs/openapi.json, and compile them; needs npm
	@$(BIN)/python -m tests.sdk

files-check: build ## Files in an S3 server and in a folder, sent by tus-js-client, with MiB/s; needs npm
	@$(BIN)/python -m tests.files

openapi: build ## Write docs/openapi.json, whose change is reviewed
	@$(BIN)/python -m crm_gateway openapi > docs/openapi.json

routes: build ## Print verb, path, rpc and permission of every route
	@$(BIN)/python -m crm_gateway routes

lock: $(UV) ## Resolve all dependencies anew into requirements.lock
	@$(UV) pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade \
	  $(addprefix --no-emit-package ,$(subst _,-,$(addprefix crm-,$(notdir $(MEMBERS))))) \
	  --group pyproject.toml:dev --group pyproject.toml:build $(addsuffix /pyproject.toml,$(MEMBERS)) -o requirements.lock

build: .venv/.ready ## Set up .venv and compile the contracts
	@$(BIN)/python libs/protos/compile.py

.venv/.ready: requirements.lock $(addsuffix /pyproject.toml,$(MEMBERS)) | $(UV)
	@echo "setting up .venv (first time: about a minute)"
	@[ -x $(BIN)/python ] || $(UV) venv -q --python $(PYTHON) .venv
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

$(UV):
	@$(SHELL) deploy/local/get-uv.sh "$(PYTHON)" .tools

.PHONY: help scaffold-check sdk-check files-check test-any-day test-slow migration resource routes story bench search-bench link-bench background-bench automation-bench reports-bench jobs-bench notices-bench streams-bench approvals-bench tasks-bench webhooks-bench import-bench feeds-bench chaos fuzz openapi run reset test k8s-check images lint types format proto lock build calls-bench intake-bench duplicates-bench cluster
