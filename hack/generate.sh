#!/usr/bin/env bash
# generate.sh CONTROLLER_GEN OUT: writes everything that is made from something else into OUT, which has the
# repository's layout: "." brings the repository up to date, and check.sh compares another folder with it.
set -euo pipefail
cd "$(dirname "$0")/.."
controller_gen=$1 out=$2
mkdir -p "$out"/{api/v1alpha1,charts/mantle/templates,hack}
[ "$out" = . ] || cp -r config "$out"
rm -f "$out"/config/crd/mantle.dev_*.yaml

"$controller_gen" object paths=./api/v1alpha1 output:object:dir="$out/api/v1alpha1"
"$controller_gen" crd paths=./api/v1alpha1 output:crd:dir="$out/config/crd"
go run ./hack/crd "$out"/config/crd/mantle.dev_*.yaml
"$controller_gen" rbac:roleName=mantle paths=./controllers/... output:rbac:dir="$out/config/rbac"
go run ./hack/chart -config "$out/config" -out "$out/charts/mantle/templates"
hack/dependencies.sh > "$out/hack/dependencies.txt"
