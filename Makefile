# Every target works on a fresh machine: it makes the virtual environment and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
TEST_STAMP := $(VENV)/.test
FUZZ_STAMP := $(VENV)/.fuzz

.PHONY: run test unit unit-pythons check docs-generated man site requirements sbom image-test install uninstall deb release wheel-compiled test-compiled conformance fuzz soak soak-keys bench \
  bench-memory bench-prosody clean

# The demo has its own configuration and environment: variables of the shell change nothing.
DEMO = env -i PATH="$$PATH" HOME="$$HOME" TERM="$$TERM" LANG="$$LANG" $(BIN)/jitsi-verifier
run: $(RUN_STAMP)
	@allowed=$$($(DEMO) mint --config contrib/demo.toml --room demo --user Ada --moderator) && \
	base=http://127.0.0.1:8090/ext-authz && \
	printf '\n%s\n\n  curl -i "%s"\n\n%s\n\n  curl -i "%s"\n\n%s\n\n' \
	  'Allowed:' "$$base/demo?jwt=$$allowed" 'Denied:' "$$base/other?jwt=$$allowed" \
	  'Why, if you paste either of them: http://127.0.0.1:8091/'
	@exec $(DEMO) serve --config contrib/demo.toml

test: $(TEST_STAMP)
	tests/support/install-debian-packages
	$(BIN)/python -m tests.system.prosody.releases
	$(BIN)/python -m tests.support.install_node_packages
	$(BIN)/pytest -n 2 --dist loadfile
	$(BIN)/python -m tests.support.other_pythons

# The tests that start no server. They take less than half a minute on two cores, so run them often.
unit: $(TEST_STAMP)
	tests/support/install-debian-packages tests/unit/*/debian-packages.txt
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not slow" tests/unit tests/conformance

# The same tests on every other CPython that this machine has. `make test` runs them, too.
unit-pythons: $(TEST_STAMP)
	$(BIN)/python -m tests.support.other_pythons

check: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.supply.audit

# Writes all files that are made from other files. Tests fail if one of them is out of date.
docs-generated: $(TEST_STAMP) man
	$(BIN)/python -m tests.support.generated_pages
	$(BIN)/python contrib/docker-compose/build.py
	$(BIN)/python contrib/grafana/build.py
	$(BIN)/python contrib/pages/build.py
	$(BIN)/python -m tests.support.install_node_packages tests/support/kubernetes
	$(BIN)/python contrib/helm/build.py

# Writes the manual page from the texts of --help.
man: $(TEST_STAMP)
	$(BIN)/python contrib/man/build.py

# Writes the documentation as a site, to open in a browser or to serve as it is. Every link must have
# a target.
SITE ?= dist/site
site: $(TEST_STAMP)
	rm -rf $(SITE)
	$(BIN)/sphinx-build -q -E -n -W --keep-going -c docs/site -d build/site . $(SITE)

# Writes requirements.txt (every package that the image installs) and requirements-build.txt (every
# package that builds ours), pinned and hashed for any platform.
requirements: $(TEST_STAMP)
	$(BIN)/python -m tests.supply.requirements

# Writes what the image contains as a CycloneDX document. The same requirements give the same bytes.
sbom: $(TEST_STAMP)
	mkdir -p dist
	$(BIN)/python -m tests.supply.sbom dist/jitsi-verifier.cdx.json

# Builds the image with buildah, which needs no daemon, and runs it. It needs root, and CI does not
# run it. BASE_IMAGE=NAME builds on an image that exists on this machine. Without it, a base image is
# made from Debian's packages.
image-test: $(TEST_STAMP)
	tests/support/install-debian-packages tests/system/image/tools/debian-packages.txt
	$(BIN)/python -m tests.system.image $(BASE_IMAGE)

# Installs the service, its unit, manual page, completions and the files for other programs below
# PREFIX, without starting anything: make install PREFIX=/usr/local DESTDIR=/tmp/stage
export PREFIX DESTDIR DEB_VERSION
install:
	PYTHON=$(PYTHON) packaging/install

uninstall:
	packaging/install uninstall

# Builds dist/jitsi-verifier_VERSION_ARCHITECTURE.deb for this machine's release of Debian.
deb:
	tests/support/install-debian-packages packaging/debian-packages.txt
	packaging/deb

# Builds wheel, source distribution, Debian package, image, bill of materials and SHA256SUMS of the
# committed version into dist/. Only root can build the image. BASE_IMAGE is as for image-test.
release: $(TEST_STAMP)
	tests/support/install-debian-packages packaging/debian-packages.txt tests/system/image/tools/debian-packages.txt
	$(BIN)/python -m tests.supply.release $(BASE_IMAGE)

conformance: $(TEST_STAMP)
	$(BIN)/python -m tests.conformance tests/conformance/vectors.jsonl

# Builds a wheel whose hot modules are compiled; it needs a C compiler and Python's headers.
wheel-compiled: $(TEST_STAMP)
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m build --quiet --wheel

# Runs the tests, the recorded cases and the fuzzers, SECONDS each, with the compiled wheel.
test-compiled: SECONDS = 10
test-compiled: $(FUZZ_STAMP)
	tests/support/install-debian-packages tests/unit/*/debian-packages.txt
	$(BIN)/python -m tests.support.compiled --seconds $(SECONDS)

