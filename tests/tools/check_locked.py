#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that clang's thread-safety analysis knows what a function needs whose name ends in _locked.

Where such a function is declared it has SVM_REQUIRES or SVM_REQUIRES_SHARED. Where clang cannot follow, a comment of the
same header says "clang cannot follow" and why, and names the function in backticks. A function that is called assert_...
asserts a lock and requires none. mock/ and explore/ are left out.
Usage: check_locked.py ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from checking import comments_only, line_of, report, self_test, without_comments_and_strings

LEFT_OUT = {"mock", "explore"}
# A declaration: a type stands before the name, so that neither a call nor a member's definition elsewhere is meant.
DECLARATION = re.compile(r"(?P<before>[\w>*]|(?<!&)&)\s+(?:[&*]\s*)?(?P<name>\w+_locked)\s*(?=\()")
NO_TYPE = re.compile(r"\b(return|else|case|co_return|co_await)$")
REQUIRES = re.compile(r"\bSVM_REQUIRES(_SHARED)?\s*\(")
EXCUSE = "clang cannot follow"


def after_parameters(code: str, opening: int) -> int:
    depth = 0
    for i in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[i], 0)
        if depth == 0:
            return i + 1
    return len(code)


def excused(text: str) -> set[str]:
    """The functions that comments with the excuse name; a comment is a block of lines without code between."""
    blocks = re.split(r"\n\s*\n", re.sub(r"^[ \t]*//+<?", "", comments_only(text), flags=re.MULTILINE))
    names = [re.findall(r"`(\w+_locked)`", b) for b in blocks if EXCUSE in " ".join(b.split())]
    return {name for found in names for name in found}


def check_header(path: str, text: str) -> list[str]:
    code = without_comments_and_strings(text)
    excuses = excused(text)
    found = []
    declared = set()
    for m in DECLARATION.finditer(code):
        if NO_TYPE.search(code[: m.start("before") + 1]):
            continue
        name = m["name"]
        declared.add(name)
        rest = code[after_parameters(code, m.end()) :]
        requires = REQUIRES.search(re.split(r"[{;]", rest, maxsplit=1)[0])
        where = f"{path}:{line_of(code, m.start('name'))}"
        if requires is None and name not in excuses and not name.startswith("assert_"):
            found.append(f"{where}: {name} has no SVM_REQUIRES, and no comment says why clang cannot follow")
        elif requires is not None and name in excuses:
            found.append(f"{where}: {name} has both SVM_REQUIRES and a comment that clang cannot follow")
    found += [f"{path}: a comment excuses {name}, which is not declared here" for name in sorted(excuses - declared)]
    return found


def check(root: Path) -> list[str]:
    include = root / "include/svm"
    return [
        finding
        for header in sorted(include.rglob("*.hpp"))
        if header.relative_to(include).parts[0] not in LEFT_OUT
        for finding in check_header(header.relative_to(root).as_posix(), header.read_text(encoding="utf-8"))
    ]


def _plant(text: str, path: str = "gpusvm/a.hpp") -> dict[str, str]:
    return {f"include/svm/{path}": text}


PLANTS = [
    ("an annotated function", _plant("void drop_locked(int a) SVM_REQUIRES(lock_);\n"), []),
    ("an annotated body", _plant("[[nodiscard]] T& get_locked(f(int) x)\n    SVM_REQUIRES_SHARED(n.lock()) { return a; }\n"), []),
    ("a function without", _plant("\nvoid drop_locked(int a);\n"), ["a.hpp:2: drop_locked has no"]),
    ("a body without", _plant("int* find_locked() const { return a_; }\n"), ["find_locked has no"]),
    ("a reference returned", _plant("int& find_locked() { return a_; }\n"), ["find_locked has no"]),
    ("a pointer by the name", _plant("auto *find_locked();\n"), ["find_locked has no"]),
    ("the annotation of another function", _plant("void a_locked(); void b() SVM_REQUIRES(lock_);\n"), ["a_locked has no"]),
    ("an annotation in a comment", _plant("void a_locked();  // SVM_REQUIRES(lock_)\n"), ["a_locked has no"]),
    ("calls", _plant("f() { a_locked(); return b_locked(x); if (y && c_locked()) d.e_locked(); else f_locked(); z = !g_locked(); }\n"), []),
    ("a definition elsewhere", _plant("void c<P>::drop_locked(int a) {}\n"), []),
    ("an excuse", _plant("/// Of `a_locked` clang cannot\n/// follow the lock.\nclass c {\n\n  void a_locked();\n};\n"), []),
    ("an excuse for another", _plant("/// Of `b_locked` clang cannot follow it.\nvoid a_locked();\nvoid b_locked();\n"), ["a_locked has no"]),
    ("a comment that is no excuse", _plant("/// \\pre as `a_locked`\nvoid a_locked();\n"), ["a_locked has no"]),
    ("an excuse in the next comment", _plant("/// `a_locked`\nint x;\n/// clang cannot follow\nvoid a_locked();\n"), ["a_locked has no"]),
    ("an excuse too many", _plant("/// Of `a_locked` clang cannot follow it.\nvoid a_locked() SVM_REQUIRES(lock_);\n"), ["has both"]),
    ("an excuse for nothing", _plant("/// Of `a_locked` clang cannot follow it.\nvoid b();\n"), ["not declared here"]),
    ("an assertion", _plant("void assert_locked() const {}\n"), []),
    ("the mock", _plant("void a_locked();\n", "mock/cpu/a.hpp"), []),
    ("a folder that is called like it", _plant("void a_locked();\n", "driver/mock/a.hpp"), ["a_locked has no"]),
]


def main() -> int:
    if sys.argv[1] == "--self-test":
        return self_test(check, PLANTS)
    root = Path(sys.argv[1])
    findings = check(root)
    for finding in findings:
        print(finding)
    return report(0 if findings else 1, len(findings))


if __name__ == "__main__":
    sys.exit(main())
