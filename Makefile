# Clarion. `make help` lists what there is.

GO       ?= go
LAB      := $(GO) -C e2e run ./cmd/lab
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w
FUZZTIME ?= 30s
export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help build test demo lab lab-down fuzz bench lint fmt generate verify check image setup

help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the controller and the speaker into bin/.
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/controller ./cmd/speaker

setup: ## Install what tests and lab need from the system (Debian, Ubuntu), or say what is missing.
	@./e2e/setup.sh
