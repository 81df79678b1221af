# `make test` does everything that CI does, and fetches what it needs.

TOOLS := $(CURDIR)/.tools
GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
# The newest that go install can name.
H2SPEC_VERSION := v2.2.1+incompatible
H2SPEC := $(TOOLS)/h2spec-$(H2SPEC_VERSION)
PEBBLE_VERSION := v2.10.1
PEBBLE := $(TOOLS)/pebble-$(PEBBLE_VERSION)
# A time, or a number of runs such as 100000x. Up to Go 1.26 the end of a time may be
# taken for a failure, "context deadline exceeded", that is none (go.dev/issue/75804).
FUZZTIME ?= 30s
# The C program that the benchmarks are compared with. SQLite for it has the same source and
# flags as in the server, and is compiled once for each version of the module.
SQLITE_MODULE := github.com/mattn/go-sqlite3
FLOOR ?= $(TOOLS)/floor
BENCHFLAGS ?=
GROWTHFLAGS ?= -growth.entries=1000,100000,1000000,10000000 -growth.value-bytes=100
SWEEPFLAGS ?= -sweep.keys=1000000
DATABASESFLAGS ?= -databases.count=1000
CONNECTIONSFLAGS ?= -connections.count=10000
RATIOFLAGS ?=

# Many tests wait for a server or a client most of the time.
GOTEST := go test -parallel 8 -timeout 20m

.PHONY: run test lint generate generate-check unit race h2spec acme clients bench floor growth databases connections transport sweep fuzz fuzz-short clean

run: ## Serve ./kvconnect.sqlite on :4512.
	go run ./cmd/kvconnect serve

test: lint generate-check race h2spec acme fuzz-short clients ## Everything, real Deno and Node included.

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

h2spec: $(H2SPEC) ## What the HTTP/2 of the transport is held to.
	go test -run '^TestH2spec$$' -count=1 ./transport -args -h2spec=$(H2SPEC)

acme: $(PEBBLE) ## Certificates from an authority for tests, obtained and kept.
	$(GOTEST) -run '^TestACME' -count=1 ./conformance -args -pebble=$(PEBBLE)

clients: ## The suites of real Deno and Node, and the programs in the documents.
	$(GOTEST) -count=1 ./conformance

bench: floor ## The Go benchmarks, and a table that compares them with SQLite in C.
	go test -run '^$$' -bench . -benchmem ./...
	@cd sqlitebackend && go test -run '^TestFloor$$' -count=1 -timeout 0 -args -floor.program=$(abspath $(FLOOR)) $(BENCHFLAGS)

floor:
	@set -e; \
	folder=$$(go list -m -f '{{.Dir}}' $(SQLITE_MODULE)); \
	sqlite=$(dir $(FLOOR))sqlite-$$(go list -m -f '{{.Version}}' $(SQLITE_MODULE)).o; \
	optimise="$$(go env CGO_CFLAGS)"; \
	mkdir -p $(dir $(FLOOR)); \
	if [ ! -e $$sqlite ]; then \
		echo "SQLite is compiled for the benchmarks, once"; \
		cc $$optimise $$(go list -f '{{join .CgoCFLAGS " "}}' $(SQLITE_MODULE)) -c -o $$sqlite.new $$folder/sqlite3-binding.c; \
		mv $$sqlite.new $$sqlite; \
	fi; \
	cc -Wall -Wextra $$optimise -I$$folder -o $(FLOOR) sqlitebackend/testdata/floor/floor.c $$sqlite -lm -ldl -lpthread

growth: ## How the costs grow with the database; GROWTHFLAGS chooses, and some gigabytes are written to TMPDIR.
	cd sqlitebackend && go test -run '^TestGrowth$$' -v -count=1 -timeout 0 -args \
		-growth.rounds=11 -growth.slice=200ms -growth.load=5s $(GROWTHFLAGS)

databases: ## What many databases cost in one folder; DATABASESFLAGS chooses.
	@cd cmd/kvconnect && go test -run '^TestManyDatabases$$' -v -count=1 -timeout 0 -args \
		-databases.busy=100 -databases.cold=200 -databases.max-open=128 -databases.rounds=5 -databases.slice=2s $(DATABASESFLAGS)

connections: ## What idle connections, watches and a flood of connections cost; CONNECTIONSFLAGS chooses.
	@cd cmd/kvconnect && go test -run '^TestConnections$$' -v -count=1 -timeout 0 -args -connections.slice=2s $(CONNECTIONSFLAGS)

transport: ## What the transports carry, as ratios; needs h2load, and takes two minutes.
	@cd conformance && go test -run '^TestTransportRatios$$' -count=1 -timeout 0 -args -ratios.rounds=5 $(RATIOFLAGS)

sweep: ## How long writes take while a million keys expire.
	cd sqlitebackend && go test -run '^TestSweepLetsWritesThrough$$' -v -count=1 -timeout 0 -args \
		-sweep.quiet=5s -sweep.timeout=30m $(SWEEPFLAGS)

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

$(H2SPEC):
	GOBIN=$(TOOLS) go install github.com/summerwind/h2spec/cmd/h2spec@$(H2SPEC_VERSION)
	mv $(TOOLS)/h2spec $@

$(PEBBLE):
	GOBIN=$(TOOLS) go install github.com/letsencrypt/pebble/v2/cmd/pebble@$(PEBBLE_VERSION)
	mv $(TOOLS)/pebble $@
