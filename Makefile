# Two commands for a newcomer: `make demo` and `make test`. Both build what they need in this folder.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
TESTERS ?= 3
SEED ?= 1
HINTS ?= 1000000
SUBSCRIPTIONS ?= 1000000
EARLIER ?= 3d46064
INPUTS ?= 1000000
SEEDS ?= 200
PAIRS ?= 1
EVERY ?= 1
STEPS ?= 3
LONG ?= long and not nightly
MINUTES ?= 8
RATE ?= 17

# Where an image sets this, each process of the tests would compile all modules again: a third of their time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test long pairs simulate planted fuzz hostile chaos chaos-long docs lint types imports check bench bench-naive bench-dunning bench-shared bench-million bench-statements bench-scans bench-bytes bench-growth bench-moving bench-recovery bench-receiver bench-receiver-beside bench-receiver-kill receiver-kill up clean lock nightly

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/ready: requirements/dev.txt pyproject.toml scripts/prepare.py
	@$(PYTHON) scripts/prepare.py dev

.venv/demo: requirements/demo.txt pyproject.toml scripts/prepare.py
	@$(PYTHON) scripts/prepare.py demo

demo: .venv/demo ## Three months of billing in about a minute, with real processes
	@$(BIN)/billing-worker demo

test: .venv/ready lint types imports ## Lint, types, import rules, and each rule by tests of its own; TESTERS=3 at once, since some wait
	$(BIN)/python -m pytest -m "not long" -n $(TESTERS) --dist loadfile --no-loadscope-reorder

long: .venv/ready ## Tests that take minutes: commands of the docs, `up`, `demo`, clients of others, deployment, a third of all faults; STEPS=1 all
	STEPS=$(STEPS) $(BIN)/python -m pytest -m "$(LONG)" -n $(TESTERS) --dist worksteal

pairs: .venv/ready ## Every pair of faults at every step of three periods; PAIRS=6 runs a sixth of them
	PAIRS=$(PAIRS) $(BIN)/python -m pytest tests/faults/every_pair.py -q -n $(WORKERS) --dist worksteal

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/shape.py --check

planted: .venv/ready ## Plant bugs in copies: the tests must catch each; EVERY=3 plants a third of them
	$(BIN)/python -m tests.planted --every $(EVERY)

fuzz: .venv/ready ## A million garbled answers for the parser, and a million for both parsers of the receiver
	$(BIN)/python -m tests.fuzz --of answers --inputs $(INPUTS) --seed $(SEED)
	$(BIN)/python -m tests.fuzz --of hints --inputs $$(($(INPUTS) / 2)) --seed $(SEED)
	$(BIN)/python -m tests.fuzz --of pingbacks --inputs $$(($(INPUTS) / 2)) --seed $(SEED)

hostile: .venv/ready ## Hostile input: the API's description at length, 10,000 forged requests (SEED=7 repeats a run)
	SEED=$(SEED) $(BIN)/python -m pytest tests/web/hostile.py -q -n $(WORKERS) --dist worksteal

types: .venv/ready
	$(BIN)/mypy

imports: .venv/ready
	$(BIN)/lint-imports

simulate: .venv/ready ## 20,000 subscription-years on a virtual clock, with seeded faults
	$(BIN)/billing-worker simulate --seed $(SEED) --seeds $(SEEDS) --subscriptions 20 --years 5

bench: .venv/ready ## Charges per second, beside a bare HTTP loop, a naive worker and an earlier commit (EARLIER) in the same run
	$(BIN)/python benchmarks/charges.py --naive --earlier $(EARLIER)

bench-naive: .venv/ready ## Five kills during each drain, ours and that of a naive Celery worker: what each lost and doubled
	$(BIN)/python benchmarks/charges.py --subscriptions 6000 --naive --naive-scan 120 --kills 5

bench-dunning: .venv/ready ## What the default dunning policy recovers in the model, and how much that depends on each parameter
	$(BIN)/python benchmarks/dunning.py

