#!/usr/bin/env bash
# Generates the client code from the .proto files into a folder (default: examples/python/generated).
# Needs: python3 -m pip install -r examples/python/requirements.txt
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/generated}
mkdir -p "$out"
cd "$here/../../proto"
"${PYTHON:-python3}" -m grpc_tools.protoc -I . --python_out="$out" --grpc_python_out="$out" quotad/v1/*.proto
