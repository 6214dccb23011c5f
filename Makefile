# The checks, a target for each kind. .ci/run runs them all; "make lint test" is for
# every day.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.PHONY: lint tools cross test sandboxes race modes newest-go stress fuzz model kernels downstream release smoke bench faultinject

# Go and nothing else. The race detector needs C. The tests wait more than they compute, so
# the go command tests four packages at once.
export GOFLAGS := -p=4
export GOWORK :=
export CGO_ENABLED := 0

# Leaves first. Those aside are not in go.work, so that they raise no version in ours.
modules := internal/sys iface fd eventfd timerfd pidfd memfd signalfd . examples test
aside := test/tools test/downstream .ci/container
library := ./internal/sys/... ./fd/... ./eventfd ./timerfd ./pidfd ./memfd ./signalfd
covered := ./internal/sys/...,./fd/...,./eventfd,./timerfd,./pidfd,./memfd,./signalfd

# Format, vet, static analysis, and go.mod files that require no more than is needed.
lint: tools
	@test "$$(git ls-files '*go.mod' | wc -l)" = $(words $(modules) $(aside))
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted" >&2; exit 1; }
	@.ci/each "$(modules) $(aside)" go vet ./...
	@.ci/each "$(modules) $(aside)" go mod tidy -diff
	@.ci/step .bin/staticcheck work
	@.ci/each "$(aside)" "$(CURDIR)/.bin/staticcheck" ./...
# Every name that is promised is there, and every exported name has a test.
	@.ci/step env GOWORK=off go -C test/tools test ./features ./facade
	@.ci/step env GOWORK=off go -C test/tools run ./features
# The root package has a name for each.
	@.ci/step env GOWORK=off go -C test/tools run ./facade -check
# The English is within its budget. The go command does not notice changes outside test/tools, so
# the result must not come from its cache.
	@.ci/step env GOWORK=off go -C test/tools test -count=1 ./prose

tools:
	@GOWORK=off GOBIN="$(CURDIR)/.bin" go -C test/tools install tool ./vet

# Other processors and systems: compiled, and vetted for each kind, tests included;
# not executed.
cross: tools
	@for arch in arm64 riscv64 loong64 386; do \
		.ci/step env GOOS=linux GOARCH=$$arch go build ./iface . $(library); \
	done
	@for arch in arm64 riscv64 loong64 386 arm ppc64le s390x; do \
		.ci/step env GOOS=linux GOARCH=$$arch .bin/vet ./iface . $(library) ./examples/... ./test/...; \
	done
# There the core is all: the handles are empty packages, the programs not there.
# Race builds have files of their own.
	@for platform in darwin/{arm64,amd64} freebsd/{amd64,arm64}; do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		.ci/step go build ./iface . $(library); \
		.ci/step .bin/vet ./iface . $(library); \
		.ci/step .bin/vet -tags=race ./iface . $(library); \
	done
	@.ci/step env GOOS=windows GOARCH=amd64 go build ./iface .

test:
	@.ci/step go test -count=1 work

# The short tests again as an ordinary user, in containers, and so on. It takes root.
sandboxes:
	@.ci/step .ci/sandboxes

race:
	@.ci/step env CGO_ENABLED=1 go test -short -count=1 -race $(library) ./examples/...

# The short tests with each way to count references, without preemption, without inlining
# of the library, and with 1 and 4 Ps. The second run also measures coverage.
modes:
	@mkdir -p .bin
	@.ci/step env IOFD_REFCOUNT=atomic GODEBUG=asyncpreemptoff=1 CGO_ENABLED=1 go test -short -count=1 -gcflags=code.hybscloud.com/iofd/...=-l -cpu 4 $(library)
	@.ci/step env IOFD_REFCOUNT=biased go test -short -count=1 -cpu 1 -coverpkg=$(covered) -coverprofile=.bin/coverage $(library)
	@.ci/step awk -f .ci/coverage.awk .bin/coverage

# The newest Go beside the one of go.mod: vet, and the short tests with each way to
# count references, once with the race detector. The go command fetches it.
newest-go: export GOTOOLCHAIN := go1.27.4
newest-go:
	@.ci/step go version
	@.ci/step go vet $(library)
	@.ci/step env IOFD_REFCOUNT=atomic go test -short -count=1 $(library)
	@.ci/step env IOFD_REFCOUNT=biased CGO_ENABLED=1 go test -short -count=1 -race $(library)

# "-bias 60s" races a million closes against owners.
stress:
	@.ci/step go test -count=1 -run TestOwnerAgainstCloser -v ./internal/sys -bias 10s
	@.ci/step go test -count=1 -run TestNoUseAfterClose -v ./fd -useafterclose 10s
	@.ci/step env CGO_ENABLED=1 go test -count=1 -race -run TestNoUseAfterClose -v ./fd -useafterclose 5s

# For a quick look: make fuzz FUZZTIME=5s.
fuzz:
	@.ci/fuzz $(FUZZTIME)

# The reference count, model-checked: its faulty variants must fail. All mutants take
# minutes, and odds: test/model/mutants.
model:
	@.ci/step test/model/run
	@.ci/step test/model/mutants -n

# Two processors whose order of memory is weak, the oldest kernel and the newest. What
# the README and doc/ say of other machines is what was found there.
kernels:
	@.ci/step go run ./test/kernels -ci -stress 2s
	@.ci/step go run ./test/kernels -check

# Programs of other projects on this library: their own tests, before and after.
downstream:
	@.ci/step env GOWORK=off CGO_ENABLED=1 go -C test/downstream test -count=1 -v ./...

# What those who require the modules get, and whether a release could be made.
release:
	@.ci/step env GOWORK=off go -C test/tools test -count=1 ./consume ./release
	@.ci/step env GOWORK=off go -C test/tools run ./release -check

# The programs, started as the README says, and what they promise.
smoke:
	@.ci/smoke

# For a quick look: make bench BENCH="-rounds 50 -processes 1".
bench:
	@.ci/step go run ./test/bench $(BENCH)

# Each system call that the tests have the library make is one that is refused in
# test/faultinject, or said not to be.
faultinject:
	@.ci/step go run ./test/faultinject -trace