bench-shared: .venv/ready ## Ten subscriptions a key, and 2 % of the keys declined for good: no deadlock, no loss
	$(BIN)/python benchmarks/charges.py --shared-keys 10 --stolen 2

bench-million: .venv/ready ## SUBSCRIPTIONS=1000000 renewals due at once: rate and memory over the hour, none lost or doubled
	$(BIN)/python benchmarks/million.py --subscriptions $(SUBSCRIPTIONS)

bench-statements: .venv/ready ## The cost of a transaction pooler: ratios of both ways within one run
	$(BIN)/python benchmarks/statements.py

bench-scans: .venv/ready ## What scans, /metrics and an audit cost PostgreSQL at 10,000 and at 1,000,000 subscriptions (6 GB of disk)
	$(BIN)/python benchmarks/scans.py

bench-bytes: .venv/ready ## Bytes that one charge writes, to the log and to each table
	$(BIN)/python benchmarks/bytes.py

bench-growth: .venv/ready ## GB that 100,000 monthly subscriptions add in a year, by table, after what upkeep deletes
	$(BIN)/python benchmarks/growth.py

bench-moving: .venv/ready ## Move 5,000 customers from schedules to workers, to schedules and back, killed at random
	$(BIN)/python benchmarks/moving.py

bench-recovery: .venv/ready ## Rate and latency of POST /v1/recovery, beside the cheapest endpoint of the same server
	$(BIN)/python benchmarks/recovery.py

bench-receiver: .venv/ready ## Durable acknowledgements per second and their waits, beside a bare endpoint
	$(BIN)/python benchmarks/receiver.py

bench-receiver-beside: .venv/ready ## The receiver at 1,000/s beside 500 slow sockets, while charging at full rate, and both
	$(BIN)/python benchmarks/receiver.py --beside

bench-receiver-kill: .venv/ready ## A million acknowledged hints while the receiver is killed repeatedly: none may be lost
	$(BIN)/python benchmarks/receiver_kill.py --hints $(HINTS)

receiver-kill: .venv/ready ## The same in short
	$(BIN)/python benchmarks/receiver_kill.py --hints 10000 --every 2

chaos: .venv/ready ## MINUTES=8 of kills, stops and cut connections, at RATE=17 charges a second; then both books must agree
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) --kills $$(($(MINUTES) * 12)) --charges $$(($(MINUTES) * 60 * $(RATE))) --seed $(SEED)

chaos-long: .venv/ready ## The same for 75 minutes: 1,000 kills, 150,000 charges; needs an idle machine
	$(BIN)/python -m tests.chaos --minutes 75 --kills 1000 --charges 150000 --seed $(SEED)

docs: .venv/ready ## Update generated files: .env.example, docs/failure-matrix.md, the tables of alerts and of PGs, anchors
	$(BIN)/python scripts/env_example.py > .env.example
	$(BIN)/python scripts/failure_matrix.py > docs/failure-matrix.md
	$(BIN)/python scripts/alert_table.py
	$(BIN)/python scripts/pg_table.py
	$(BIN)/python scripts/anchors.py

up: .venv/demo ## Run everything for real use (see .env.example)
	@$(BIN)/billing-worker up

nightly: .venv/ready ## The long proofs in full: pairs, fuzz, simulate, planted, hostile, chaos, all faults (two hours)
	$(MAKE) pairs
	$(MAKE) -j2 fuzz simulate
	$(MAKE) planted hostile chaos
	$(MAKE) long STEPS=1 LONG=long
	$(MAKE) chaos MINUTES=3 RATE=150

lock: ## Update the locked requirements (needs uv and npm)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --no-annotate --all-extras --group dev pyproject.toml -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --no-annotate -c requirements/dev.txt pyproject.toml -o requirements/production.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --no-annotate -c requirements/dev.txt --extra embedded --group demo pyproject.toml -o requirements/demo.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --no-annotate tests/clients/v1/requirements.in -o tests/clients/v1/requirements.txt
	cd tests/clients/v1 && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean: ## Remove the files of the other targets
	rm -rf .venv .venv.lock .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
