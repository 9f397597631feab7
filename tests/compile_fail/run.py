#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Compiles files that must not compile.

Each file is named after the mistake it makes and holds `// expect-error: <regex>`, which the compiler's output must
match. With FIXED defined it must compile: then the mistake alone is what the compiler refused.

Usage: run.py INCLUDE_DIR FOLDER COMPILER [ARGUMENT...]
"""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EXPECTATION = re.compile(r"^// expect-error: (.+)$", re.MULTILINE)


def complaint(path: Path, command: list[str]) -> str | None:
    expectations = EXPECTATION.findall(path.read_text(encoding="utf-8"))
    if len(expectations) != 1:
        return f"{path.name}: expected one line `// expect-error: <regex>`, found {len(expectations)}"
    fixed = subprocess.run([*command, "-DFIXED", str(path)], capture_output=True, text=True)
    if fixed.returncode != 0:
        return f"{path.name}: does not compile with FIXED defined:\n{fixed.stderr}"
    broken = subprocess.run([*command, str(path)], capture_output=True, text=True)
    if broken.returncode == 0:
        return f"{path.name}: compiles"
    if not re.search(expectations[0], broken.stderr):
        return f"{path.name}: no error matches {expectations[0]!r}:\n{broken.stderr}"
    return None


def main() -> int:
    include, folder, *compiler = sys.argv[1:]
    command = [*compiler, f"-I{include}", "-std=c++20", "-fsyntax-only", "-fdiagnostics-color=never", "-DSVM_ASSERTIONS=1", "-Werror=unused-result"]
    files = sorted(Path(folder).glob("*.cpp"))
    with ThreadPoolExecutor(2) as pool:
        complaints = [c for c in pool.map(lambda path: complaint(path, command), files) if c is not None]
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"{len(files) - len(complaints)} passed, {len(complaints)} failed")
    return 1 if complaints or not files else 0


if __name__ == "__main__":
    sys.exit(main())
