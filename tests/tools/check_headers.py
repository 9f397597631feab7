#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Compiles the public headers without exceptions and RTTI.

Usage: check_headers.py ROOT COMPILER [COMPILER...]

The first compiler sees each header alone, those of the core for a freestanding target without assertions, and the core
hosted in one piece. Each other compiler sees all of them in one piece, and the core in one piece for a freestanding target.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check_layers import CORE, headers, layer_of
from checking import report

FLAGS = "-std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-exceptions -fno-rtti".split()


def complaint_about(compiler: str, include: Path, names: list[str], flags: list[str]) -> str | None:
    """Returns the compiler's complaint about a file of these headers, if it has one."""
    run = subprocess.run(
        [compiler, *FLAGS, *flags, f"-I{include}", "-x", "c++", "-"],
        input="".join(f"#include <{name}>\n" for name in names * 2),
        capture_output=True,
        text=True,
    )
    return None if run.returncode == 0 else f"{compiler} {' '.join(flags)} {' '.join(names)}:\n{run.stderr or run.returncode}"


def main() -> int:
    root = Path(sys.argv[1])
    include = root / "include"
    names = [path.relative_to(include).as_posix() for path in headers(root)]
    core = [name for name in names if layer_of(name) in CORE]
    freestanding = ["-ffreestanding", "-DNDEBUG"]
    first, *others = sys.argv[2:]
    jobs = [(first, include, core, [])]
    jobs += [(compiler, include, *seen) for compiler in others for seen in ((names, []), (core, freestanding))]
    jobs += [(first, include, [name], freestanding if name in core else []) for name in names]
    with ThreadPoolExecutor(2) as pool:
        complaints = [c for c in pool.map(lambda job: complaint_about(*job), jobs) if c is not None]
    print(*complaints, sep="\n")
    return report(len(jobs) - len(complaints), len(complaints))


if __name__ == "__main__":
    sys.exit(main())
