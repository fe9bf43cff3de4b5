#!/usr/bin/env bash
# What Reserve, Commit and a denial cost in the engine, in instructions, against benches/instructions.baseline. More than
# 5 % above fails. More than 5 % below fails too: a baseline that is too high would let the next growth pass. The commit
# that changed the baseline last must say why, in a line `Baseline: ...`.
# Usage: tests/instructions.sh [--write]     (--write: put today's figures into the baseline)
set -euo pipefail
cd "$(dirname "$0")/.."

baseline=benches/instructions.baseline
percent=5

if ! command -v valgrind >/dev/null; then
  echo "no valgrind here: apt-get install valgrind"
  exit 2
fi

counted=$(cargo bench --quiet --locked --profile instructions --bench instructions)

if [ "${1:-}" = --write ]; then
  { grep '^#' "$baseline" || true; echo "$counted"; } >"$baseline.new"
  mv "$baseline.new" "$baseline"
  cat "$baseline"
  echo "written; its commit needs a line 'Baseline: why'"
  exit 0
fi

failed=0
while read -r name was; do
  case $name in '' | '#'*) continue ;; esac
  is=$(echo "$counted" | awk -v name="$name" '$1 == name { print $2 }')
  if [ -z "$is" ]; then
    echo "$name: not counted any more, but the baseline has it"
    failed=1
    continue
  fi
  change=$(awk -v is="$is" -v was="$was" 'BEGIN { printf "%+.1f", (is / was - 1) * 100 }')
  verdict=$(awk -v change="$change" -v percent="$percent" \
    'BEGIN { print (change > percent) ? "GREW" : (change < -percent) ? "SHRANK" : "as before" }')
  printf '%-8s %6d instructions, baseline %6d, %s %%: %s\n' "$name" "$is" "$was" "$change" "$verdict"
  [ "$verdict" = "as before" ] || failed=1
  [ "$verdict" != SHRANK ] || echo "  lower the baseline: tests/instructions.sh --write"
done <"$baseline"
while read -r name _; do
  grep -q "^$name " "$baseline" || { echo "$name: counted, but not in the baseline"; failed=1; }
done <<<"$counted"

# The reason.
if ! git rev-parse --git-dir >/dev/null 2>&1; then
  echo "SKIPPED: no history here, so nobody can say why the baseline was changed"
elif [ "$(git rev-parse --is-shallow-repository)" = true ]; then
  echo "SKIPPED: a shallow history does not show why the baseline was changed"
elif ! git diff --quiet HEAD -- "$baseline"; then
  echo "the baseline is changed and not committed; its commit needs a line 'Baseline: why'"
else
  commit=$(git log -1 --format=%h -- "$baseline")
  reason=$(git log -1 --format=%B -- "$baseline" | sed -n 's/^Baseline: *//p' | head -1)
  if [ -n "$reason" ]; then
    echo "the baseline is of $commit: $reason"
  else
    echo "commit $commit changed the baseline and has no line 'Baseline: why'"
    failed=1
  fi
fi
[ "$failed" -eq 0 ]