# Fuzzes each kind of input for SECONDS, two kinds at a time. ONLY selects kinds, and KEEP=1 replaces
# the corpus by the inputs that were found:
#   make fuzz SECONDS=600 ONLY="tokens urls" KEEP=1
fuzz: SECONDS = 60
fuzz: $(FUZZ_STAMP)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(KEEP),--keep) $(ONLY)

# Sends all kinds of requests through nginx at the same time for half an hour, and compares every
# response with the expected one. CI runs it for one minute.
soak: MINUTES = 30
soak: $(TEST_STAMP)
	tests/support/install-debian-packages tests/system/nginx/debian-packages.txt tests/system/redis/debian-packages.txt
	$(BIN)/python -m tests.perf.soak --minutes $(MINUTES)

# Sends good and bad tokens for two minutes while the key server fails in every way. CI does not run it.
soak-keys: $(TEST_STAMP)
	$(BIN)/python -m tests.perf.soak.keys 120

# Measures the service and other programs, and prints one table. CI does not run it. ONLY selects
# sections, and JSON names a file for the figures:
#   make bench ONLY=hit,misses ROUNDS=1 SECONDS=1 JSON=today.json
# The service and all peers that are written in Python run in a virtual environment of their own,
# made of an optimised Python if this machine has one. BENCH_PYTHON selects another.
BENCH_PYTHON ?= $$($(PYTHON) -m tests.perf.bench.interpreter)
BENCH_VENV := $(VENV)-bench
BENCH_STAMP := $(BENCH_VENV)/.bench
ROUNDS ?= 3
SECONDS ?= 2
MINUTES ?= 1
BENCH = $(BENCH_VENV)/bin/python -m tests.perf.bench --rounds $(ROUNDS) --seconds $(SECONDS) --minutes $(MINUTES) \
  $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON))
bench: $(BENCH_STAMP)
	tests/support/install-debian-packages tests/perf/bench/peers/debian-packages.txt
	$(BENCH_VENV)/bin/python -m tests.support.install_node_packages tests/perf/bench
	$(BENCH)

# Measures how much memory the service needs during ten minutes of new tokens at full speed.
bench-memory: MINUTES = 10
bench-memory: ONLY = memory
bench-memory: bench

# Measures logins through the Prosody module, and how long they block Prosody. CI does not run it.
bench-prosody: $(TEST_STAMP)
	tests/support/install-debian-packages
	$(BIN)/python -m tests.system.prosody.releases
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
	$(BIN)/python -m pip install --quiet --editable ".[otel,redis]" --group test --group check --group build --group docs
	touch $@

$(BENCH_STAMP): pyproject.toml
	$(BENCH_PYTHON) -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH_VENV)/bin/python -m pip install --quiet --editable ".[otel,redis]"
	touch $@

# Separate from the other packages, because libFuzzer's wheel exists only for some Pythons and machines.
$(FUZZ_STAMP): $(TEST_STAMP)
	$(BIN)/python -m pip install --quiet --group fuzz
	touch $@
