#!/usr/bin/env bash
# test.sh GOTESTSUM ARGUMENT…: go test with these arguments. Prints a line for each package; then all that failed tests
# printed; and last, where a log that was cut short still has them, their names and what they said.
set -euo pipefail
gotestsum=$1
shift
events=$(mktemp)
trap 'rm -f "$events"' EXIT
"$gotestsum" --format=pkgname --format-icons=text --format-hide-empty-pkg --jsonfile="$events" -- -vet=off "$@" && exit 0 || status=$?
echo 'Failed:' >&2
grep -F '"Action":"fail"' "$events" | sed -nE 's/.*("Package":"[^"]*"(,"Test":"[^"]*")?).*/\1/p' | while read -r failed; do
	sed -E 's/"Package":"([^"]*)"(,"Test":"([^"]*)")?/  \1 \3/' <<<"$failed"
	grep -F "$failed,\"Output\":" "$events" | sed -nE 's/.*"Output":"( *[^ ]*\.go:[0-9]+: .*)"}$/  \1/p' | sed 's/\\n$//' | tail -n 2 | cut -c1-300 || true
done >&2
exit "$status"
