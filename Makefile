# The two commands of the README are `make demo` and `make test`; everything else is for people who change snqd.
# Nothing but Python 3.11 or newer with its module venv is needed beforehand (on Debian: python3 and python3-venv).

BIN := .venv/bin
SHELL := /bin/sh
POLLERS := prometheus/snmp.yml prometheus/snmp-0.22.yml zabbix/snqd.yaml# files of docs/examples, made from the MIB
JOBS ?= 3# processes that run tests at the same time: most tests wait for others; 0: one test after another
COVERAGE_FLOOR := 93# per cent; measured with branches and forked workers, and only ever raised
comma := ,
DEMO := monitor$(if $(shell command -v prosody 2>/dev/null),$(comma)xmpp)# extras for `make demo`: XMPP where there is a server to show it with
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# In CI a missing server is a failure and not a skipped test.
ifneq ($(filter true 1,$(CI)),)
export SNQD_REQUIRE_SERVERS := 1
endif

.DEFAULT_GOAL := help
.PHONY: picture golden help demo test servers check pytest wheel docs docs-check format bench soak fuzz lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed-$(DEMO) ## see snqd work: a daemon, sample handlers, a load and the monitor, until q
	@$(BIN)/snqd demo

test: ## everything that CI runs; installs servers with apt where that takes no question
	@scripts/servers
	@scripts/mibs build/mibs
	@$(MAKE) --no-print-directory .venv/.installed-dev
	@scripts/versions
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory pytest
	@$(MAKE) --no-print-directory wheel

check: .venv/.installed-dev ## format, lint, layers, types and generated pages: quick
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	@$(MAKE) --no-print-directory docs-check

pytest: .venv/.installed-dev ## the tests, with coverage; ARGS="tests/unit -k name" for some of them
	@rm -rf build/coverage build/tests.xml
	@mkdir -p build/coverage
	$(BIN)/coverage run -m pytest --numprocesses=$(JOBS) --dist=worksteal --junitxml=build/tests.xml $(ARGS)
	@find build/coverage -size 0 -delete # of processes that were killed as they wrote
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=$(if $(ARGS),0,$(COVERAGE_FLOOR))

wheel: .venv/.installed-dev ## build the wheel and use it in a fresh environment
	scripts/wheel

servers: ## install the servers that tests need, or name them
	@scripts/servers

docs: .venv/.installed-dev ## write the generated pages anew
	$(BIN)/python -m snqd.config.reference >docs/configuration.md
	$(BIN)/python -m snqd.telemetry.reference events >docs/events.md
	$(BIN)/python -m snqd.telemetry.reference facts >docs/telemetry.md
	$(BIN)/python -m snqd.exporters.snmp.reference >docs/snmp.md
	@for file in $(POLLERS); do $(BIN)/python -m snqd.exporters.snmp.pollers $$file >docs/examples/$$file || exit 1; done
	$(BIN)/python -m snqmon.reference >docs/monitor.md

docs-check: .venv/.installed-dev ## fail when a generated page is not current
	@$(BIN)/python -m snqd.config.reference | diff -u docs/configuration.md - || { echo "run: make docs"; exit 1; }
	@$(BIN)/python -m snqd.telemetry.reference events | diff -u docs/events.md - || { echo "run: make docs"; exit 1; }
	@$(BIN)/python -m snqd.telemetry.reference facts | diff -u docs/telemetry.md - || { echo "run: make docs"; exit 1; }
	@$(BIN)/python -m snqd.exporters.snmp.reference | diff -u docs/snmp.md - || { echo "run: make docs"; exit 1; }
	@for file in $(POLLERS); do $(BIN)/python -m snqd.exporters.snmp.pollers $$file | diff -u docs/examples/$$file - \
		|| { echo "run: make docs"; exit 1; }; done
	@$(BIN)/python -m snqmon.reference | diff -u docs/monitor.md - || { echo "run: make docs"; exit 1; }

picture: .venv/.installed-dev ## draw the monitor's picture of the README anew
	$(BIN)/python -m snqmon.picture >docs/monitor.svg

golden: .venv/.installed-dev ## write the monitor's screens that tests compare with anew; look at what changed
	$(BIN)/python -m tests.tui.golden

format: .venv/.installed-dev ## format, and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.installed-dev ## every benchmark beside peers and the bare database (long); ARGS=--quick
	$(BIN)/python -m bench $(ARGS)

soak: .venv/.installed-dev ## a minute of random kills on each store, then 20 minutes at half of the top speed
	SNQD_SOAK_SECONDS=60 $(BIN)/python -m pytest tests/acceptance/test_chaos.py --timeout 600 -s
	SNQD_XMPP_STANZAS=20000 $(BIN)/python -m pytest tests/xmpp/test_daemon.py -k whatever_dies --log-cli-level INFO
	$(BIN)/python -m bench.sustained $(ARGS)

fuzz: .venv/.installed-dev ## hostile datagrams for the decoder and the SNMP agent, a minute each; ARGS="--seconds 3600"
	$(BIN)/python -m tests.wire.fuzz_wire $(ARGS)
	$(BIN)/python -m tests.exporters.snmp.fuzz_snmp $(ARGS)

lock: ## write constraints.txt anew with the newest versions
	scripts/lock

clean: ## remove what is made: environment, caches, reports
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench/.venvs

.venv/.installed: pyproject.toml constraints.txt scripts/venv
	@echo "snqd: making .venv …"
	@scripts/venv .venv

.venv/.installed-$(DEMO): pyproject.toml constraints.txt scripts/venv
	@echo "snqd: making .venv with the monitor …"
	@scripts/venv .venv $(DEMO)

.venv/.installed-dev: pyproject.toml constraints.txt scripts/venv
	@echo "snqd: making .venv with what developers need …"
	@scripts/venv .venv dev
