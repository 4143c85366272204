# Everything is built from Go modules: a Go toolchain, git and make are all that is needed. The programs that the build
# and the tests use are made once, under bin/, in a file named after their version.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

# One set of flags for every go command, so that there is one build cache.
export CGO_ENABLED := 0
export GOFLAGS     := -trimpath -buildvcs=false
export GOTOOLCHAIN ?= local

ROOT    := $(CURDIR)
BIN     := bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMAGE   ?= ghcr.io/mantledeploy/mantle:$(VERSION)
STRIP   := -s -w
LDFLAGS := $(STRIP) -X main.version=$(VERSION)
# Built from modules, Kubernetes does not know its own version.
KUBERNETES_LDFLAGS = $(STRIP) -X $(version).gitVersion=$(KUBERNETES_VERSION) -X $(version).gitCommit=module -X $(version).gitTreeState=clean
version := k8s.io/component-base/version

KUBERNETES_VERSION     := v1.37.2
CONTROLLER_GEN_VERSION := v0.23.0
GOLANGCI_LINT_VERSION  := v2.15.0
KUSTOMIZE_VERSION      := v5.8.2
GOTESTSUM_VERSION      := v1.13.0
HELM_VERSION           := v4.3.1

KUBECTL        := $(BIN)/kubectl-$(KUBERNETES_VERSION)
CONTROLLER_GEN := $(BIN)/controller-gen-$(CONTROLLER_GEN_VERSION)
# This one reads compiled packages, so it has to be built by the same Go that compiles them.
GOLANGCI_LINT  := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)-$(shell go env GOVERSION)
KUSTOMIZE      := $(BIN)/kustomize-$(KUSTOMIZE_VERSION)
GOTESTSUM      := $(BIN)/gotestsum-$(GOTESTSUM_VERSION)
HELM           := $(BIN)/helm-$(HELM_VERSION)

# Where tests and the demo find the programs that they run (hack/kubetest).
export MANTLE_CONTROLPLANE := $(ROOT)/$(BIN)/controlplane
export MANTLE_KUBECTL      := $(ROOT)/$(KUBECTL)
export MANTLE_HELM         := $(ROOT)/$(HELM)
export MANTLE_TENTACLE     := $(ROOT)/$(BIN)/tentacle
export MANTLE_OPERATOR     := $(ROOT)/$(BIN)/operator

# A given etcd and kube-apiserver save building ours.
CONTROLPLANE := $(if $(KUBEBUILDER_ASSETS),,$(BIN)/controlplane)

# The race detector needs a C compiler.
CC_FOUND := $(shell command -v "$${CC:-gcc}" || command -v cc || command -v clang)
RACE     := $(if $(CC_FOUND),CGO_ENABLED=1,)
RACEFLAG := $(if $(CC_FOUND),-race,)
# A program with the race detector sleeps for a second before it exits, which tests that start hundreds of them need not.
export GORACE ?= atexit_sleep_ms=0

FUZZTIME  ?= 60s
FUZZJOBS  ?= 1
TESTFLAGS ?=
PACKAGES  ?= ./...

##@ Everyday

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: build $(BIN)/controlplane $(KUBECTL) ## watch a release reach three machines, all on this one (KEEP=1 leaves it running)
	@go build -ldflags='$(STRIP)' -o $(BIN)/demo ./hack/demo
	@exec $(BIN)/demo

.PHONY: build
build: $(BIN)/operator $(BIN)/tentacle ## build bin/operator and bin/tentacle

.PHONY: test
test: build $(CONTROLPLANE) $(KUBECTL) $(HELM) $(GOTESTSUM) ## run all tests, against a real Kubernetes API; with the race detector where a C compiler is found
	@$(if $(CC_FOUND),echo 'race detector: on',echo 'race detector: OFF, as there is no C compiler (install gcc, or set CC)')
	$(RACE) hack/test.sh $(GOTESTSUM) $(RACEFLAG) -timeout=60m $(TESTFLAGS) $(PACKAGES)
	cd hack/controlplane && ../test.sh $(ROOT)/$(GOTESTSUM) -timeout=10m $(TESTFLAGS) ./...
	cd hack/packages && ../test.sh $(ROOT)/$(GOTESTSUM) -timeout=10m $(TESTFLAGS) ./...
	hack/fuzz.sh 2s

.PHONY: check
check: $(GOLANGCI_LINT) $(CONTROLLER_GEN) ## lint, budgets, formatting, generated files and the Tentacle's dependencies
	hack/check.sh $(ROOT)/$(GOLANGCI_LINT) $(CONTROLLER_GEN)

.PHONY: generate
generate: $(CONTROLLER_GEN) ## write deepcopy, CRDs, RBAC, the chart and the list of dependencies anew
	hack/generate.sh $(CONTROLLER_GEN) .

##@ Now and then

.PHONY: bench
bench: build $(CONTROLPLANE) $(BIN)/controlplane $(KUBECTL) $(BIN)/scale ## run every benchmark, and measure the operator at 500 machines, and a Tentacle under a flood and idle
	hack/bench.sh

