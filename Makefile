# Vodwright: `make demo` to see it, `make test` to check it, `make help` for the rest.

GO      ?= go
BIN     := bin/vodwright
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED = 0

.PHONY: help demo build test test-race lint fmt generate bench e2e chaos sim clean

help: ## list what this Makefile can do
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## encode a clip and play it: installs, builds, serves (VIDEO=path-or-https-URL for your own)
	@scripts/install.sh run
	@$(MAKE) --no-print-directory build
	@$(BIN) demo $(if $(VIDEO),"$(VIDEO)")

build: ## build bin/vodwright
	@$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/vodwright

# The longest first, and three packages at a time: many tests wait more than they
# compute. What go test prints keeps this order.
FIRST := ./test/e2e ./test/players ./test/hostile ./internal/plan

test: ## install what the tests need, vet and run all of them: about 11 minutes on two cores
	@scripts/install.sh test
	$(GO) vet ./...
	@echo "The tests of $(FIRST) run first: their results come after some minutes."
	@$(GO) test -vet=off -timeout 25m -p 3 -parallel 4 $(FIRST) ./...

test-race: ## the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

lint: ## gofumpt, staticcheck and vet
	@test -z "$$($(GO) tool -modfile=tools/lint.mod gofumpt -l cmd internal tools test examples)" || { $(GO) tool -modfile=tools/lint.mod gofumpt -d cmd internal tools test examples; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/lint.mod staticcheck ./...

fmt: ## format the code
	$(GO) tool -modfile=tools/lint.mod gofumpt -w cmd internal tools test examples

generate: ## regenerate API shapes and docs/SETTINGS.md
	$(GO) generate ./...

bench: ## compare with ffmpeg's one-liner and nginx, side by side, on this machine
	@scripts/install.sh bench
	@$(MAKE) --no-print-directory build
	@$(GO) run ./test/bench

e2e: ## only the end-to-end tests: the walkthrough with every client, crashes, browsers
	@scripts/install.sh test
	$(GO) test -timeout 20m -parallel 4 ./test/e2e

chaos: ## kill -9, cut, slow and false links, databases that go away: ROUNDS (100) of it
	@scripts/install.sh test
	$(GO) test -timeout 12h -count 1 -v ./test/chaos -rounds $(or $(ROUNDS),100)

sim: ## the scheduler at 1,000 workers and 100,000 queued jobs, on a simulated clock (minutes)
	$(GO) test ./test/sim -timeout 2h -v -args -workers 1000 -jobs 100000

clean: ## remove what was built (not your data folder)
	rm -rf bin
