#!/usr/bin/env bash
# Generates quotadv1/ from the .proto files of the data plane, or into another folder: generate.sh DIR.
# Needs Go, and buf (`npm install --global @bufbuild/buf`, or BUF=PATH), which brings its own protobuf compiler.
set -euo pipefail
cd "$(dirname "$0")"
out=$(realpath "${1:-quotadv1}")
"${BUF:-buf}" generate ../../proto --template buf.gen.yaml --output "$out" \
  --path ../../proto/quotad/v1/quota.proto --path ../../proto/quotad/v1/types.proto
gofmt -l -w "$out" >/dev/null
