#!/usr/bin/env bash
# idle.sh [SECONDS]: what the Tentacle that was built costs while it waits, after it has run scripts: CPU ticks, wake-ups,
# sockets and memory in that many seconds (60), and how large it is. It fails where it costs CPU, has more open than the listening
# socket, more than 12 MiB in memory, or is larger than 10 MiB. Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
tentacle=$(realpath "${MANTLE_TENTACLE:-bin/tentacle}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
TENTACLE_TEST_IDLE=${1:-60} TENTACLE_TEST_PROGRAM=$tentacle \
	go test -vet=off -count=1 -timeout=60m -v -run='^TestAnIdleDaemonCostsNothing$' ./agent >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
figures=$(grep -oE 'IdleDaemon .*' "$log") || { echo 'idle.sh: nothing was measured; it needs Linux' >&2; exit 1; }
size=$(stat -Lc %s "$tentacle")
printf '%s, %s bytes of program\n' "$figures" "$size"
[ "$size" -le $((10 << 20)) ] || { echo "idle.sh: the program is larger than $((10 << 20)) bytes" >&2; exit 1; }
