#!/usr/bin/env bash
# NVIDIA's speech services, from their own chart, and a NIM LLM. Waits until they are ready. Done again, it upgrades.
#
#   scripts/deploy_riva.sh --chart riva-nim-VERSION.tgz [--nim-operator] [--timeout 2h] [--dry-run]
#
# --chart FILE      NVIDIA's chart riva-nim, which you fetch with your key as NVIDIA's page on Helm says
# --nim-operator    let the NIM Operator run the language model; it must be installed
# --timeout TIME    longest wait for each, as kubectl takes it; the first start downloads models
# --dry-run         show the commands and do none of them
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

models=voice-models
chart=
operator=
timeout=2h

while [[ $# -gt 0 ]]; do
  case $1 in
    --chart) chart=$(value_of "$@"); shift ;;
    --nim-operator) operator=yes ;;
    --timeout) timeout=$(value_of "$@"); shift ;;
    --dry-run) dry_run=yes ;;
    --help) help ;;
    *) misuse "unknown option $1" ;;
  esac
  shift
done
[[ -n $chart ]] || misuse "--chart is missing: NVIDIA's chart riva-nim is theirs to ship"
[[ -e $chart ]] || refuse "there is no chart at $chart"
need_tool helm "install charts"
need_cluster
kubectl get secret ngc-api ngc-registry --namespace "$models" > /dev/null 2>&1 ||
  refuse "the secrets ngc-api and ngc-registry are not in $models: run scripts/deploy_infra.sh first"
if [[ -n $operator ]]; then
  kubectl get crd nimservices.apps.nvidia.com > /dev/null 2>&1 || refuse "the NIM Operator is not installed in this cluster"
fi

for direction in asr tts; do
  run helm upgrade --install "riva-$direction" "$chart" --namespace "$models" \
    --values "$root/k8s/speech-nim-$direction-values.yaml" --wait --timeout "$timeout"
done
if [[ -n $operator ]]; then
  run kubectl apply --filename "$root/k8s/nim-operator-cache.yaml" --filename "$root/k8s/nim-operator-service.yaml"
  run kubectl wait --namespace "$models" --for condition=Ready nimservice/nim-llm --timeout "$timeout"
else
  run kubectl apply --filename "$root/k8s/nim-llm.yaml" --filename "$root/k8s/nim-llm-service.yaml"
  run kubectl rollout status --namespace "$models" deployment/nim-llm --timeout "$timeout"
fi
next_step "scripts/deploy_gateway.sh --values k8s/gateway-values.yaml"
