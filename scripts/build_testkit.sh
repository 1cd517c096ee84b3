#!/usr/bin/env bash
# The image of the test kit, which stands for all backends in tests on a cluster: amd64 and arm64.
#
#   scripts/build_testkit.sh [--repository NAME] [--tag TAG] [--base IMAGE] [--platform LIST] [--builder NAME] [--push]
#     [--dry-run]
#
# --repository NAME   name without tag, with the registry in front; by default testkit
# --tag TAG           by default the commit
# --base IMAGE        your site's Python image, instead of python:3.12-slim-bookworm
# --platform LIST     architectures, joined by commas; several need --push
# --builder NAME      docker, podman or buildah; by default the first that is there
# --push              push it to its registry
# --dry-run           show the commands and do none of them
set -euo pipefail
service=testkit
platforms="linux/amd64 linux/arm64"
# shellcheck source=scripts/build_image.sh
source "$(dirname "$0")/build_image.sh"
