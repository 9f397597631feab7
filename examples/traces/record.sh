#!/bin/bash
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
#
# Records sqlite.lackey.xz next to this script. Needs Debian 12 (amd64) and root, for apt-get.
# The input is made inside sqlite.c by a generator with a fixed seed; there is no input file.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

rows=28
body_bytes=6000

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$here/sqlite.lackey.xz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

apt-get update -q >/dev/null
apt-get install -q -y --no-install-recommends valgrind gcc libc6-dev libsqlite3-dev xz-utils >/dev/null

# The linker warns about dlopen in a static program; nothing here loads an extension.
gcc -O2 -static "$here/sqlite.c" -o "$work/sqlite" -lsqlite3 -lm

# A fixed name and an empty environment: both lie on the stack, and move it.
cd "$work"
env -i PATH=/usr/bin:/bin LC_ALL=C \
    valgrind --tool=lackey --trace-mem=yes --log-file=raw ./sqlite "$rows" "$body_bytes" >result

# Keep the data accesses; drop the instruction lines and valgrind's ==PID== lines.
grep -E '^ [LSM] [0-9a-f]+,[0-9]+$' raw >trace
xz -9e -T1 -c trace >trace.xz
mv trace.xz "$out"

awk '{ n[$1]++; sub(/,.*/, "", $2); page[substr($2, 1, length($2) - 3)] = 1 }
     END { for (p in page) pages++
           printf "lines %d\nloads %d\nstores %d\nmodifies %d\npages %d\n", NR, n["L"], n["S"], n["M"], pages }' trace
echo "bytes $(wc -c <"$out")"
echo "sha256 of the text $(sha256sum <trace | cut -d' ' -f1)"
