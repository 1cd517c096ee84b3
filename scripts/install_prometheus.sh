#!/usr/bin/env bash
# Installs Debian's prometheus and promtool where they are missing and this user may; starts no service.
set -euo pipefail
if command -v promtool > /dev/null && command -v prometheus > /dev/null; then
  exit 0
fi
if ! command -v apt-get > /dev/null || [[ $(id -u) != 0 ]]; then
  echo 'prometheus is missing, and only root of a Debian machine can install it here' >&2
  exit 1
fi
# a package starts its service, and lets it start at boot, unless these files forbid it
unit=/etc/systemd/system/prometheus.service
if [[ ! -e $unit && ! -L $unit ]]; then
  mkdir -p "${unit%/*}"
  ln -s /dev/null "$unit"
fi
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --yes --quiet=2 --no-install-recommends prometheus
