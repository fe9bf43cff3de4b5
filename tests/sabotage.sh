#!/usr/bin/env bash
# Each checker must object to an engine that is wrong on purpose: a checker that has never failed shows nothing.
# Builds the tests once with the feature `sabotage`, then runs each with each fault that it is there to find.
# Usage: tests/sabotage.sh
set -uo pipefail
cd "$(dirname "$0")/.."

# Path of the test binary that cargo builds with these features.
binary() {
  cargo test --quiet --features "$2" --test "$1" --no-run --message-format=json |
    sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -1
}

missed=0
# Runs a checker with each of the faults; one that passes was missed.
objects() {
  local checker=$1 binary=$2 filter=$3
  shift 3
  for fault in "" "$@"; do
    local came=objects
    if QUOTAD_SABOTAGE="$fault" RUST_BACKTRACE=0 "$binary" "$filter" >"$log" 2>&1; then came=passes; fi
    local expected=objects
    [ -z "$fault" ] && expected=passes
    echo "$checker ${fault:-(no fault)}: $came"
    if [ "$came" != "$expected" ]; then
      missed=$((missed + 1))
      tail -20 "$log"
    fi
  done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
model=$(binary model sabotage)
it=$(binary it sabotage)
survival=$(binary survival sabotage)
kill=$(binary kill sabotage)
notify=$(binary notify sabotage)
for built in "$model" "$it" "$survival" "$kill" "$notify"; do
  [ -x "$built" ] || { echo "a test binary was not built"; exit 1; }
done

export QUOTAD_MODEL_OPERATIONS=40000 QUOTAD_MODEL_SEED=1 QUOTAD_SCHEDULES=500 QUOTAD_KILLS=12
objects model "$model" the_engine \
  skip-user-cap keep-rest fire-twice no-expiry skip-fact forget-id no-pay-down torn-copy lose-row
objects linearizability "$it" linearize \
  skip-user-cap no-expiry forget-id split-charge stale-edit
objects audit "$it" the_audit_finds_nothing drift
objects power-loss "$survival" a_crash_at_every_step no-fsync acknowledge-early skip-replay no-checksum
objects corruption "$survival" a_damaged_byte no-checksum
objects io-errors "$survival" nobody_is_told no-fsync acknowledge-early
# The faults of the disk itself (no-fsync, no-checksum, acknowledge-early) need a loss of power or damage to show: kill -9
# leaves the kernel, and what was stored, alone. A threshold that fires twice (fire-twice) is one event: the log of events
# recognizes it, so that nobody is told twice; the model finds it.
objects kill "$kill" "" \
  skip-replay skip-fact forget-id no-expiry
objects notify-crash "$notify" after_a_crash tell-early forget-events
objects notify-deliver "$notify" a_receiver_that_goes cursor-first
# Last, because it builds the command for schedules that are explored, and the one above runs it for real.
interleavings=$(binary interleavings sabotage,shuttle)
[ -x "$interleavings" ] || { echo "a test binary was not built"; exit 1; }
objects interleavings "$interleavings" "" \
  skip-user-cap no-expiry forget-id no-pay-down split-charge torn-copy

echo "sabotage: $missed faults missed"
[ "$missed" -eq 0 ]
