# Everything here works on a fresh clone with only Python >= 3.11 and make; nothing is written outside this folder.
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
comma := ,
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
export UV_CACHE_DIR ?= $(CURDIR)/.tools/cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# what is tried here stays on this machine, also where the network asks for a proxy
no_proxies := $(or $(NO_PROXY),$(no_proxy))
export NO_PROXY := $(no_proxies)$(if $(no_proxies),$(comma))localhost,127.0.0.1
export no_proxy := $(NO_PROXY)
# byte code is kept, whatever the environment says: without it a start takes twice as long, and the tests make hundreds
export PYTHONDONTWRITEBYTECODE :=

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kindling needs Python 3.11 or newer: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .tools || { echo "This Python lacks the venv module: on Debian, apt install python3-venv"; exit 1; }
	@.tools/bin/pip install -q uv==$(UV_VERSION)

.venv/run.stamp: .tools/bin/uv requirements.lock pyproject.toml
	@echo "Setting up: the packages Kindling needs ..."
	@test -x $(BIN)/python || .tools/bin/uv venv -q --python .tools/bin/python .venv
	@test -f .venv/dev.stamp || .tools/bin/uv pip sync -q --require-hashes --python $(BIN)/python requirements.lock
	@.tools/bin/uv pip install -q --no-deps --no-build-isolation --python $(BIN)/python -e . 2>/dev/null || .tools/bin/uv pip install -q --no-deps --python $(BIN)/python -e .
	@touch $@

.venv/dev.stamp: .tools/bin/uv requirements-dev.lock pyproject.toml
	@echo "Setting up: the packages Kindling and its tests need ..."
	@test -x $(BIN)/python || .tools/bin/uv venv -q --python .tools/bin/python .venv
	@.tools/bin/uv pip sync -q --require-hashes --python $(BIN)/python requirements-dev.lock
	@.tools/bin/uv pip install -q --no-deps --python $(BIN)/python -e .
	@touch $@ .venv/run.stamp

demo: .venv/run.stamp ## the whole job on a sample community (or CSV=path), in under two minutes
	@$(BIN)/kindling demo $(if $(CSV),--csv "$(CSV)")

up: .venv/run.stamp ## API, worker and (without a Mailchimp key) the sandbox, on http://127.0.0.1:8000
	@$(BIN)/kindling up

test: .venv/dev.stamp ## the whole test suite, on SQLite and PostgreSQL, with a real Redis
	@$(BIN)/pytest -n auto --dist loadgroup

fuzz: .venv/dev.stamp ## made-up input for every operation of the API and the join page, long (FUZZ_EXAMPLES=300 a piece, JOIN_POSTS=10000)
	@FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),300) $(BIN)/pytest tests/contract tests/auth/test_bodies.py -q
	@JOIN_POSTS=$(or $(JOIN_POSTS),10000) $(BIN)/pytest tests/pages/test_hostile.py -k sqlite -n 0 -q

lint: .venv/dev.stamp ## format, lint, types, import rules, advisories about dependencies
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/audit.py requirements.lock

format: .venv/dev.stamp ## put the code in shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

eval: .venv/dev.stamp ## how good matching and machine-open detection are
	@$(BIN)/python -m evals.matching
	@$(BIN)/python -m evals.machine_opens

docs: .venv/dev.stamp ## write the reference pages (settings, commands, API) from the code
	@$(BIN)/python -m docs.generate

texts: .venv/dev.stamp ## bring the catalogues of other languages in step with the code, and say what is not translated (NEW=pl starts one)
	@$(BIN)/python -m docs.texts $(NEW)

bench: .venv/dev.stamp ## how fast, each beside its peer or limit: a table and a chart in bench/results/ (QUICK=1: small sizes)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(NAMES)

bench-full: .venv/dev.stamp ## a quarter's measures with 10 million events and 1 million deliveries, on both databases (some 20 minutes)
	@$(BIN)/python -m bench.measures --deliveries 1000000 --events 10000000 --times 20 --limit-ms 50

bench-console: .venv/dev.stamp ## how fast and how heavy each page of the console is, with 10,000 members
	@$(BIN)/python -m bench.console --members 10000

.PHONY: look
look: .venv/dev.stamp ## pictures of every page and mail under var/review: light, dark, phone, 200 % text
	@PICTURES=1 $(BIN)/pytest -q -n 0 tests/console/test_browser.py tests/pages/test_browser.py tests/rendering/test_looks.py tests/reports/test_browser.py

.PHONY: pictures
pictures: .venv/dev.stamp ## the README's pictures, from what `make demo` left in var/demo
	@$(BIN)/python -m docs.pictures

.PHONY: bench-sync
bench-sync: .venv/dev.stamp ## a first sync of MEMBERS=100000 to the sandbox by several processes: calls and connections, both sides compared
	@$(BIN)/python -m bench.sync --members $(or $(MEMBERS),100000)

.PHONY: crashes
crashes: .venv/dev.stamp ## a crash at every named point of every flow, with Redis up, emptied and gone, on both databases
	@CRASHES=all $(BIN)/pytest tests/faults/test_crashes.py -q

chaos: .venv/dev.stamp ## random kills (KILLS=1000 SEED=1 DATABASE=both): ends with how many mails were lost, doubled, stuck
	@$(BIN)/python -m bench.chaos --kills $(or $(KILLS),1000) --seed $(or $(SEED),1) --database $(or $(DATABASE),both)

simulate: .venv/dev.stamp ## half a year of 500 made-up members (MEMBERS= WEEKS= SEED=): nobody mailed twice in a day, no reply lost
	@$(BIN)/python -m bench.half_year --members $(or $(MEMBERS),500) --weeks $(or $(WEEKS),26) --seed $(or $(SEED),1)

lock: .tools/bin/uv ## work the lock files out again (no registry address is written)
	@.tools/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.lock
	@.tools/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --group dev -o requirements-dev.lock
	@.tools/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header bench/anymail/requirements.in -o bench/anymail/requirements.lock

clean: ## remove what was set up (not var/, where your data is)
	@rm -rf .venv .tools build *.egg-info

.PHONY: help demo up test bench bench-full bench-console chaos fuzz lint format eval docs texts lock clean simulate
