# `make test` does everything that CI does, and fetches what it needs.

TOOLS := $(CURDIR)/.tools
GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
# A time, or a number of runs such as 100000x. Up to Go 1.26 the end of a time may be
# taken for a failure, "context deadline exceeded", that is none (go.dev/issue/75804).
FUZZTIME ?= 30s

# Many tests wait for a server or a client most of the time.
GOTEST := go test -parallel 8 -timeout 20m

.PHONY: run test lint generate generate-check unit race clients bench fuzz fuzz-short clean

run: ## Serve ./kvconnect.sqlite on :4512.
	go run ./cmd/kvconnect serve

test: lint generate-check race fuzz-short clients ## Everything, real Deno and Node included.

lint: $(GOLANGCI_LINT) ## Vet and lint.
	$(GOLANGCI_LINT) run ./...

generate: ## Make the generated code anew.
	go generate ./...

generate-check: generate ## Fail if the generated code that is checked in is not the one made.
	git diff --exit-code -- '*.pb.go'

unit: ## The tests that need no real clients, quickly.
	$(GOTEST) -short ./...

race: ## The same under the race detector.
	$(GOTEST) -short -race ./...

clients: ## The suites of real Deno and Node, and the programs in the documents.
	$(GOTEST) -count=1 ./conformance

bench: ## The Go benchmarks.
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## Each fuzz target for FUZZTIME.
	@set -e; \
	for folder in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u); do \
		listed=$$(go test -list '^Fuzz' $$folder); \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$target in $$folder"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$folder; \
		done; \
	done

fuzz-short: ## Each fuzz target for a moment.
	@$(MAKE) --no-print-directory fuzz FUZZTIME=20000x

clean: ## Remove the tools and what the tests fetched.
	rm -rf $(TOOLS) conformance/clients/node_modules

$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@
