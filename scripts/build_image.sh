# Builds the image of one service with docker, podman or buildah, whichever is there; build_*.sh set `service` and
# `platforms`, the architectures that every dependency has wheels for, and source this. Options come in "$@".
# shellcheck shell=bash
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${service:?}" "${platforms:?}"

repository=$service
# A tree that is not the commit's says so.
revision=$(git -C "$root" describe --always --dirty --exclude '*' 2> /dev/null || echo unknown)
tag=
base=
push=
wanted=
builder=

while [[ $# -gt 0 ]]; do
  case $1 in
    --repository) repository=$(value_of "$@"); shift ;;
    --tag) tag=$(value_of "$@"); shift ;;
    --base) base=$(value_of "$@"); shift ;;
    --platform) wanted=$(value_of "$@"); shift ;;
    --builder) builder=$(value_of "$@"); shift ;;
    --push) push=yes ;;
    --dry-run) dry_run=yes ;;
    --help) help ;;
    *) misuse "unknown option $1" ;;
  esac
  shift
done
[[ -n $tag ]] || tag=$revision
[[ $tag != unknown ]] || refuse "this is no git repository: say --tag"
[[ $tag != latest ]] || refuse "the tag latest is refused: nobody could say what is running"
[[ -z $push || $repository == */* ]] || refuse "--push needs --repository with the registry to push to"
for platform in ${wanted//,/ }; do
  [[ " $platforms " == *" $platform "* ]] || refuse "$service has no image for $platform: a dependency has no wheel there; there is $platforms"
done
[[ $wanted != *,* || -n $push ]] || refuse "an image for several architectures can only be pushed: add --push"
case $builder in
  '' | docker | podman | buildah) ;;
  *) misuse "--builder is docker, podman or buildah" ;;
esac
for candidate in docker podman buildah; do
  [[ -n $builder ]] || ! command -v "$candidate" > /dev/null || builder=$candidate
done
[[ -n $builder ]] || refuse "neither docker nor podman nor buildah is installed"
need_tool "$builder" "build the image"

image=$repository:$tag
arguments=(--file "$root/services/$service/Dockerfile" --build-arg "VERSION=$tag" --build-arg "REVISION=$revision")
[[ -z $base ]] || arguments+=(--build-arg "PYTHON_IMAGE=$base")
[[ -z $wanted ]] || arguments+=(--platform "$wanted")
case $builder in
  docker)
    if [[ -n $push ]]; then arguments+=(--push); elif [[ -n $wanted ]]; then arguments+=(--load); fi
    if [[ -n $push || -n $wanted ]]; then
      run docker buildx build "${arguments[@]}" --tag "$image" "$root"
    else
      run docker build "${arguments[@]}" --tag "$image" "$root"
    fi
    ;;
  podman | buildah)
    # A manifest holds the images of all architectures under one name.
    if [[ $wanted == *,* ]]; then
      run "$builder" build "${arguments[@]}" --manifest "$image" "$root"
      run "$builder" manifest push --all "$image" "docker://$image"
    else
      run "$builder" build "${arguments[@]}" --tag "$image" "$root"
      [[ -z $push ]] || run "$builder" push "$image"
    fi
    ;;
esac
next_step "scripts/deploy_gateway.sh, with image.repository=$repository and image.tag=$tag in your values"
