#!/usr/bin/env bash
# fuzz.sh TIME [JOBS]: runs every fuzz target of the repository for that long, JOBS (1) of them at once. A failing input is
# written into the package's testdata by Go; commit it, and every later test run tries it again.
set -euo pipefail
cd "$(dirname "$0")/.."
export time=$1 workers=
jobs=${2:-1}
[ "$jobs" = 1 ] || workers=-parallel=1 # then the targets share the CPUs, not the workers of one
targets=$(git grep --untracked -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' |
	sed -E 's|^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' || true)
[ -n "$targets" ] || { echo 'there are no fuzz targets' >&2; exit 1; }

one() { # one FOLDER TARGET: says how often the target was tried, or all that it printed where it failed
	local said
	# Where the time ends while a worker is busy, Go calls that a failure: "context deadline exceeded", and no input.
	if said=$(go test -vet=off -run='^$' -fuzz="^$2\$" -fuzztime="$time" -fuzzminimizetime=10x $workers "./$1" </dev/null 2>&1) ||
		{ grep -qx ' *context deadline exceeded' <<<"$said" && ! grep -qE 'Failing input|panic|hung|^ +.*_test.go:' <<<"$said"; }; then
		echo "fuzzed $2 in $1: $(grep -oE 'elapsed: [^,]+, execs: [0-9]+' <<<"$said" | tail -n 1)"
	else
		printf 'FAILED %s in %s\n%s\n' "$2" "$1" "$said"
		return 1
	fi
}
export -f one
xargs -P "$jobs" -L 1 bash -c 'one "$@"' one <<<"$targets"
