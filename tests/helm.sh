#!/usr/bin/env bash
# The charts, alerts and dashboard, checked by the real tools; and the rendered container, run as the kubelet would.
#
#   tests/helm.sh               everything but what needs the binary
#   QUOTAD=target/release/quotad tests/helm.sh
#   tests/helm.sh charts        one part: charts, or kubelet
#
# Tools that are not here are built or fetched once into ${XDG_CACHE_HOME:-~/.cache}/quotad-ci, outside the tree. What could not be run is
# said, with the reason; the last line counts.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=${*:-charts kubelet}
for part in $parts; do
  case $part in
    charts | kubelet) ;;
    *) echo "no part is called $part: charts or kubelet" && exit 2 ;;
  esac
done

helm_version=v3.22.0
helm_docs_version=v1.14.2
validate_version=1.37.0

cache=${XDG_CACHE_HOME:-$HOME/.cache}/quotad-ci
mkdir -p "$cache/bin"

say() { printf '%s (after %d s)\n' "$*" "$SECONDS"; }

# With Go's own installer. NAME, MODULE/PACKAGE, VERSION; prints where it is, or nothing. The version stands in the name of the file.
go_tool() {
  local name=$1 package=$2 version=$3 at
  at=$cache/bin/$1-$3
  if [ ! -x "$at" ]; then
    command -v go >/dev/null || { say "$name $version: no Go here to build it with" >&2; return; }
    say "building $name $version" >&2
    if GOBIN=$cache/bin GOFLAGS="${GOFLAGS:--p=2}" go install -trimpath "$package@$version" >"$cache/$name.log" 2>&1; then
      mv "$cache/bin/$name" "$at"
    else
      tail -3 "$cache/$name.log" >&2
      return
    fi
  fi
  echo "$at"
}

# promtool, from Debian's package, without installing the server that is in it.
find_promtool() {
  if type -P promtool; then return; fi
  local at=$cache/prometheus/usr/bin/promtool
  if [ ! -x "$at" ]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 0
    say "fetching promtool" >&2
    local folder
    folder=$(mktemp -d)
    (cd "$folder" && { apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }; }) >"$cache/promtool.log" 2>&1 &&
      dpkg -x "$folder"/prometheus_*.deb "$cache/prometheus" || tail -3 "$cache/promtool.log" >&2
    rm -rf "$folder"
  fi
  if [ -x "$at" ]; then echo "$at"; fi
}

HELM=$(go_tool helm helm.sh/helm/v3/cmd/helm "$helm_version")
HELM_DOCS=$(go_tool helm-docs github.com/norwoodj/helm-docs/cmd/helm-docs "$helm_docs_version")
PROMTOOL=$(find_promtool)
KUBECTL=$(command -v kubectl || true)
QUOTAD=${QUOTAD:-}
if [ -n "$QUOTAD" ]; then QUOTAD=$(realpath "$QUOTAD"); fi
export HELM HELM_DOCS PROMTOOL KUBECTL QUOTAD
# Nobody's own settings of helm.
export HELM_CONFIG_HOME=$cache/helm/config HELM_CACHE_HOME=$cache/helm/cache HELM_DATA_HOME=$cache/helm/data

if ! command -v python3 >/dev/null; then
  echo "NOT RUN: no python3 here"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
venv=$cache/venv-$validate_version
if [ ! -e "$venv/ready" ]; then
  say "fetching kubernetes-validate $validate_version and grpcio"
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "kubernetes-validate==$validate_version" -r examples/python/requirements.txt
  touch "$venv/ready"
fi
say "tools are here"

results=$(mktemp)
trap 'rm -f "$results"' EXIT
export QUOTAD_CI_RESULTS=$results
failed=0
for part in $parts; do
  case $part in
    charts) "$venv/bin/python" tests/helm/check.py || failed=1 ;;
    kubelet) "$venv/bin/python" tests/kubelet/run.py || failed=1 ;;
  esac
done
say "done"
# Each of them has left its counts; a part that fell over has left none.
awk -v fell="$failed" '{passed += $1; failed += $2; skipped += $3}
  END {if (fell && !failed) failed = 1; printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped}' "$results"
exit "$failed"
