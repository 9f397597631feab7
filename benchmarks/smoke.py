#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Runs the small rows of a benchmark once: each checks its own work. Usage: smoke.py PROGRAM"""

import subprocess
import sys

from report import rows_in

LARGE = "-(live|ranges|mappings):[0-9]{6,}|n:[0-9]{5,}"


def main():
    command = [sys.argv[1], "--benchmark_min_time=0", f"--benchmark_filter={LARGE}", "--benchmark_format=json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    rows = rows_in(done.stdout) if done.returncode == 0 else []
    failed = [f"{name}: {figures}" for name, _, figures in rows if isinstance(figures, str)]
    # What is measured has a cost by both clocks; what is counted alone has neither.
    for name, backend, figures in rows:
        if not isinstance(figures, str) and not (backend and ("cpu_ns" in figures) == ("wall_ns" in figures) and figures):
            failed.append(f"{name}: no backend, or no figures")
    print(*failed, sep="\n", end="\n" if failed else "")
    if done.returncode != 0:
        failed.append("the program")
    print(f"{max(len(rows) - len(failed), 0)} passed, {len(failed)} failed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
