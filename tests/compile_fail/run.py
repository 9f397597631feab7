#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Compiles files that must not compile.

Each file is named after the mistake it makes and holds `// expect-error: <regex>`, which the compiler's output must
match, or `// expect-first-error: <regex>`, which the first line with an error must match. With FIXED defined it must
compile: then the mistake alone is what the compiler refused. A file with `// each-with: NAME...` makes its mistake in
several ways: all of this holds with each of the names defined.

A file with `// only-clang` makes a mistake that clang's thread-safety analysis finds, and is compiled with that, whatever
COMPILER is; where there is no clang++-14 such files are skipped. With --only-clang no other files are compiled, and a
missing clang++-14 is a failure.

Usage: run.py INCLUDE_DIR FOLDER COMPILER [ARGUMENT...] | --only-clang INCLUDE_DIR FOLDER
"""

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EXPECTATION = re.compile(r"^// expect-(first-)?error: (.+)$", re.MULTILINE)
WAYS = re.compile(r"^// each-with: (.+)$", re.MULTILINE)
ONLY_CLANG = re.compile(r"^// only-clang$", re.MULTILINE)
CLANG = ["clang++-14", "-Wthread-safety", "-Werror"]
ERROR = re.compile(r"\berror: ")


def complaint_of(name: str, path: Path, command: list[str], first: bool, expected: str) -> str | None:
    fixed = subprocess.run([*command, "-DFIXED", str(path)], capture_output=True, text=True)
    if fixed.returncode != 0:
        return f"{name}: does not compile with FIXED defined:\n{fixed.stderr}"
    broken = subprocess.run([*command, str(path)], capture_output=True, text=True)
    if broken.returncode == 0:
        return f"{name}: compiles"
    said = next(filter(ERROR.search, broken.stderr.splitlines()), "") if first else broken.stderr
    if not re.search(expected, said):
        return f"{name}: no {'first ' if first else ''}error matches {expected!r}:\n{broken.stderr}"
    return None


def complaints(path: Path, command: list[str]) -> list[str]:
    text = path.read_text(encoding="utf-8")
    expectations = EXPECTATION.findall(text)
    if len(expectations) != 1:
        return [f"{path.name}: expected one line `// expect-error: <regex>`, found {len(expectations)}"]
    [(first, expected)] = expectations
    ways = [(f"{path.name} with {way}", [f"-D{way}"]) for line in WAYS.findall(text) for way in line.split()]
    found = [complaint_of(name, path, command + more, bool(first), expected) for name, more in ways or [(path.name, [])]]
    return [c for c in found if c is not None]


def main() -> int:
    arguments = sys.argv[1:]
    only_clang = arguments[:1] == ["--only-clang"]
    include, folder, *compiler = arguments[only_clang:]
    options = [f"-I{include}", "-std=c++20", "-fsyntax-only", "-fdiagnostics-color=never", "-DSVM_ASSERTIONS=1", "-Werror=unused-result"]
    files = sorted(Path(folder).glob("*.cpp"))
    for_clang = {path for path in files if ONLY_CLANG.search(path.read_text(encoding="utf-8"))}
    if only_clang:
        files = [path for path in files if path in for_clang]
    elif shutil.which(CLANG[0]) is None:
        print(f"skipped, since there is no {CLANG[0]}: {len(for_clang)} files")
        files = [path for path in files if path not in for_clang]

    def complaints_about(path: Path) -> list[str]:
        return complaints(path, [*(CLANG if path in for_clang else compiler), *options])

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(complaints_about, files))
    for complaint in sum(found, []):
        print(complaint)
    failed = sum(1 for of_file in found if of_file)
    print(f"{len(files) - failed} passed, {failed} failed")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())
