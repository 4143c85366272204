#!/usr/bin/env bash
# check.sh GOLANGCI_LINT CONTROLLER_GEN: everything that can be said about the repository without running it. All of it
# runs even when something fails, so that one look shows the whole.
set -uo pipefail
cd "$(dirname "$0")/.."
golangci_lint=$1 controller_gen=$2
failed=()
step() { # step NAME COMMAND...
	echo "== $1"
	"${@:2}" || failed+=("$1")
}

formatted() {
	local files
	files=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l)
	[ -z "$files" ] || { printf 'not formatted, run gofmt -w:\n%s\n' "$files"; return 1; }
}

generated() {
	local fresh
	fresh=$(mktemp -d)
	hack/generate.sh "$controller_gen" "$fresh" || { rm -rf "$fresh"; return 1; }
	local stale=0 file
	while read -r file; do
		diff -u "$file" "$fresh/$file" || stale=1
	done < <(cd "$fresh" && find . -type f | sort)
	rm -rf "$fresh"
	[ $stale = 0 ] || { echo 'not up to date: run make generate'; return 1; }
}

layout() {
	local name
	for name in internal pkg cmd test; do
		[ ! -e "$name" ] || { echo "there is no folder $name at the root: architecture says where things go"; return 1; }
	done
}

agent_imports() {
	local bad
	bad=$(go list -deps ./agent | grep -E '^(k8s\.io|sigs\.k8s\.io)/|^github.com/mantledeploy/mantle/(controllers|api/v1alpha1)') || return 0
	printf 'the Tentacle must not import these:\n%s\n' "$bad"
	return 1
}

step 'formatting' formatted
step 'layout' layout
step "the Tentacle's imports" agent_imports
step 'generated files' generated
step 'budgets' go run ./hack/budgets
step 'lint' "$golangci_lint" run --allow-serial-runners ./...
step 'lint of hack/controlplane' env -C hack/controlplane "$golangci_lint" run --allow-serial-runners --config ../../.golangci.yml ./...
step 'lint of hack/packages' env -C hack/packages "$golangci_lint" run --allow-serial-runners --config ../../.golangci.yml ./...

if [ ${#failed[@]} -gt 0 ]; then
	printf '\nfailed: %s\n' "${failed[*]}"
	exit 1
fi
