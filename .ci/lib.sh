# shellcheck shell=bash
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
#
# Steps, their logs and their sum. Sourced by .ci/run and .ci/long, which set `root`.

# shellcheck disable=SC2034,SC2154  # what is set here is used there, and the other way round

export DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
export ASAN_OPTIONS=allocator_may_return_null=1:halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
unset CXX CXXFLAGS CPPFLAGS LDFLAGS MAKEFLAGS NINJA_STATUS
exec </dev/null

work=$(mktemp -d)
table=()
total_passed=0
total_failed=0
started=$SECONDS

# Goes to a clean copy of the tree, so that what a developer has built, or forgot to add to a list, changes nothing.
enter_copy() {
  tree=$work/tree
  mkdir "$tree" && tar -C "$root" --exclude='./build*' --exclude=./.git --exclude=__pycache__ -cf - . | tar -C "$tree" -xf - &&
    cd "$tree" || exit 1
}

# Installs those of the packages that are not there.
install_packages() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  if ((${#missing[@]} > 0)); then
    apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"
  fi
}

# note NAME SECONDS PASSED FAILED: adds a line to the table.
note() {
  table+=("$(printf '%-36s %5d s %6d passed %4d failed' "$@")")
  total_passed=$((total_passed + $3))
  total_failed=$((total_failed + $4))
  printf '%s\n' "${table[-1]}"
}

# run_step COUNTING NAME COMMAND...: runs the command with its output in a log. `one` counts the step as one test by its
# exit status. `sum` adds up what the last line of its output says, `N passed, N failed`, and trusts nothing else: without
# such a line, or with a bad exit status and no failure in it, the step has failed.
run_step() {
  local counting=$1 name=$2 begun=$SECONDS passed=0 failed=0 status=0
  shift 2
  local log=$work/${name//[^a-zA-Z0-9]/_}.log
  ( "$@" ) >"$log" 2>&1 || status=$?
  if [[ $counting == sum ]]; then
    if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
      passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
    else
      failed=1
    fi
    if ((failed == 0 && (status != 0 || passed == 0))); then failed=1; fi
  elif ((status == 0)); then
    passed=1
  else
    failed=1
  fi
  note "$name" $((SECONDS - begun)) "$passed" "$failed"
  if ((failed > 0)); then
    printf -- '--- the end of the log of "%s" (exit status %d)\n' "$name" "$status"
    tail -n 80 "$log"
    printf -- '---\n'
  fi
}
step() { run_step one "$@"; }
suite() { run_step sum "$@"; }

# configure BUILD COMPILER OPTION...
configure() {
  local build=$1 compiler=$2
  shift 2
  CXX=$compiler meson setup "$build" "$tree" -Dwerror=true -Dexamples=enabled -Dtests=enabled "$@"
}

# TSan of clang 14 refuses some kernels' address layouts, so the layout is fixed where that is allowed: words that go before
# the program.
fixed_layout=()
if setarch -R true 2>/dev/null; then fixed_layout=(setarch -R); fi

# configure_sanitized BUILD SANITIZERS: not optimized, with lines in the reports; the rest of what a debugger reads costs a
# fifth of the compilation.
configure_sanitized() {
  configure "$1" clang++-14 --buildtype=debug -Ddebug=false -Dcpp_args=-gline-tables-only -Db_sanitize="$2" \
    -Db_lundef=false -Dbenchmarks=disabled
}

# test_build BUILD SUITE_OPTION...: runs the tests of a build and prints their sum as the last line.
test_build() {
  local build=$1 status=0
  shift
  rm -f "$build"/meson-logs/testlog*.json
  meson test -C "$build" --num-processes 2 --print-errorlogs "$@" || status=$?
  python3 "$tree/tests/tools/sum_tests.py" "$build" "$@" || status=1
  return "$status"
}

# readme_block N: the Nth block of the README that is fenced as ```sh.
readme_block() {
  awk -v wanted="$1" '
    /^```/ { inside = !inside; if (inside) { current = ($0 == "```sh") ? ++n : 0 } else { current = 0 } ; next }
    inside && current == wanted { print }
  ' README.md
}

# readme_command N: runs it as it stands there, in the current directory.
readme_command() {
  local block=$work/readme_$1.sh
  readme_block "$1" >"$block"
  [[ -s $block ]] || { echo "README.md has no block $1 of sh"; return 1; }
  CI=true timeout --kill-after=10 900 bash -eo pipefail "$block"
}

# Prints the table and the sum; the exit status is 0 only when nothing failed and something passed.
finish() {
  printf '\n'
  printf '%s\n' "${table[@]}"
  printf '%-36s %5d s\n' 'all of it' $((SECONDS - started))
  cd / || exit 1
  if ((total_failed == 0)); then rm -rf "$work"; else printf 'The logs are in %s\n' "$work"; fi
  printf '%d passed, %d failed\n' "$total_passed" "$total_failed"
  ((total_failed == 0 && total_passed > 0))
  exit
}
