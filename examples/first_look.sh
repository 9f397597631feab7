#!/bin/sh
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
#
# What one learns here: where the memory of a real program is while a CPU and a GPU take turns on it.
#
# Builds the shell, replays the trace of SQLite, and draws a picture. Says what it does; what apt, meson and the compiler
# say comes out only where something fails, and warnings. To be run in the folder of the project, on Debian 12.
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# quiet WHAT COMMAND...: says what it does, and runs the command with its output in the log, which a failure shows.
quiet() {
  printf '%s ...\n' "$1"
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log"
    printf 'This failed: %s\n' "$*" >&2
    exit 1
  fi
  grep 'warning:' "$log" || true
}

# Compiles, and counts on a terminal what is done.
compile() {
  meson compile -C build svmsh &
  compiler=$!
  while [ -t 3 ] && kill -0 "$compiler" 2>/dev/null; do
    sleep 1
    printf '\r  %s ' "$(grep -o '^\[[0-9]*/[0-9]*\]' "$log" | tail -n 1)" >&3
  done
  [ -t 3 ] && printf '\r\033[K' >&3
  wait "$compiler"
}

install_packages() {
  apt-get update && apt-get install -y --no-install-recommends "$@"
}

packages='g++ meson ninja-build python3 pkg-config doctest-dev xz-utils'
missing=''
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
exec 3>&1
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || quiet "1 of 4: apt installs$missing (a minute or two)" install_packages $missing
[ -f build/build.ninja ] || quiet '2 of 4: meson looks at the system (5 seconds)' meson setup build --buildtype=release
quiet '3 of 4: compiling svmsh, the shell (90 seconds of one core; once)' compile
echo '4 of 4: every load and store of SQLite, on a CPU and a GPU that take turns (a second); each load is checked'
xz -dc examples/traces/sqlite.lackey.xz |
  build/examples/svmsh/svmsh replay - chunks=64K,4K notifier=2M vram=1M turns=20000 --map build/map.svg --title SQLite
echo 'The picture is build/map.svg: open it in a browser. On with: build/examples/svmsh/svmsh scenarios'
