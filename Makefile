# Clarion. `make help` lists what there is.

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?= .
# The linter is built from source at this version, and cached like any build.
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
MODULES  := . deploy/image e2e e2e/interop
PLATFORMS := linux/amd64 linux/arm64

export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help setup build test demo lab lab-down fuzz bench chaos lint fmt generate verify check image

help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-9s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what tests and lab need from the system (Debian, Ubuntu), or say what is missing.
	@e2e/setup.sh

build: ## Build the controller and the speaker into bin/.
	$(GO) build -trimpath -ldflags '-s -w' -o bin/ ./cmd/controller ./cmd/speaker

test: setup ## Run every test: laws, units, fuzz seeds, real kernels, and the lab.
	$(GO) test ./...
	$(GO) -C deploy/image test ./...
	$(GO) -C e2e/interop test ./...
	$(GO) -C e2e test -timeout 30m ./...

demo: setup ## Start a cluster on this machine and tell the guide's story on it.
	@$(GO) -C e2e run ./cmd/lab demo

lab: setup ## Start a cluster on this machine to play with; Ctrl-C ends it.
	@$(GO) -C e2e build -o ../bin/lab ./cmd/lab
	@bin/lab up

lab-down: ## End that cluster from another terminal.
	@$(GO) -C e2e build -o ../bin/lab ./cmd/lab
	@bin/lab down

fuzz: ## Fuzz each target for FUZZTIME (30s).
	@grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=e2e . | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "$$target ($$(dirname "$$file"))"; \
			$(GO) test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

bench: setup ## Measure the hot paths, routes at real routers, and on the lab allocation and failover (see `lab bench --help`).
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./allocator ./bgp ./bgp/bfd ./bgp/gobgp ./speaker/announce ./layer2/...
	$(GO) -C e2e/interop test -count=1 -run TestMeasure -v . -measure 30
	@$(GO) -C e2e run ./cmd/lab bench

chaos: setup ## Run the tests that break things at random at full length (CLARION_SEED=n repeats one).
	CLARION_LONG=1 $(GO) -C e2e test -count=1 -timeout 30m -v -run 'TestChaos|TestAPIServerAway|TestOneAnswerer' ./scenario

lint: ## Check style and common mistakes.
	@for module in $(MODULES); do (cd $$module && $(GO) run $(LINT) run ./...) || exit 1; done

fmt: ## Format the code.
	@for module in $(MODULES); do (cd $$module && $(GO) run $(LINT) fmt ./...) || exit 1; done

generate: ## Generate deep copies and CRDs from the API types.
	$(GO) tool controller-gen object crd paths=./api/... output:crd:dir=deploy/crd

verify: generate ## Check that what is generated is up to date, and the modules are what they were.
	@git status --porcelain -- api deploy/crd | { ! grep .; } || { echo 'run make generate and commit the result'; exit 1; }
	$(GO) mod verify
	@for module in $(MODULES); do $(GO) -C $$module mod tidy -diff || exit 1; done

check: lint verify test ## Everything that must hold before a change lands.

image: ## Build the container image for linux/amd64 and linux/arm64 into dist/, without Docker.
	@for platform in $(PLATFORMS); do \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -trimpath -ldflags '-s -w' -o dist/bin/$$(echo $$platform | tr / _)/ ./cmd/controller ./cmd/speaker || exit 1; \
	done
	$(GO) -C deploy/image run . -binaries $(CURDIR)/dist/bin -output $(CURDIR)/dist
