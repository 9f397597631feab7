#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Runs examples/first_look.sh with stand-ins for apt and meson: it says what it does, and their words only where one fails.

Usage: test_first_look.py ROOT SVMSH
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checking import report

NOISE = "Selecting previously unselected package"
STUBS = {
    "dpkg-query": "exit 1",
    "apt-get": f'echo "{NOISE}"; [ "$FAILS" != apt-get ]',
    "meson": """case $1 in
  setup) echo "The Meson build system"; mkdir -p "$2" && : >"$2/build.ninja"; [ "$FAILS" != setup ] ;;
  compile) echo "[1/2] Compiling C++ object"; echo "a.cpp:1: $SAYS"; [ "$FAILS" != compile ] || exit 1
    mkdir -p build/examples/svmsh && cp "$SVMSH" build/examples/svmsh/svmsh ;;
esac""",
}


def look(root: Path, svmsh: Path, fails: str = "", says: str = "fine") -> tuple[int, str, bytes]:
    """The exit status, what it says, and the picture."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "examples").symlink_to(root / "examples")
        (work / "bin").mkdir()
        for name, text in STUBS.items():
            (work / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (work / "bin" / name).chmod(0o755)
        variables = os.environ | {"PATH": f"{work / 'bin'}:{os.environ['PATH']}", "FAILS": fails, "SAYS": says, "SVMSH": str(svmsh)}
        done = subprocess.run(["sh", "examples/first_look.sh"], cwd=work, env=variables, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        picture = work / "build/map.svg"
        return done.returncode, done.stdout + done.stderr, picture.read_bytes() if picture.exists() else b""


def main() -> int:
    root, svmsh = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    checks = {}
    status, said, picture = look(root, svmsh)
    steps = [said.find(f"{n} of 4: ") for n in range(1, 5)]
    checks["four steps, in their order"] = status == 0 and -1 not in steps and steps == sorted(steps)
    checks["no noise"] = NOISE not in said and "Meson build system" not in said and "Compiling" not in said
    checks["a table and a picture"] = "gpu_faults" in said and "The picture is build/map.svg" in said
    checks["the picture of the README"] = picture != b"" and picture == (root / "examples/traces/sqlite.svg").read_bytes()
    for step, words in {"apt-get": NOISE, "setup": "Meson build system", "compile": "[1/2] Compiling"}.items():
        status, said, _ = look(root, svmsh, fails=step)
        checks[f"{step} that fails is told, with its words"] = status == 1 and words in said and "This failed: " in said
    status, said, _ = look(root, svmsh, says="warning: unused")
    checks["warnings are told"] = status == 0 and "a.cpp:1: warning: unused" in said
    found = [f"FAILED: {what}" for what, good in checks.items() if not good]
    print(*found, sep="\n", end="\n" if found else "")
    return report(len(checks) - len(found), len(found))


if __name__ == "__main__":
    sys.exit(main())
