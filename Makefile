# `make` alone lists the targets. Everything here needs GNU make and Python 3.11 or newer; the rest
# is seen to by machine/ (docs/install.md). On the command line, as in `make restore YES=1 FILE=...`, or in the shell:
#
#   FILE           for backup and restore: the file (backups/alertscale-<time in UTC>.tar.gz)
#   YES            for restore: anything does not ask
#   PYTHON         the Python that starts it all, 3.11 or newer (python3)
#   DOCKER_HOST    the engine, if it is not this machine's; it is then used as it is
#   DOCKER_CONFIG  the folder of the docker client's settings and plugins (~/.docker)
#   KEEP_STACK     for e2e: anything leaves the stacks of the tests up, to look at them
#   CI             for e2e: anything takes them down all the same; every CI system sets it

PYTHON ?= python3
VENV   := .venv/bin
RUN    := machine/timed
# On every core; the tests of a file stay together, since they share what is dear to make (tests/conftest.py).
SPREAD := --numprocesses auto --dist loadfile --no-loadscope-reorder
# Every shell script, known by its first line, in the folders that hold none of somebody else's.
FOLDERS  = $(filter-out node_modules build backups secrets tls,$(wildcard *))
SCRIPTS  = $(shell grep -rlE --exclude='*.py' --exclude='*.md' '^.!/(bin/|usr/bin/env )(ba|da)?sh' .ci $(FOLDERS))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help ready images up down backup restore clean venv browser deploying test lint docs unit integration integration-newest e2e timed untimed loadtest bench bench-quick soak drills pages test-swarm swarm-up swarm-down

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

ready: ## Get this machine ready: Docker Engine, Compose, base images
	@$(PYTHON) -m machine ready

# Tests remove the images of their stacks, and with the last tag of an image goes what it was built from.
images: ready ## Build the stack's images, which stay until clean: what tests build is then in the cache
	@$(RUN) "images" docker compose --project-name alertscale-e2e-images --profile '*' build --quiet

up: ## Get ready, build and start the whole stack, wait until it is healthy, print its pages
	@$(PYTHON) -m machine up

down: ## Stop the stack; metrics, silences and the scaling history stay
	@$(PYTHON) -m machine down

swarm-up: ## Start three engines on this machine as a Docker Swarm, and the stack on it (root)
	@$(PYTHON) -m machine swarm-up

swarm-down: ## Remove every trace of swarm-up
	@$(PYTHON) -m machine swarm-down

backup: ## Write what the stack remembers, and its settings, to backups/ (FILE=another/place.tar.gz)
	@$(PYTHON) -m machine backup "$(FILE)"

restore: ## Put a backup back: FILE=backups/... (YES=1 does not ask); what is there now is backed up before
	@$(PYTHON) -m machine restore "$(FILE)" $(if $(YES),--yes)

clean: ## Remove all that up and test made: containers, volumes, images, .venv, the engine if up started it
	@$(PYTHON) -m machine clean

venv: ## Make .venv with the tools of test and lint
	@$(PYTHON) -m machine venv

browser: ## Install Chromium for the tests of the status page (root, Debian; else they are skipped)
	@$(PYTHON) -m machine browser

# One after the other what holds answers to seconds, which two cores keep for one at a time only. The rest has
# what CPU that leaves.
test: ready venv browser deploying images ## Run lint, unit, docs, integration, e2e, some side by side; begin nothing after a failure
	@$(PYTHON) -m machine lanes timed untimed "lint unit docs" --made $^

lint: ready venv ## Check style, types, imports and every configuration file
	@$(RUN) "lint: ruff check" $(VENV)/ruff check .
	@$(RUN) "lint: ruff format" $(VENV)/ruff format --check .
	@$(RUN) "lint: mypy" $(VENV)/mypy
	@$(RUN) "lint: imports" $(VENV)/lint-imports
	@$(RUN) "lint: shell scripts" $(VENV)/shellcheck $(SCRIPTS)
	@$(RUN) "lint: .gitlab-ci.yml" $(VENV)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml
	@$(RUN) "lint: configuration files" $(PYTHON) -m machine check
	@$(RUN) "lint: alertscale check" $(VENV)/python -m alertscale check

