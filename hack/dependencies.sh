#!/usr/bin/env bash
# Prints the modules, other than Go's own library, that are in the Tentacle on any of its systems. Someone who installs
# it on a machine should be able to read the whole list; dependencies.txt holds it, so that a change is seen in review.
set -euo pipefail
cd "$(dirname "$0")/.."
for os in linux darwin windows; do
	GOOS=$os go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ./agent
done | sort -u
