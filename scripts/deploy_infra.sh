#!/usr/bin/env bash
# Namespaces, storage and the secrets that NVIDIA's containers need. Done again, it changes nothing.
#
#   NGC_API_KEY=... scripts/deploy_infra.sh [--dry-run]
#
# NGC_API_KEY   the key of your NGC account. It goes from the environment into two Secrets and is never printed.
# --dry-run     show the commands and do none of them
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

registry=nvcr.io
models=voice-models

while [[ $# -gt 0 ]]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --help) help ;;
    *) misuse "unknown option $1" ;;
  esac
  shift
done
NGC_API_KEY=${NGC_API_KEY:-}
NGC_API_KEY=${NGC_API_KEY//[[:space:]]/} # what comes from a file ends in a newline
[[ -n $NGC_API_KEY ]] || refuse "NGC_API_KEY is not set: export the key of your NGC account"
need_tool base64 "write a Secret"
need_cluster

# Through standard input: the arguments of a process can be read by everybody on the machine.
apply_secret() { # NAME TYPE KEY VALUE
  echo "+ kubectl apply --filename - (Secret $1 with $3)"
  [[ -z $dry_run ]] || return 0
  kubectl apply --filename - << YAML
apiVersion: v1
kind: Secret
metadata:
  name: $1
  namespace: $models
type: $2
data:
  $3: $(printf '%s' "$4" | base64 | tr -d '\n')
YAML
}

run kubectl apply --filename "$root/k8s/namespace.yaml" --filename "$root/k8s/namespace-models.yaml"
run kubectl apply --filename "$root/k8s/storage.yaml"
apply_secret ngc-api Opaque NGC_API_KEY "$NGC_API_KEY"
# shellcheck disable=SC2016  # $oauthtoken is the user's name, as NGC wants it
login=$(printf '$oauthtoken:%s' "$NGC_API_KEY" | base64 | tr -d '\n')
apply_secret ngc-registry kubernetes.io/dockerconfigjson .dockerconfigjson "{\"auths\":{\"$registry\":{\"auth\":\"$login\"}}}"
next_step "scripts/deploy_riva.sh"
