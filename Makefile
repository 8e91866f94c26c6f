# SPDX-License-Identifier: Apache-2.0

# Everything needs Go and make; `make test` runs more where more is installed
# and says what it left out.

.PHONY: build profile run docs test test-interop soak fuzz bench bench-micro bench-deps clean

# The proxy is compiled by a profile of its hot paths: 10 % less user time, and a
# first build that takes about twice as long. `go build ./cmd/sideloop` does
# without.
build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/loopbench
	CGO_ENABLED=0 go build -trimpath -pgo=cmd/sideloop/hot.pgo -o bin/ ./cmd/sideloop

# That profile, made anew.
profile:
	scripts/pgo.sh

# Two sidecars in one process, a Bolt echo service and a first call, until
# Ctrl-C.
run: build
	scripts/run.sh

# The reference of the configuration, made of its tables and config/reference.md,
# and the variables of access logs.
docs:
	go run ./cmd/sideloop schema --markdown > docs/CONFIG.md.new
	mv docs/CONFIG.md.new docs/CONFIG.md
	go test ./config -run TestLogVariablesAreDocumented -update

test:
	scripts/test.sh

# Real SOFARPC peers; needs Node.js and npm.
test-interop:
	scripts/interop.sh

# The same tests at full counts and durations. It wants the machine for itself.
soak:
	SIDELOOP_SOAK=1 go test -count=1 -timeout 2h ./test/...
	! command -v npm >/dev/null || SIDELOOP_SOAK=1 scripts/interop.sh

# Every fuzz target for FUZZTIME.
FUZZTIME ?= 60s
fuzz:
	scripts/fuzz.sh $(FUZZTIME)

# Sideloop and its peers side by side: bench/out/suite.html and suite.md, in
# under 15 minutes. BENCHFLAGS narrows it down, MOSN_BIN adds MOSN.
bench: build bench-deps
	mkdir -p bench/out
	bin/loopbench suite --html bench/out/suite.html --markdown bench/out/suite.md --json bench/out/runs $(BENCHFLAGS)

# The hot functions one by one, as benchstat reads it: COUNT runs of each.
COUNT ?= 6
bench-micro:
	go test -run '^$$' -bench . -benchtime 100ms -count $(COUNT) ./codec/... ./eventloop ./pipeline/... ./cluster/... ./accesslog

# The peers that are not in the repository.
bench-deps:
	scripts/bench-deps.sh

clean:
	rm -rf bin
