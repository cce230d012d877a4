# `make run` and `make test` do their own set-up, as root, on Debian 12 with Go.
# Everything that installs is in setup/install.sh.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# sudo's path often lacks the folder Go's own installer writes to.
export PATH := $(PATH):/usr/sbin:/usr/local/go/bin

# Pinned; Go fetches, builds and caches them at their first use.
GOFUMPT     := go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOTESTSUM   := go run gotest.tools/gotestsum@v1.13.0

# In a checkout that belongs to somebody else git refuses, and Go with it.
BUILDVCS := $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## install what is missing, then run the line with the demonstration service
	@setup/install.sh run && exec bin/decroche up

.PHONY: test
test: ## install what is missing, then run every check and every test
	@setup/install.sh test
	@$(MAKE) --no-print-directory lint test-go

.PHONY: bench
bench: ## install what is missing, then measure against app_queue into bench/RESULTS.md
	@setup/install.sh bench
	go run ./bench

.PHONY: check
check: build ## hold the demonstration service against the guide
	bin/decroche check demo/prefecture.yaml

.PHONY: build
build: ## bin/decroche
	CGO_ENABLED=0 go build $(BUILDVCS) -trimpath -o bin/decroche ./cmd/decroche

.PHONY: build-race
build-race: ## bin/decroche-race, which the end-to-end tests run
	go build $(BUILDVCS) -race -o bin/decroche-race ./cmd/decroche

.PHONY: lint
lint: lint-shell lint-compose lint-go ## every check that is not a test

.PHONY: lint-shell
lint-shell:
	@echo "--- shellcheck"
	@command -v shellcheck >/dev/null || { echo "shellcheck is missing: run 'setup/install.sh test' as root, or apt-get install shellcheck" >&2; exit 1; }
	@shellcheck .ci/run $$(find . -name node_modules -prune -o -name '*.sh' -print)

# Docker's plugin or Debian's docker-compose: both need only the client for this.
.PHONY: lint-compose
lint-compose:
	@echo "--- docker compose config"
	@if docker compose version >/dev/null 2>&1; then compose='docker compose'; \
	elif command -v docker-compose >/dev/null; then compose=docker-compose; \
	else echo "docker compose is missing: run 'setup/install.sh test' as root, or apt-get install docker-compose" >&2; exit 1; fi; \
	$$compose -f docker-compose.yml config -q && $$compose -f docker-compose.yml --profile postgres config -q

.PHONY: lint-go
lint-go:
	@echo "--- gofumpt"
	@badly=$$($(GOFUMPT) -l .); [ -z "$$badly" ] || { echo "not formatted, run 'make fmt':" >&2; echo "$$badly" >&2; exit 1; }
	@echo "--- go vet"
	@go vet ./...
	@echo "--- staticcheck"
	@$(STATICCHECK) ./...

# vet was run above, on all. Packages go backwards, for those of web and store take longest and should not begin
# last. The end-to-end tests run by themselves, when nothing else takes their processors: the controller that they
# test has the race detector, their telephones have not, for it takes a quarter of the machine. A skipped test is a
# failure: what a test needs is installed.
GO_TEST := $(GOTESTSUM) --format standard-quiet --format-hide-empty-pkg
.PHONY: test-go
test-go: build-race
	@echo "--- go test -race"
	@rm -f bin/tests*.json
	@$(GO_TEST) --jsonfile bin/tests.json -- -race -vet=off -count=1 -timeout 15m $$(go list ./... | grep -v '/e2e$$' | sort -r)
	@DECROCHE_BIN=$(CURDIR)/bin/decroche-race $(GO_TEST) --jsonfile bin/tests-e2e.json -- -vet=off -count=1 -timeout 30m -parallel 4 ./e2e
	@skipped=$$(grep -h '"Action":"skip"' bin/tests*.json | grep -o '"Test":"[^"]*"' || true); \
	[ -z "$$skipped" ] || { echo "skipped tests, which count as failures here:" >&2; echo "$$skipped" >&2; exit 1; }

.PHONY: generate
generate: ## rewrite generated files
	go generate ./...

.PHONY: fmt
fmt: ## format the Go files
	$(GOFUMPT) -l -w .

.PHONY: clean
clean: ## remove what was built here (the cached Asterisk and the data stay)
	rm -rf bin
