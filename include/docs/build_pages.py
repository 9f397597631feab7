#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Builds the pages: the reference out of the headers, and the texts of the folders. A warning of Doxygen is an error.

Usage: build_pages.py DOXYGEN ROOT VERSION OUT
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The texts, in the order in which the pages list them. Those of tests are for who works on the library.
FIRST = ["README.md", "examples/README.md", "examples/scenarios/README.md", "examples/svmsh/README.md", "examples/traces/README.md",
         "include/svm/README.md", "include/svm/glossary.md"]  # fmt: skip
LAST = ["include/packaging/README.md", "benchmarks/README.md", "tests/README.md", "tests/catalogue.md", "tests/tools/README.md",
        "include/docs/README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"]  # fmt: skip


def pages(root: Path) -> list[Path]:
    others = {p.relative_to(root).as_posix() for top in ("include", "examples", "tests", "benchmarks") for p in (root / top).rglob("*.md")}
    return [root / path for path in [*FIRST, *sorted(others - {*FIRST, *LAST}), *LAST]]


def main() -> int:
    doxygen, root, version, out = sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3], Path(sys.argv[4]).resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        log = Path(work) / "warnings"
        text = (root / "include/docs/Doxyfile.in").read_text(encoding="utf-8")
        values = {"ROOT": root, "OUT": out, "VERSION": version, "LOG": log, "PYTHON": sys.executable,
                  "PAGES": " ".join(map(str, pages(root)))}  # fmt: skip
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        status = subprocess.run([doxygen, "-"], input=text, text=True, check=False).returncode
        warnings = log.read_text(encoding="utf-8") if log.exists() else "Doxygen wrote no log\n"
    print(warnings, end="", file=sys.stderr)
    return 1 if status != 0 or warnings else 0


if __name__ == "__main__":
    sys.exit(main())
