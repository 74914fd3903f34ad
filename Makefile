# Every target works on a fresh machine: it makes the virtual environment and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
TEST_STAMP := $(VENV)/.test
FUZZ_STAMP := $(VENV)/.fuzz

# For trials only: this secret is published.
DEMO := JWT_APP_ID=demo JWT_APP_SECRET=demo-secret-for-trials-on-one-machine XMPP_DOMAIN=meet.jitsi

.PHONY: run test unit unit-pythons check docs-generated man requirements sbom image-test conformance fuzz soak soak-keys bench \
  bench-memory bench-prosody clean

run: $(RUN_STAMP)
	@allowed=$$($(DEMO) $(BIN)/jitsi-verifier mint --room demo --user Ada --moderator) && \
	base=http://127.0.0.1:8090/ext-authz && \
	printf '\n%s\n\n  curl -i "%s"\n\n%s\n\n  curl -i "%s"\n\n%s\n\n' \
	  'Allowed:' "$$base/demo?jwt=$$allowed" 'Denied:' "$$base/other?jwt=$$allowed" \
	  'Why, if you paste either of them: http://127.0.0.1:8091/'
	@$(DEMO) exec $(BIN)/jitsi-verifier serve

test: $(TEST_STAMP)
	tests/support/install-debian-packages
	$(BIN)/python -m tests.support.install_node_packages
	$(BIN)/pytest -n 2 --dist loadfile
	$(BIN)/python -m tests.support.other_pythons

# What needs no server, in less than half a minute on two cores: for every few minutes.
unit: $(TEST_STAMP)
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow" tests/unit tests/conformance

# The same on every other CPython that this machine has; a part of `make test`.
unit-pythons: $(TEST_STAMP)
	$(BIN)/python -m tests.support.other_pythons

check: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.supply.audit

# The pages, lists and files that are made from the code. Tests fail until this has run.
docs-generated: $(TEST_STAMP) man
	$(BIN)/python -m tests.support.generated_pages
	$(BIN)/python contrib/docker-compose/build.py

# The manual page, from what --help says.
man: $(TEST_STAMP)
	$(BIN)/python contrib/man/build.py

# What the image installs: every package and what builds ours, pinned and hashed for any platform.
requirements: $(TEST_STAMP)
	$(BIN)/python -m tests.supply.requirements

# What the image holds, as a CycloneDX document: the same bytes for the same requirements.
sbom: $(TEST_STAMP)
	mkdir -p dist
	$(BIN)/python -m tests.supply.sbom dist/jitsi-verifier.cdx.json

# The image, really built (buildah, no daemon) and run; as root, not part of CI. BASE_IMAGE=NAME takes
# a base that is there, else one is made of Debian's packages.
image-test: $(TEST_STAMP)
	tests/support/install-debian-packages tests/system/image/tools/debian-packages.txt
	$(BIN)/python -m tests.system.image $(BASE_IMAGE)

conformance: $(TEST_STAMP)
	$(BIN)/python -m tests.conformance tests/conformance/vectors.jsonl

# So many seconds for each kind of input, two kinds at a time. Some of it, or with the corpus made anew:
#   make fuzz SECONDS=600 ONLY="tokens urls" KEEP=1
fuzz: SECONDS = 60
fuzz: $(FUZZ_STAMP)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(KEEP),--keep) $(ONLY)

# Half an hour of everything at once over nginx, every answer compared; CI runs a minute of it.
soak: MINUTES = 30
soak: $(TEST_STAMP)
	tests/support/install-debian-packages tests/system/nginx/debian-packages.txt tests/system/redis/debian-packages.txt
	$(BIN)/python -m tests.perf.soak --minutes $(MINUTES)

# Two minutes of good and bad tokens over a key server with every fault; not part of CI.
soak-keys: $(TEST_STAMP)
	$(BIN)/python -m tests.perf.soak.keys 120

# The sidecar beside its peers, in one table; not part of CI. Less of it, or more:
#   make bench ONLY=hit,misses ROUNDS=1 SECONDS=1 JSON=today.json
ROUNDS ?= 3
SECONDS ?= 2
MINUTES ?= 1
BENCH = $(BIN)/python -m tests.perf.bench --rounds $(ROUNDS) --seconds $(SECONDS) --minutes $(MINUTES) \
  $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON))
bench: $(TEST_STAMP)
	tests/support/install-debian-packages tests/perf/bench/peers/debian-packages.txt
	$(BIN)/python -m tests.support.install_node_packages tests/perf/bench
	$(BENCH)

# Memory over ten minutes of new tokens at full speed.
bench-memory: MINUTES = 10
bench-memory: ONLY = memory
bench-memory: bench

# Logins through the hook, and what they do to Prosody's loop; not part of CI.
bench-prosody: $(TEST_STAMP)
	tests/support/install-debian-packages
	$(BIN)/python -m tests.perf.bench.prosody

clean:
	rm -rf $(VENV) $(VENV)-* dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/pip:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(RUN_STAMP): $(BIN)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(TEST_STAMP): $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet --editable ".[otel,redis]" --group test --group check --group build
	touch $@

# Apart from the rest: libFuzzer comes as a wheel for some Pythons and machines only.
$(FUZZ_STAMP): $(TEST_STAMP)
	$(BIN)/python -m pip install --quiet --group fuzz
	touch $@
