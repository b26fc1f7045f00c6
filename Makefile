# firn: make run | make test | make test-slurm | make lint | make dist | make bench | make bench-peers | make bench-links | make bench-outlook | make bench-hosts | make bench-codecs | make fuzz
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PLATFORMS   := darwin/arm64 freebsd/amd64 openbsd/amd64 netbsd/amd64
RELEASED    := linux/amd64 linux/arm64 darwin/amd64 $(PLATFORMS)

# What the race detector need not watch. SHA-256 reads what it hashes in assembly, which the detector
# does not see anyway; without the little around it, and without what makes its bytes numbers, each
# derived key, of which there is one per archive, is several times cheaper. The others are decoders to
# compare with, in tests alone, each on one goroutine. None may have generic code in it: the linker
# could take an instance that is not watched for all others of its kind, and then the detector misses
# how goroutines wait for each other.
PLAIN       := $(patsubst %,-gcflags=%=-race=false,crypto/internal/fips140/sha256 internal/byteorder compress/bzip2 \
	github.com/dsnet/compress/... github.com/ulikunitz/xz/...)

# Packages whose tests take longest start first, or the last of them would run alone.
LONGEST     := $(addprefix ./,cmd/firn stages/backup stages/service/recovery bench/attackers stages/restore stages/store/s3)

export GOFLAGS := -buildvcs=false

.PHONY: build
build: ## bin/firn, for this machine
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/firn ./cmd/firn

.PHONY: run
run: build ## back up a real tree to ./run, then open one archive with openssl and tar alone
	bench/run.sh "$${SRC:-$$(go env GOROOT)/src}"

.PHONY: test
test: tools ## install what the tests need, and run all of them
	GORACE=atexit_sleep_ms=0 go test -race $(PLAIN) -vet=off -timeout 60m $(LONGEST) ./...
	cd bench/s3server && CGO_ENABLED=0 go test -timeout 5m ./...

.PHONY: test-long
test-long: ## tests that take minutes, or need root and loop devices: what a power cut leaves, for example
	FIRN_LONG=1 go test -timeout 60m -v -run 'TestPowerCut|TestInterruptedTwiceAtRandom|TestCancelledRunIsNotDone|TestKills$$' ./cmd/firn ./stages/backup

.PHONY: test-slurm
test-slurm: ## firn.sbatch in a Slurm cluster of two nodes on this machine, as root
	bench/tools.sh slurm
	bench/slurm/cluster.sh go test -C "$(CURDIR)" -vet=off -count=1 -timeout 30m -v ./deploy/slurm

.PHONY: tools
tools: ## the programs that tests talk to
	bench/tools.sh test
	cd bench/dynalite && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cd bench/s3server && CGO_ENABLED=0 go build -o /dev/null .
	.ci/package

.PHONY: lint
lint: ## format, vet on every platform, staticcheck, known vulnerabilities
	@unformatted=$$(gofmt -l cmd pipeline stages bench docs deploy); [ -z "$$unformatted" ] || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	for p in $(PLATFORMS); do GOOS=$${p%/*} GOARCH=$${p#*/} go vet ./cmd/... ./pipeline/... ./stages/...; done
	cd bench/s3server && go vet ./...
	cd deploy/kubernetes && go vet ./... && CGO_ENABLED=0 go test ./...
	go run $(STATICCHECK) ./...
	.ci/vulncheck $(GOVULNCHECK)

.PHONY: dist
dist: ## binaries and packages of a release, built twice and compared, with sums and a bill of materials
	.ci/dist "$(VERSION)" $(RELEASED)

.PHONY: bench
bench: ## benchmarks of every room, in benchstat's form
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-peers
bench-peers: build ## firn against tar | pigz or lbzip2 | openssl | aws s3 cp, interleaved
	bench/tools.sh peers
	go run ./bench/peers

.PHONY: bench-links
bench-links: build ## firn against aws s3 cp, s5cmd and rclone over links with latency, interleaved
	bench/tools.sh links
	PATH="$(CURDIR)/bin/peers:$$PATH" go run ./bench/links/cmd

.PHONY: bench-outlook
bench-outlook: ## what runs say of the time that is left, beside what was left
	go run ./bench/outlook

.PHONY: bench-hosts
bench-hosts: build ## worker processes on this machine, each behind a slow link of its own: how throughput grows
	go run ./bench/hosts measure -json bench/hosts/measured.json

.PHONY: bench-codecs
bench-codecs: ## every codec and level beside the native tools
	bench/tools.sh test peers
	go run ./bench/codecs

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 60s) each
	.ci/fuzz "$${FUZZTIME:-60s}"

.PHONY: clean
clean:
	rm -rf bin run dist bench/out
