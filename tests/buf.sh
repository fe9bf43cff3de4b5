#!/usr/bin/env bash
# Prints the path of buf, in the version that proto/ is checked with; fetches it from npm first where it is missing, into
# a cache outside of the tree. Ends with exit code 1 where there is no npm.
# Usage: buf=$(tests/buf.sh)
set -euo pipefail

VERSION=1.75.0
folder=${XDG_CACHE_HOME:-$HOME/.cache}/quotad-ci/buf-$VERSION
buf=$folder/node_modules/.bin/buf

if ! [ -x "$buf" ]; then
  command -v npm >/dev/null || exit 1
  npm install --no-audit --no-fund --loglevel=error --prefix "$folder" "@bufbuild/buf@$VERSION" >&2
fi
echo "$buf"
