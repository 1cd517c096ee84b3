#!/usr/bin/env bash
# The gateway, by its chart. Waits until it is ready; an upgrade that cannot become ready is rolled back. Done again, it
# upgrades.
#
#   scripts/deploy_gateway.sh [--values FILE ...] [--local-models [--models-values FILE ...]] [--namespace voice]
#                             [--timeout 5m] [--test] [--dry-run]
#
# --values FILE         values of yours, later ones over earlier ones
# --local-models        install helm/local-models beside it and use helm/values-local.yaml: no GPU, no key
# --models-values FILE  values of yours for helm/local-models
# --namespace NAME      where; made when it is not there
# --timeout TIME        longest wait, as helm takes it
# --test                hold a spoken call afterwards (helm test)
# --dry-run             show the commands and do none of them
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

namespace=voice
timeout=5m
values=()
models=
models_values=()
test=

while [[ $# -gt 0 ]]; do
  case $1 in
    --values) file=$(value_of "$@"); values+=(--values "$file"); shift ;;
    --local-models) models=yes ;;
    --models-values) file=$(value_of "$@"); models_values+=(--values "$file"); shift ;;
    --namespace) namespace=$(value_of "$@"); shift ;;
    --timeout) timeout=$(value_of "$@"); shift ;;
    --test) test=yes ;;
    --dry-run) dry_run=yes ;;
    --help) help ;;
    *) misuse "unknown option $1" ;;
  esac
  shift
done
for file in ${values[@]+"${values[@]}"} ${models_values[@]+"${models_values[@]}"}; do
  [[ $file == --values || -f $file ]] || refuse "there are no values at $file"
done
need_tool helm "install charts"
need_cluster

where=(--namespace "$namespace" --create-namespace --wait --timeout "$timeout")
# Helm 4 has another name for it, and warns of the old one.
undo=--atomic
[[ $(helm version --short) == v3* ]] || undo=--rollback-on-failure
if [[ -n $models ]]; then
  run helm upgrade --install local-models "$root/helm/local-models" "${where[@]}" "$undo" ${models_values[@]+"${models_values[@]}"}
  values=(--values "$root/helm/values-local.yaml" ${values[@]+"${values[@]}"})
fi
run helm upgrade --install voice-gateway "$root/helm/voice-gateway" "${where[@]}" "$undo" ${values[@]+"${values[@]}"}
[[ -z $test ]] || run helm test voice-gateway --namespace "$namespace"
next_step "kubectl port-forward --namespace $namespace service/voice-gateway 50051, then voice-client talk"