# What make scale measures: targets, steps of a release, releases, minutes of idling, projects that are released at once,
# finished runs that are there from the start, and whether the leader is killed in the middle of one more release (1).
N        ?= 5000
STEPS    ?= 1
RUNS     ?= 1
IDLE     ?= 0
PROJECTS ?= 1
HISTORY  ?= 0
FAILOVER ?= 0

.PHONY: scale
scale: build $(BIN)/controlplane $(KUBECTL) $(BIN)/scale ## measure the operator at N (5000) real Tentacles on this machine: STEPS, RUNS, PROJECTS, HISTORY, FAILOVER, IDLE (minutes)
	@exec $(BIN)/scale -targets $(N) -steps $(STEPS) -runs $(RUNS) -projects $(PROJECTS) -history $(HISTORY) -failover=$(FAILOVER) -idle $(IDLE)

.PHONY: fuzz
fuzz: ## fuzz every decoder, each for FUZZTIME (60s), FUZZJOBS (1) at once
	hack/fuzz.sh $(FUZZTIME) $(FUZZJOBS)

.PHONY: manifests
manifests: $(KUSTOMIZE) ## print what config/default would install
	@$(KUSTOMIZE) build config/default

.PHONY: cross
cross: ## build the Tentacle for every system that it supports, into bin/
	@for target in linux/amd64 linux/arm64 darwin/arm64 windows/amd64 windows/arm64; do \
		os=$${target%/*}; arch=$${target#*/}; suffix=; [ $$os != windows ] || suffix=.exe; \
		echo "tentacle for $$target"; \
		GOOS=$$os GOARCH=$$arch go build -ldflags='$(LDFLAGS)' -o $(BIN)/tentacle-$$os-$$arch$$suffix ./agent; \
	done

# The time of everything in the packages: that of the commit, so that the same sources make the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

.PHONY: packages
packages: ## build deb and rpm packages of the Tentacle, for amd64 and arm64, into dist/
	@cd hack/packages && go build -ldflags='$(STRIP)' -o $(ROOT)/$(BIN)/packages .
	@for arch in amd64 arm64; do \
		GOOS=linux GOARCH=$$arch go build -ldflags='$(LDFLAGS)' -o $(BIN)/tentacle-linux-$$arch ./agent; \
		$(BIN)/packages -root . -out dist -binary $(BIN)/tentacle-linux-$$arch -arch $$arch -version '$(VERSION)' -time '$(SOURCE_DATE_EPOCH)'; \
	done

.PHONY: tools
tools: $(CONTROLPLANE) $(KUBECTL) $(HELM) $(CONTROLLER_GEN) $(GOLANGCI_LINT) $(KUSTOMIZE) $(GOTESTSUM) ## build every program that the other targets use

.PHONY: image
image: ## build the operator's container image (needs docker)
	docker build --build-arg VERSION=$(VERSION) -t $(IMAGE) .

.PHONY: clean
clean: ## remove bin/ and dist/
	rm -rf $(BIN) dist

# Go knows best what has changed, so these run every time and take no time when nothing did.
.PHONY: $(BIN)/operator $(BIN)/tentacle $(BIN)/scale
$(BIN)/operator:
	@go build -ldflags='$(LDFLAGS)' -o $@ .
$(BIN)/tentacle:
	@go build -ldflags='$(LDFLAGS)' -o $@ ./agent
$(BIN)/scale:
	@go build -ldflags='$(STRIP)' -o $(BIN)/many ./agent/internal/many
	@go build -ldflags='$(STRIP)' -o $@ ./hack/scale

$(BIN)/controlplane: $(wildcard hack/controlplane/*.go) hack/controlplane/go.mod hack/controlplane/go.sum
	@echo 'building the control plane (etcd, kube-apiserver and four controllers): minutes when the build cache is cold'
	cd hack/controlplane && go build -ldflags='$(KUBERNETES_LDFLAGS)' -o $(ROOT)/$@ .

$(KUBECTL): hack/controlplane/go.mod
	cd hack/controlplane && go build -ldflags='$(KUBERNETES_LDFLAGS)' -o $(ROOT)/$@ k8s.io/kubernetes/cmd/kubectl
	@ln -sf $(notdir $@) $(BIN)/kubectl

# $(call tool,module folder,package): builds the package with the versions that the folder's go.mod pins.
define tool
	@echo 'building $(notdir $@)'
	@cd $(1) && go build -ldflags='$(STRIP)' -o $(ROOT)/$@ $(2)
	@touch $@
endef

$(HELM): hack/helm/go.mod
	$(call tool,hack/helm,helm.sh/helm/v4/cmd/helm)
	@ln -sf $(notdir $@) $(BIN)/helm
$(CONTROLLER_GEN): hack/tools/controller-gen/go.mod
	$(call tool,hack/tools/controller-gen,sigs.k8s.io/controller-tools/cmd/controller-gen)
$(GOLANGCI_LINT): hack/tools/golangci-lint/go.mod
	$(call tool,hack/tools/golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
$(KUSTOMIZE): hack/tools/kustomize/go.mod
	$(call tool,hack/tools/kustomize,sigs.k8s.io/kustomize/kustomize/v5)
$(GOTESTSUM): hack/tools/gotestsum/go.mod
	$(call tool,hack/tools/gotestsum,gotest.tools/gotestsum)
