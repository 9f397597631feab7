#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Compiles each public header alone, without exceptions and RTTI; those of the core also for a freestanding target.

Usage: check_headers.py ROOT COMPILER...
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check_layers import CORE, headers, layer_of
from checking import report

FLAGS = "-std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-exceptions -fno-rtti".split()


def compile_alone(compiler: str, include: Path, header: str, flags: list[str]) -> str | None:
    """Returns the compiler's complaint, if it has one."""
    run = subprocess.run(
        [compiler, *FLAGS, *flags, f"-I{include}", "-x", "c++", "-"],
        input=f"#include <{header}>\n#include <{header}>\n",
        capture_output=True,
        text=True,
    )
    return None if run.returncode == 0 else f"{compiler} {' '.join(flags)} <{header}>:\n{run.stderr or run.returncode}"


def main() -> int:
    root = Path(sys.argv[1])
    include = root / "include"
    jobs = []
    for compiler in sys.argv[2:]:
        for path in headers(root):
            header = path.relative_to(include).as_posix()
            jobs.append((compiler, include, header, []))
            if layer_of(header) in CORE:
                jobs.append((compiler, include, header, ["-ffreestanding", "-DNDEBUG"]))
    with ThreadPoolExecutor(2) as pool:
        complaints = [c for c in pool.map(lambda job: compile_alone(*job), jobs) if c is not None]
    print(*complaints, sep="\n")
    return report(len(jobs) - len(complaints), len(complaints))


if __name__ == "__main__":
    sys.exit(main())
