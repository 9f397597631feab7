#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Runs the commands of examples/README.md as they stand there, and holds them to what stands below them.

A block `sh` is run, one after the other, in a folder that looks like the project's with a build in it; what is to be
compiled by meson is compiled there already. A block `text` behind one is what it prints. A block `svm` is a scenario. Each
example says in its first lines what one learns.

Usage: check_tour.py ROOT BUILD COMPILER...
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from checking import report

BLOCK = re.compile(r"^```(sh|svm)\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
LEARNS = "What one learns here: "


def folder(work: Path, root: Path, build: Path, compiler: list[str]) -> None:
    """The project as one sees it, with stand-ins for what would build it again."""
    for path in root.iterdir():
        if not path.name.startswith((".", "build")):
            (work / path.name).symlink_to(path)
    (work / "build").mkdir()
    (work / "build/examples").symlink_to(build / "examples")
    (work / ".bin").mkdir()
    # The compiler may be looked for along the path again, by ccache: it must not find the stand-in.
    path = shlex.quote(os.environ["PATH"])
    for name, text in {"meson": "exit 0", "g++": f'PATH={path} exec {shlex.join(compiler)} "$@"'}.items():
        (work / ".bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (work / ".bin" / name).chmod(0o755)


def run(work: Path, kind: str, text: str) -> tuple[int, str]:
    command = ["bash", "-e", "-o", "pipefail", "-c", f'PATH=$PWD/.bin:$PATH; {text}']
    if kind == "svm":
        command = ["build/examples/svmsh/svmsh", "run"]
    done = subprocess.run(command, input=text if kind == "svm" else "", cwd=work, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr


def main() -> int:
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    tour = (root / "examples/README.md").read_text(encoding="utf-8")
    found, passed = [], 0
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        folder(work, root, build, sys.argv[3:])
        for block in BLOCK.finditer(tour):
            status, out = run(work, block[1], block[2])
            line = tour.count("\n", 0, block.start()) + 1
            if status != 0:
                found.append(f"examples/README.md:{line}: ends with {status}: {out[-800:]}")
            elif block[3] is not None and out != block[3]:
                found.append(f"examples/README.md:{line}: prints\n{out}and not\n{block[3]}")
            else:
                passed += 1
    for path in sorted([*(root / "examples").glob("*.cpp"), *(root / "examples").glob("*.hpp")]):
        head = "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:6])
        if f"// {LEARNS}" in head:
            passed += 1
        else:
            found.append(f'{path.relative_to(root)}: its first lines do not say "{LEARNS}..."')
        if f"`{path.name}`" not in tour:
            found.append(f"examples/README.md: does not name {path.name}")
    print(*found, sep="\n", end="\n" if found else "")
    return report(passed, len(found))


if __name__ == "__main__":
    sys.exit(main())
