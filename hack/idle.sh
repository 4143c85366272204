#!/usr/bin/env bash
# idle.sh [SECONDS]: what a waiting Tentacle costs: CPU ticks, memory, and open sockets after that many seconds (60). Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
tentacle=${MANTLE_TENTACLE:-bin/tentacle}
home=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; rm -rf "$home"' EXIT
"$tentacle" init --home "$home/t" --listen 127.0.0.1:20933 >/dev/null
"$tentacle" run --home "$home/t" 2>"$home/log" &
pid=$!
for _ in $(seq 100); do grep -q serving "$home/log" && break; sleep 0.1; done
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
before=$(ticks)
sleep "$seconds"
echo "seconds: $seconds"
echo "cpu ticks: $(($(ticks) - before))"
echo "rss: $(awk '/VmRSS/ {print $2 " " $3}' "/proc/$pid/status")"
echo "sockets: $(find "/proc/$pid/fd" -lname 'socket:*' | wc -l)"
echo "binary: $(stat -Lc %s "$tentacle") bytes"
