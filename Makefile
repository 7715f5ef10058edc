# Everything runs from .venv, which scripts/venv.sh keeps at the lock files. PYTHON=... names the
# interpreter to make it with; otherwise the first of python3.13, 3.12, 3.11 and python3 that runs.

.DEFAULT_GOAL := help
.PHONY: help dev test test-all check fmt schema chart bench image soak faults storm mutants lock clean setup

bin := .venv/bin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

dev: ## start the gateway against a simulated exchange, with an embedded Valkey
	@scripts/venv.sh dev-server
	@exec $(bin)/narkasa-gateway dev --die-with-parent

# Most tests wait for sockets and clocks, so three at a time use two cores well. The tests of a file
# stay together, for they share a gateway.
test: check ## run every check and every test
	@$(bin)/pytest --numprocesses 3 --dist loadfile

test-all: test ## and those that want root: a rolling restart, Redis failing over, /docs in a browser, the image
	@scripts/cluster.sh
	@$(bin)/pytest --capture=no tests/cluster tests/browser tests/image

check: setup ## lint, types, layers, the published schema, Dockerfile and chart
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy gateway tests bench
	$(bin)/lint-imports
	$(bin)/narkasa-gateway schema --check graphql/schema.graphql
	$(bin)/hadolint Dockerfile
	@for values in helm/narkasa-gateway/ci/*.yaml; do \
	    echo .tools/bin/helm lint --strict helm/narkasa-gateway --values $$values; \
	    .tools/bin/helm lint --quiet --strict helm/narkasa-gateway --values $$values || exit 1; \
	done
	$(bin)/python scripts/chart_readme.py --check

fmt: setup ## format the code, and fix what can be fixed by rule
	$(bin)/ruff format
	$(bin)/ruff check --fix

schema: setup ## write the published contract from the code
	$(bin)/narkasa-gateway schema > .tools/schema.graphql
	mv .tools/schema.graphql graphql/schema.graphql

chart: setup ## write the chart's README from its values
	$(bin)/python scripts/chart_readme.py

image: setup ## build the Dockerfile without a registry, look into the image and run it (Debian, root)
	$(bin)/pytest --capture=no tests/image

bench: setup ## compare speed with the textbook way
	$(bin)/python -m bench

soak: setup ## load the servers of `make dev` for ten minutes, and look for what only time shows
	$(bin)/python -m bench.soak

faults: setup ## play the whole fault grid, for hours; ARGS="--seed 7 --only begin --every 5"
	$(bin)/python -m tests.faults.run_grid $(ARGS)

storm: setup ## many orders while everything fails at random; ORDERS=10000 ARGS="--seed 7"
	$(bin)/python -m tests.faults.storm --orders $(or $(ORDERS),10000) $(ARGS)

mutants: setup ## break what keeps orders safe, one by one, and see that the fault tests find each
	$(bin)/python scripts/mutants.py $(ARGS)

lock: setup ## bring the lock files up to pyproject.toml; UPGRADE=--upgrade takes the newest versions
	scripts/lock.sh $(UPGRADE)

clean: ## remove everything that set-up and runs made
	rm -rf .venv .tools .dev .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis

setup:
	@scripts/venv.sh dev
	@scripts/helm.sh
	@scripts/oidc.sh
