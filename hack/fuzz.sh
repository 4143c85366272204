#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the repository for that long, one after the other. A failing input is written
# into the package's testdata by Go; commit it, and every later test run tries it again.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1
targets=$(git grep --untracked -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' |
	sed -E 's|^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' || true)
while read -r folder target; do
	[ -n "$folder" ] || continue
	echo "fuzzing $target in $folder for $time"
	go test -vet=off -run='^$' -fuzz="^$target\$" -fuzztime="$time" -fuzzminimizetime=10x "./$folder" </dev/null
done <<<"$targets"
