# What people expect: build, test, check, bench, fuzz; interop needs Debian's packages and the network.
GO ?= go
FUZZTIME ?= 10s
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all build test race check bench fuzz interop crash generate clean

all: build test

build:
	$(GO) build -trimpath -o mtad ./cmd/mtad

test:
	$(GO) test ./...

race:
	$(GO) test -race ./...

check: ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these files"; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(STATICCHECK) -tags interop ./test/interop/...

bench: ## beside Postfix, on this machine; results go to docs/performance.md with `make bench ARGS=-write`
	$(GO) run ./bench $(ARGS)

fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

crash: ## kill -9 fifty times under load, fifty times in the middle of a hand-over, and the mutants that the harness must find
	$(GO) test -count=1 -timeout 20m ./test/crash -args -kills 50 -handovers 50

interop: ## other people's programs; fetched by apt-get download, unpacked, never installed
	$(GO) test -count=1 -timeout 30m -tags interop ./test/interop/...
	$(GO) test -count=1 -timeout 10m -tags interop ./test/interop/handover -args -slow

generate:
	$(GO) generate ./...

clean:
	rm -f mtad