docs: venv ## Build the site of docs/ into build/docs; a link, anchor or picture that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(RUN) "docs" $(VENV)/mkdocs build

unit: venv ## Run the tests that need no engine
	@$(RUN) "unit tests" $(VENV)/pytest tests/unit $(SPREAD)

integration: ready venv browser images ## Run the tests on a real engine
	@$(RUN) "integration tests" $(VENV)/pytest tests/integration $(SPREAD)

# Left out is what needs the DNS outside to say that a name is gone: that engine has no network.
integration-newest: ready venv ## Run what is the engine's and nginx' on the newest Engine that Debian has (root, Debian)
	@$(RUN) "on the newest engine" tests/engines/newest.sh run "python:3.14.7-slim nginx:1.30.6" $(VENV)/pytest \
	  tests/integration/scaler/test_parity.py tests/integration/scaler/test_target_contract.py \
	  tests/integration/scaler/test_compose_target.py tests/integration/scaler/test_program.py \
	  tests/integration/test_nginx_accepts.py tests/integration/test_nginx_passes_on.py \
	  --deselect tests/integration/test_nginx_accepts.py::test_without_the_scaler_nginx_follows_a_replica_by_its_own_name

deploying: ## Fetch an SSH server and gitlab-ci-local for the tests of the deploy (else they are skipped)
	@$(PYTHON) -m machine deploying

e2e: ready venv browser deploying images ## Run the tests of the whole stack
	@$(RUN) "end-to-end tests" $(VENV)/pytest tests/e2e

# The two again, otherwise divided. Neither is begun by hand: they are for `test`. What is timed waits for an engine
# most of the time: one more than there are cores.
timed: ready venv browser images
	@$(RUN) "integration tests, timed" $(VENV)/pytest tests/integration -m 'not drill and not untimed' $(SPREAD) --numprocesses 3
	@$(RUN) "end-to-end tests, timed" $(VENV)/pytest tests/e2e -m 'not drill and not untimed'

untimed: ready venv browser deploying images
	@$(RUN) "integration and end-to-end tests, untimed" $(VENV)/pytest tests/integration tests/e2e -m 'not drill and untimed' $(SPREAD)

test-swarm: ready venv deploying ## Run the tests on a Docker Swarm of three engines on this machine (root)
	@$(RUN) "tests on Swarm" $(VENV)/pytest tests/swarm

loadtest: ## Load the running stack (LOCUST_PROFILE=wave LOCUST_RUN_TIME=5m ...), report into locust/reports/
	@sh locust/loadtest.sh

bench: ready venv ## Measure every figure at full length (under 45 min), into docs/benchmarks/
	@$(VENV)/python -m bench run --all

bench-quick: ready venv ## Run the short form of every benchmark (about 8 min), into build/benchmarks/
	@$(VENV)/python -m bench run --all --quick

soak: ready venv ## One hour up and down all the time; fails when something grows
	@$(VENV)/python -m bench run soak --minutes 60

drills: ready venv browser deploying images ## Run what is long by nature (over an hour)
	@$(RUN) "drills: any input" $(VENV)/pytest tests/unit -m hypothesis --hypothesis-profile=drills $(SPREAD)
	@$(RUN) "drills: engine and stack" $(VENV)/pytest tests/integration tests/e2e -m drill
	@if $(PYTHON) -m machine swarm-possible; then $(RUN) "drills: Swarm" $(VENV)/pytest tests/swarm -m drill; fi
	@$(RUN) "drills: lost requests, kills, soak" $(VENV)/python -m bench run lost-requests kills soak --out build/drills

pages: venv ## Write all that is generated in docs/ anew: from the code, from measured figures, docs/benchmarks/
	@$(VENV)/python -m tools.pages
	@$(VENV)/python -m bench page
