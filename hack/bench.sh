#!/usr/bin/env bash
# Runs every benchmark of the repository, package by package, so that they do not disturb each other, then hack/scale at
# 500 machines, hack/flood.sh and hack/idle.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
git grep -l --untracked -E '^func Benchmark' -- '*_test.go' | xargs -r -n1 dirname | sort -u |
	while read -r folder; do
		go test -vet=off -run='^$' -bench=. -benchmem -timeout=60m "./$folder" </dev/null
	done
[ "$(uname)" != Linux ] || bin/scale -targets 500 -steps 1 -runs 1 -idle 1
# How a Tentacle stands strangers who flood it.
[ "$(uname)" != Linux ] || hack/flood.sh
# Last, what a Tentacle costs that has nothing to do.
[ "$(uname)" != Linux ] || hack/idle.sh
