#!/usr/bin/env bash
# Each checker must object to an engine that is wrong on purpose: a checker that has never failed shows nothing.
# Runs the tests that `cargo test` builds (src/world/sabotage.rs), each with each fault that it is there to find; `cargo test`
# itself shows that the same tests pass without one.
# Usage: tests/sabotage.sh
set -uo pipefail
cd "$(dirname "$0")/.."

# Path of the test binary that cargo builds, with these features if some are given.
binary() {
  cargo test --quiet ${2:+--features "$2"} --test "$1" --no-run --message-format=json |
    sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -1
}

missed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Runs a checker with each of the faults, so many at a time; one that passes was missed. `none` is no fault, with which it
# must pass.
objects() {
  local at_a_time=$1 checker=$2 binary=$3 filter=$4 fault
  shift 4
  for fault in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$at_a_time" ]; do wait -n; done
    {
      QUOTAD_SABOTAGE="${fault#none}" RUST_BACKTRACE=0 "$binary" "$filter" >"$logs/$fault" 2>&1
      echo $? >"$logs/$fault.code"
    } &
  done
  wait
  for fault in "$@"; do
    local came=objects expected=objects
    if [ "$(cat "$logs/$fault.code")" -eq 0 ]; then came=passes; fi
    if [ "$fault" = none ]; then expected=passes; fi
    echo "$checker, fault $fault: $came"
    if [ "$came" != "$expected" ]; then
      missed=$((missed + 1))
      tail -20 "$logs/$fault"
    fi
  done
  rm -f "$logs"/*
}

model=$(binary model)
it=$(binary it)
survival=$(binary survival)
kill=$(binary kill)
notify=$(binary notify)
for built in "$model" "$it" "$survival" "$kill" "$notify"; do
  [ -x "$built" ] || { echo "a test binary was not built"; exit 1; }
done

export QUOTAD_MODEL_OPERATIONS=40000 QUOTAD_MODEL_SEED=1 QUOTAD_SCHEDULES=500 QUOTAD_KILLS=12
objects 2 model "$model" the_engine \
  skip-user-cap keep-rest fire-twice no-expiry skip-fact forget-id no-pay-down torn-copy lose-row
objects 2 linearizability "$it" linearize \
  skip-user-cap no-expiry forget-id split-charge stale-edit
objects 2 audit "$it" the_audit_finds_nothing drift
objects 2 power-loss "$survival" a_crash_at_every_step no-fsync acknowledge-early skip-replay no-checksum
objects 2 corruption "$survival" a_damaged_byte no-checksum
objects 2 io-errors "$survival" nobody_is_told no-fsync acknowledge-early
# The faults of the disk itself (no-fsync, no-checksum, acknowledge-early) need a loss of power or damage to show: kill -9
# leaves the kernel, and what was stored, alone. A threshold that fires twice (fire-twice) is one event: the log of events
# recognizes it, so that nobody is told twice; the model finds it.
objects 1 kill "$kill" "" \
  skip-replay skip-fact forget-id no-expiry
objects 1 notify-crash "$notify" after_a_crash tell-early forget-events
objects 1 notify-deliver "$notify" a_receiver_that_goes cursor-first
# Last, because it builds the command for schedules that are explored, and the one above runs it for real.
# Without a fault it explores as many schedules as the suite does by itself: this is where CI runs it.
interleavings=$(binary interleavings shuttle)
[ -x "$interleavings" ] || { echo "a test binary was not built"; exit 1; }
QUOTAD_SCHEDULES=2000 objects 1 interleavings "$interleavings" "" none
objects 2 interleavings "$interleavings" "" \
  skip-user-cap no-expiry forget-id no-pay-down split-charge torn-copy

echo "sabotage: $missed faults missed"
[ "$missed" -eq 0 ]
