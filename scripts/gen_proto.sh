#!/usr/bin/env bash
# Generates the Python stubs of every .proto file. With --check: fails if the committed ones differ.
set -euo pipefail
cd "$(dirname "$0")/.."
out=proto/stubs
target=$out
[ "${1:-}" = "--check" ] && target=$(mktemp -d) && trap 'rm -rf "$target"' EXIT
sources=() # filled line by line: macOS ships a bash without mapfile
while IFS= read -r source; do sources+=("$source"); done < <(cd proto && find voice_workflow.proto voicegateway -name '*.proto' | sort)
bin=$PWD/.venv/bin
PATH=$bin:$PATH "$bin/python" -m grpc_tools.protoc -I proto --python_out="$target" --grpc_python_out="$target" \
  --mypy_out="quiet:$target" --mypy_grpc_out="quiet:$target" "${sources[@]}"
# Messages only files need no service stub.
find "$target" -name '*_pb2_grpc.py' | while read -r stub; do
  grep -q '^class .*Stub' "$stub" || rm -f "$stub" "${stub}i"
done
find "$target/voicegateway" -type d -not -name __pycache__ -exec touch {}/__init__.py \;
touch "$target/voicegateway/py.typed"
if [ "${1:-}" = "--check" ]; then
  diff -r --exclude=__pycache__ "$out" "$target" || { echo "stubs are stale: run make proto" >&2; exit 1; }
fi
