#!/usr/bin/env bash
# flood.sh [RATExTIME...]: has strangers begin that many handshakes a second for that long with the Tentacle that was built (4,000
# for 15 s, then 10,000 for 20 s), and tells how many came, how long an operator needed to get in meanwhile, and what memory the
# daemon took. It fails where the operator did not get in, or the memory grew. Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 4000x15s 10000x20s
tentacle=$(realpath "${MANTLE_TENTACLE:-bin/tentacle}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
TENTACLE_TEST_HANDSHAKES=$(IFS=,; echo "$*") MANTLE_TENTACLE=$tentacle \
	go test -vet=off -count=1 -timeout=60m -v -run='^TestTheOperatorGetsInThroughAFloodOfHandshakes$' ./agent >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
grep -oE 'FloodedDaemon .*' "$log" || { echo 'flood.sh: nothing was measured; it needs Linux' >&2; exit 1; }
