#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Holds how short an example is, and a header: a reader who wants one thing reads no more than this.

A line of code is neither blank nor comment alone, after clang-format. Usage: check_lines.py ROOT | --self-test
"""

import sys
from pathlib import Path

from checking import report, self_test, without_comments

MOST = {
    "examples/gpuvm_alone.cpp": 60,
    "examples/index_alone.cpp": 25,
    "examples/integrated_gpu.cpp": 110,
    "examples/minimal_backend.hpp": 250,
}
HEADER = 400  # lines, of whatever
WIDTH = 120  # as .clang-format has it, so that no line holds two


def lines_of_code(text: str) -> list[str]:
    return [line for line in without_comments(text).splitlines() if line.strip()]


def check(root: Path) -> list[str]:
    found = []
    for name, most in MOST.items():
        if not (root / name).exists():
            found.append(f"{name} is not there")
            continue
        lines = lines_of_code((root / name).read_text(encoding="utf-8"))
        if len(lines) > most:
            found.append(f"{name} has {len(lines)} lines of code, at most {most} are wanted")
        if any(len(line) > WIDTH for line in lines):
            found.append(f"{name} has a line of more than {WIDTH} characters")
    for header in sorted((root / "include").rglob("*.hpp")):
        length = header.read_text(encoding="utf-8").count("\n")
        if length > HEADER:
            found.append(f"{header.relative_to(root).as_posix()} has {length} lines, at most {HEADER} are wanted")
    return found


def _plants():
    def tree(**changed: str) -> dict[str, str]:
        return {name: changed.get(Path(name).stem, "int main() {}\n") for name in MOST}

    full = "int a;\n" * MOST["examples/index_alone.cpp"]
    return [
        ("short ones", tree(), []),
        ("as long as may be", tree(index_alone=full), []),
        ("blank lines and comments do not count", tree(index_alone=full + "\n  \n// a\n/* b\n c */\n"), []),
        ("a comment behind code does", tree(index_alone=full + "int b;  // c\n"), ["index_alone.cpp has 26 lines"]),
        ("a wide line", tree(gpuvm_alone="int a; " * 20), ["more than 120"]),
        ("a file that is gone", {name: text for name, text in tree().items() if "index_alone" not in name},
         ["index_alone.cpp is not there"]),
        ("a header as long as may be", tree() | {"include/a.hpp": "\n" * HEADER}, []),
        ("a header that is longer", tree() | {"include/a/b.hpp": "\n" * (HEADER + 1)}, ["include/a/b.hpp has 401 lines"]),
    ]  # fmt: skip


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, _plants())
    found = check(Path(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    return report(len(MOST) - min(len(found), len(MOST)), len(found))


if __name__ == "__main__":
    sys.exit(main())
