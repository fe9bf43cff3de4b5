#!/usr/bin/env bash
# The contract in proto/: buf lints it (STANDARD), and compares it with the last release's: a change that breaks a client,
# on the wire or in the code it generated, is refused. Then both are shown violations, and must object.
# Usage: tests/proto.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null; then
  echo "SKIPPED: no npm here, so no buf: proto/ was neither linted nor compared with the last release"
  exit 0
fi
buf=$(tests/buf.sh)
buf() { "$buf" "$@"; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Exits with 100 (buf's word for "found something") where the repository at $1 breaks what its last tag promised, with 0
# where it does not, and prints NOT RUN where there is no tag to compare with.
breaking() {
  local repository=$1 tag
  if ! tag=$(git -C "$repository" describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    echo "NOT RUN: no release tag (v*) is reachable from this commit, so there is nothing to compare with"
    return 0
  fi
  rm -rf "$scratch/released"
  mkdir "$scratch/released"
  git -C "$repository" archive "$tag" -- proto | tar -x -C "$scratch/released"
  cp buf.yaml "$scratch/released"
  buf breaking "$repository" --against "$scratch/released" && echo "compatible with $tag"
}

# Says how a command ended that must end with this code.
ends_with() {
  local expected=$1 what=$2 code=0
  shift 2
  "$@" >"$scratch/said" 2>&1 || code=$?
  if [ "$code" -ne "$expected" ]; then
    echo "FAIL: $what: exit code $code instead of $expected"
    cat "$scratch/said"
    exit 1
  fi
  echo "ok: $what"
}

# What it said has these words.
said() {
  grep -q "$1" "$scratch/said" || { echo "FAIL: it does not say '$1':"; cat "$scratch/said"; exit 1; }
}

# A repository of its own with a release and one change of its proto/ after it: a sed script for a file.
changed() {
  local name=$1 script=$2 file=$3 there=$scratch/$1
  mkdir "$there"
  cp -r buf.yaml proto "$there"
  git -C "$there" init --quiet
  git -C "$there" add .
  git -C "$there" -c user.name=test -c user.email=test@example.org commit --quiet --message release
  git -C "$there" tag v0.0.1
  sed -i "$script" "$there/proto/quotad/v1/$file"
  if git -C "$there" diff --quiet; then
    echo "FAIL: '$script' changes nothing in $file, so it shows nothing: adapt tests/proto.sh"
    exit 1
  fi
}

echo "--- proto/"
buf lint
echo "lint: clean"
breaking .

echo "--- buf objects to what is wrong on purpose"
changed badly-named 's/string message = 11;/string Message = 11;/' types.proto
ends_with 100 "a field with a capital letter is refused by lint" buf lint "$scratch/badly-named"
changed removed '/uint64 overrun = 3;/d' quota.proto
ends_with 100 "a field that is gone is refused" breaking "$scratch/removed"
said 'field "3"'
changed retyped 's/uint64 returned = 2;/int32 returned = 2;/' quota.proto
ends_with 100 "a field of another type is refused" breaking "$scratch/retyped"
changed renamed 's/uint64 additional = 2;/uint64 more = 2;/' quota.proto
ends_with 100 "a field of another name, which breaks generated code, is refused" breaking "$scratch/renamed"
changed added 's/uint64 overrun = 3;/&\n  \/\/ New.\n  uint64 news = 400;/' quota.proto
ends_with 0 "a new field is accepted" breaking "$scratch/added"
said 'compatible with v0.0.1'
git -C "$scratch/added" tag --delete v0.0.1 >/dev/null
ends_with 0 "without a release nothing is compared, and that is said" breaking "$scratch/added"
said 'NOT RUN'
