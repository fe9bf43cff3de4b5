#!/usr/bin/env bash
# The clients in examples/, each with the same cases, against the running binary: what callers in Python, Go, Node and
# Rust see. A language that is not installed is skipped, and that is said.
# Usage: QUOTAD=target/release/quotad tests/clients.sh [python] [go] [node] [rust]
set -uo pipefail
cd "$(dirname "$0")/.."

QUOTAD=$(realpath "${QUOTAD:-target/release/quotad}")
export QUOTAD
[ -x "$QUOTAD" ] || { echo "$QUOTAD is no program: build it, or name another with QUOTAD=PATH"; exit 1; }

# What is fetched and built for it stays outside of the tree.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quotad-ci
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

passed=0 failed=0 skipped=0

has() { command -v "$1" >/dev/null; }

skip() {
  echo "SKIPPED: $1"
  skipped=$((skipped + 1))
}

fail() {
  echo "FAIL: $1"
  failed=$((failed + 1))
}

# Runs a language's tests, and counts the lines of what they print that match these patterns. A run that fails without
# naming a case, or in which no case passes, is a failure too.
run() {
  local language=$1 passes=$2 fails=$3 code=0 good bad
  shift 3
  "$@" >"$scratch/said" 2>&1 || code=$?
  good=$(grep -cE "$passes" "$scratch/said")
  bad=$(grep -cE "$fails" "$scratch/said")
  if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ "$bad" -ne 0 ]; then
    tail -60 "$scratch/said"
    grep -E "$fails" "$scratch/said"
  fi
  echo "$language: $good cases passed, $bad failed"
  passed=$((passed + good)) failed=$((failed + bad))
}

python() {
  local venv=$cache/python
  has python3 || { skip "no python3 here"; return; }
  if ! [ -x "$venv/bin/pip" ] && ! { python3 -m venv "$venv" && "$venv/bin/pip" --version; } >/dev/null 2>&1; then
    rm -rf "$venv"
    skip "no venv with pip for python3 here"
    return
  fi
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r examples/python/requirements.txt ||
    { fail "python: the requirements could not be installed"; return; }
  export QUOTAD_GENERATED=$scratch/generated
  PYTHON=$venv/bin/python examples/python/generate.sh "$QUOTAD_GENERATED" || { fail "python: generate.sh"; return; }
  run python '^ok ' '^FAIL ' env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/python/test_api.py
}

go_() {
  has go || { skip "no go here"; return; }
  run go '^--- PASS' '^--- FAIL' env -C examples/go go test -count=1 -v ./...
  [ -z "$(gofmt -l examples/go)" ] || fail "go: not formatted: $(gofmt -l examples/go)"
  # The generated code is committed, because `go get` generates nothing: so it has to be what the .proto files say.
  has npm || { skip "no npm here, so no buf: whether examples/go/quotadv1 is up to date was not looked at"; return; }
  local buf
  buf=$(tests/buf.sh) || { fail "go: buf could not be installed"; return; }
  mkdir "$scratch/quotadv1"
  if BUF=$buf examples/go/generate.sh "$scratch/quotadv1" &&
    diff -r examples/go/quotadv1 "$scratch/quotadv1" >"$scratch/said"; then
    passed=$((passed + 1))
    echo "go: quotadv1 is what the .proto files say"
  else
    head -20 "$scratch/said"
    fail "go: examples/go/quotadv1 is not what the .proto files say: run examples/go/generate.sh"
  fi
}

node_() {
  has node && has npm || { skip "no node with npm here"; return; }
  npm ci --prefix examples/node --no-audit --no-fund --loglevel=error >"$scratch/said" 2>&1 ||
    { cat "$scratch/said"; fail "node: npm ci"; return; }
  run node '^ok ' '^not ok ' env -C examples/node node --test --test-reporter=tap test/quota.test.js
}

rust() {
  has cargo || { skip "no cargo here"; return; }
  # The crates that the sidecar has too need no second build there.
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
  run rust '^test .*ok$' '^test .*FAILED$' env -C examples/rust cargo test --locked
  (cd examples/rust && cargo fmt --check >/dev/null) || fail "rust: not formatted"
}

[ $# -gt 0 ] || set -- python go node rust
for language in "$@"; do
  echo "--- $language"
  case $language in
    python) python ;;
    go) go_ ;;
    node) node_ ;;
    rust) rust ;;
    *) fail "$language is no language here" ;;
  esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
