#!/usr/bin/env bash
# The image of the CPU engines: amd64 alone, as the recogniser's wheel exists for no other Linux.
#
#   scripts/build_local_models.sh [--repository NAME] [--tag TAG] [--base IMAGE] [--platform LIST] [--builder NAME] [--push]
#     [--dry-run]
#
# --repository NAME   name without tag, with the registry in front; by default local-models
# --tag TAG           by default the commit
# --base IMAGE        your site's Python image, instead of python:3.12-slim-bookworm
# --platform LIST     architectures, joined by commas; several need --push
# --builder NAME      docker, podman or buildah; by default the first that is there
# --push              push it to its registry
# --dry-run           show the commands and do none of them
set -euo pipefail
service=local-models
platforms="linux/amd64"
# shellcheck source=scripts/build_image.sh
source "$(dirname "$0")/build_image.sh"
