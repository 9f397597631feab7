#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that the build's lists are the files on disk, and that every file says whose it is: in its first lines, or by a
pattern of .reuse/dep5.

Usage: check_files.py ROOT HEADER... -- SOURCE...

HEADER is written as in `#include <HEADER>`; the sources are those of the tests and examples.
"""

import fnmatch
import re
import sys
from pathlib import Path

from checking import report

SPDX = ("SPDX-FileCopyrightText:", "SPDX-License-" "Identifier: MIT")
FOLDERS = ("include", "examples", "tests", "benchmarks", ".ci", ".github")


def described(root: Path) -> re.Pattern:
    """What the patterns of .reuse/dep5 match; `*` matches `/` too."""
    fields = re.findall(r"^Files:((?:.*\n)(?:[ \t].*\n)*)", (root / ".reuse/dep5").read_text(encoding="utf-8"), re.MULTILINE)
    return re.compile("|".join(fnmatch.translate(pattern) for field in fields for pattern in field.split()))


def main() -> int:
    split = sys.argv.index("--")
    root = Path(sys.argv[1]).resolve()
    lists = {
        "include/meson.build": (
            {root / "include" / header for header in sys.argv[2:split]},
            set((root / "include").rglob("*.hpp")),
        ),
        "the meson.build of tests or examples": (
            {Path(source).resolve() for source in sys.argv[split + 1 :]},
            set((root / "tests").rglob("*_test.cpp")) | set((root / "examples").glob("*.cpp")),
        ),
    }
    passed, found = 0, []
    for where, (listed, on_disk) in lists.items():
        passed += len(on_disk & listed)
        found += [f"{path.relative_to(root)}: missing in {where}" for path in sorted(on_disk - listed)]
        found += [f"{path}: in {where}, but there is no such file" for path in sorted(listed) if not path.exists()]

    elsewhere = described(root)
    files = [path for path in root.glob("*") if path.name not in ("LICENSE", ".git", "compile_commands.json")]
    files += [path for folder in FOLDERS for path in (root / folder).rglob("*") if "__pycache__" not in path.parts]
    for path in sorted(path for path in files if path.is_file()):
        name = path.relative_to(root).as_posix()
        if elsewhere.fullmatch(name):
            continue
        head = path.read_text(encoding="utf-8")[:400]
        if all(word in head for word in SPDX) and (path.suffix != ".hpp" or "\n#pragma once\n" in head):
            passed += 1
        else:
            found.append(f"{name}: lacks its SPDX lines or #pragma once in the first 400 characters")

    if (root / "LICENSES/MIT.txt").read_text(encoding="utf-8") == (root / "LICENSE").read_text(encoding="utf-8"):
        passed += 1
    else:
        found.append("LICENSES/MIT.txt is not LICENSE")

    print(*found, sep="\n", end="\n" if found else "")
    return report(passed, len(found))


if __name__ == "__main__":
    sys.exit(main())
