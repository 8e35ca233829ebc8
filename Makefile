# make build        bin/xconnect
# make test-short   unit tests and simulated time: at most 5 minutes from warm caches
# make test         what CI runs: everything, long scenarios at a tenth of their length
# make soak         the full figures of the issues, over an hour
# make lives      a million lives of an account, by seed
# make check        what CI looks at beside the tests
# make generate     brings generated files up to date

SHELL   := /bin/bash -o pipefail
.DEFAULT_GOAL := build

module   := github.com/xconnect-dev/xconnect
version  := $(shell git describe --tags --always --dirty 2>/dev/null)
date     := $(shell git log -1 --format=%cI 2>/dev/null)
ldflags  := -X main.version=$(version) -X main.date=$(date)

# Packages whose tests are cheap enough to link with the race detector: all but
# the command, which brings in a million lines of others, and the tests that run it.
raced     = $(shell go list ./... | grep -vE '^$(module)/(cmd|tests)(/|$$)')
unraced   = $(shell go list ./... | grep -E '^$(module)/(cmd|tests)(/|$$)')
staticcheck := go tool -modfile=tools/go.mod staticcheck

.PHONY: build
build:
	go build -ldflags '$(ldflags)' -o bin/xconnect ./cmd/xconnect

.PHONY: test-short
test-short:
	go test -short -race $(raced)
	go test -short $(unraced)

# One package at a time where real clocks run: they would disturb each other. The
# tests of one that run in parallel wait more than they work.
.PHONY: test
test:
	go -C tools test ./...
	go -C tests/embed test ./...
	go test -race -timeout 30m $(raced)
	go test -p 1 -parallel 6 -timeout 30m $(unraced)

.PHONY: soak
soak: export XCONNECT_SOAK := 1
soak:
	go test -race -count 1 -timeout 4h $(raced)
	go test -p 1 -parallel 6 -count 1 -timeout 8h $(unraced)

# A million lives of an account, each by another seed: a quarter of an hour.
.PHONY: lives
lives:
	go test -count 1 -timeout 3h ./internal/account -run TestLives -v -lives 1000000

.PHONY: bench
bench:
	go test -p 1 -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz:
	@set -e; for package in $(raced); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime 1m $$package; \
		done; \
	done

.PHONY: fmt
fmt:
	gofmt -w .

# The tag leaves out components.go: it holds imports only, and reading behind
# them takes two minutes and 5 GB.
.PHONY: lint
lint:
	$(staticcheck) -tags lint ./...
	cd tools && go tool staticcheck ./...
	cd tests/embed && go tool -modfile=../../tools/go.mod staticcheck ./...

.PHONY: generate
generate:
	go generate ./...
	go -C tools run ./notice

.PHONY: licences
licences:
	go -C tools run ./notice -save ../dist/licences

.PHONY: check
check: formatted tidy vet lint fresh

.PHONY: formatted
formatted:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted, run make fmt: $$unformatted"; exit 1; }

.PHONY: tidy
tidy:
	go mod tidy -diff
	go -C tools mod tidy -diff
	go -C tests/embed mod tidy -diff
	go -C tests/services/versitygw mod tidy -diff

.PHONY: vet
vet:
	go vet ./...
	go -C tools vet ./...
	go -C tests/embed vet ./...

# Fails when generated files were stale, and leaves them fresh.
sums = find . -type f -not -path './.git/*' -not -path './.cache/*' -not -path './bin/*' -not -path './dist/*' \
	-not -path '*/node_modules/*' -exec sha256sum {} + | sort -k 2
.PHONY: fresh
fresh:
	@mkdir -p .cache && $(sums) > .cache/before
	@$(MAKE) --no-print-directory generate
	@$(sums) | diff .cache/before - || { echo "these generated files were stale; run make generate and commit them"; exit 1; }
