#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Makes single headers: each holds all of the library's headers that it needs, for who wants to copy one file.

Usage: single_header.py OUT/ | --self-test

    svm.hpp        every algorithm, and the models and parts that a port starts from
    gpuvm.hpp      the GPU VA manager alone
    svm_mock.hpp   the simulated machine, and what it stands on

They may be included together, in any order, but not beside the headers that they were made from. A part is guarded by its
own macro, so that it comes once however many of them have it. What other headers a part needs stands at the top.
"""

import re
import sys
from pathlib import Path

from checking import self_test, without_comments

FACES = {
    "svm.hpp": ["svm/svm.hpp", "svm/index.hpp", "svm/placement.hpp", "svm/port.hpp", "svm/std.hpp"],
    "gpuvm.hpp": [
        "svm/gpuvm.hpp",
        "svm/std/heap.hpp",
        "svm/std/null_lock.hpp",
        "svm/std/std_lock.hpp",
        "svm/std/std_reservation.hpp",
        "svm/version.hpp",
    ],
    "svm_mock.hpp": ["svm/mock/full.hpp", "svm/version.hpp"],
}
DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*?)\s*$")


class Misplaced(Exception):
    pass


class SingleHeader:
    def __init__(self, include: Path):
        self.include = include
        self.seen: set[str] = set()
        self.others: set[str] = set()
        self.lines: list[str] = []

    def add(self, name: str) -> None:
        if name in self.seen:
            return
        self.seen.add(name)
        guard = "SVM_SINGLE_" + re.sub(r"\W", "_", name.removeprefix("svm/").removesuffix(".hpp")).upper()
        self.lines += ["", f"// {name}", f"#ifndef {guard}", f"#define {guard}"]
        text = (self.include / name).read_text(encoding="utf-8")
        depth = 0
        for number, (line, code) in enumerate(zip(text.splitlines(), without_comments(text).splitlines()), 1):
            directive = DIRECTIVE.fullmatch(code)
            word, rest = directive.groups() if directive else ("", "")
            depth += (word in ("if", "ifdef", "ifndef")) - (word == "endif")
            if word == "include" and depth == 0:
                self._include(rest)
            elif word == "include" and rest.startswith("<svm/"):
                raise Misplaced(f"{name}:{number}: an own header under a condition")
            elif not (word == "pragma" and rest == "once") and not re.match(r"// SPDX-", line):
                self.lines.append(line)
        self.lines.append("#endif")

    def _include(self, target: str) -> None:
        if target.startswith("<svm/"):
            self.add(target.strip("<>"))
        else:
            self.others.add(f"#include {target}")

    def text(self, head: str) -> str:
        body = re.sub(r"\n{3,}", "\n\n", "\n".join(self.lines))
        return "\n".join([head, "#pragma once", "", *sorted(self.others), body, ""])


def single_header(include: Path, faces: list[str], head: str) -> str:
    made = SingleHeader(include)
    for face in faces:
        made.add(face)
    return made.text(head)


def check(root: Path) -> list[str]:
    """What stands in the single header of a planted a.hpp, its own lines only."""
    try:
        made = single_header(root, ["svm/a.hpp"], "")
    except Misplaced as why:
        return [str(why)]
    return [line for line in made.splitlines() if line and not re.match(r"#pragma once|// svm/|#(ifndef|define) SVM_SINGLE|#endif", line)]


def _plants():
    once = "// SPDX-\n#pragma once\n"
    a, b = "svm/a.hpp", "svm/b.hpp"
    to_a, to_b = "#include <svm/a.hpp>\n", "#include <svm/b.hpp>\n"
    comment = "/*\n#include <svm/b.hpp>\n*/\n"
    return [
        ("a header is put in once", {a: once + to_b + to_b + "int a;\n", b: once + "int b;\n"}, ["int b;", "int a;"]),
        ("two that include each other", {a: once + to_b + "int a;\n", b: once + to_a + "int b;\n"}, ["int b;", "int a;"]),
        ("other headers come once", {a: once + "#include <c>\n" + to_b, b: once + "#include <c>\n"}, ["#include <c>"]),
        ("an include under a condition stays", {a: once + "#if A\n#include <c>\n# endif\n"}, ["#if A", "#include <c>", "# endif"]),
        ("an own header under a condition", {a: once + "#if A\n" + to_b + "#endif\n", b: once}, [f"{a}:4: an own header under a condition"]),
        ("an include in a comment", {a: once + comment}, comment.split("\n")[:3]),
    ]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, _plants())
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: single_header.py OUT/ | --self-test", file=sys.stderr)
        return 2
    root = Path(__file__).resolve().parents[2]
    version = re.search(r'version_string\[\] = "(.*?)"', (root / "include/svm/version.hpp").read_text(encoding="utf-8"))[1]
    licence = (root / "LICENSE").read_text(encoding="utf-8").strip()
    head = f"svm {version} in one file, made by tests/tools/single_header.py. SPDX-License-Identifier: MIT\n\n{licence}"
    head = "\n".join(f"// {line}".rstrip() for line in head.splitlines())
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, faces in FACES.items():
        (out / name).write_text(single_header(root / "include", faces, head), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
