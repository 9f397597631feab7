#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
#
# Plants steps of every kind into the gate and looks at how it counts them. Usage: test_gate.sh ROOT

# shellcheck disable=SC2016  # the steps expand in the shell that runs them

set -uo pipefail
root=$1
passed=0
failed=0

# gate NAME 'TOTAL' STATUS < script: the script's steps must end in that line and exit status.
gate() {
  local name=$1 line=$2 wanted=$3 status=0 output
  output=$(bash -c 'set -uo pipefail; root=$1; . "$root/.ci/lib.sh"; eval "$2"; finish' gate "$root" "$4" 2>&1) || status=$?
  if [[ $(tail -n 1 <<<"$output") == "$line" && $status == "$wanted" ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s: wanted "%s" and status %d, got status %d and\n%s\n' "$name" "$line" "$wanted" "$status" "$output"
  fi
  rm -rf "$(sed -n 's/^The logs are in //p' <<<"$output")"
}

gate 'two good steps' '2 passed, 0 failed' 0 'step a true; step b true'
gate 'a bad step, then a good one' '1 passed, 1 failed' 1 'step a false; step b true'
gate 'no steps' '0 passed, 0 failed' 1 ':'
gate 'a suite and a step' '8 passed, 0 failed' 0 'suite a echo "7 passed, 0 failed"; step b true'
gate 'a suite with failures' '5 passed, 2 failed' 1 'suite a echo "5 passed, 2 failed"'
gate 'a suite that says nothing' '0 passed, 1 failed' 1 'suite a true'
gate 'a suite that crashes after its sum' '5 passed, 1 failed' 1 \
  'crash() { echo "5 passed, 0 failed"; kill -SEGV $BASHPID; }; suite a crash'
gate 'a suite whose sum is not the last line' '0 passed, 1 failed' 1 'late() { echo "5 passed, 0 failed"; echo more; }; suite a late'
gate 'a suite without tests' '0 passed, 1 failed' 1 'suite a echo "0 passed, 0 failed"'
gate 'a step that exits' '1 passed, 1 failed' 1 'leave() { exit 3; }; step a leave; step b true'
gate 'a step that is not there' '0 passed, 1 failed' 1 'step a no-such-command'
gate 'a step that reads' '1 passed, 0 failed' 0 'reads() { ! read -r line; }; step a reads'

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
