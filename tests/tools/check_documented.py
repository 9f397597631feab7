#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that every name outside of `detail` has a comment, and that Doxygen's words are written as they are meant.

A name at namespace scope has a `///` above one of its declarations, or a `///<` behind it. Above means: with nothing but
remarks for clang-format and lines of the preprocessor between. Of the headers in an `impl` folder nothing is asked.

Usage: check_documented.py ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from check_names import declarations
from checking import line_of, report, self_test

# What comments say with a backslash: the aliases of include/docs/Doxyfile.in, and what Doxygen has itself.
KNOWN = {"pre", "errors", "allocs", "complexity", "source", "param", "tparam", "return", "see", "invariant"}
_REMARK = re.compile(r"\s*// clang-format (on|off)$|#")
_WORD = re.compile(r"^[ \t]*///.*?(?<![`\w\"'])\\([a-z]+)\b", re.MULTILINE)


def is_documented(lines: list[str], line: int) -> bool:
    """Whether the declaration that begins on this line, counted from 1, has a comment of its own."""
    end = line - 1
    while end + 1 < len(lines) and not lines[end].rstrip().endswith((";", "{", "}")) and "///<" not in lines[end]:
        end += 1
    if "///<" in lines[end] or (end + 1 < len(lines) and lines[end + 1].lstrip().startswith("///<")):
        return True
    above = line - 2
    while above >= 0 and _REMARK.match(lines[above]):
        above -= 1
    return above >= 0 and lines[above].lstrip().startswith("///")


def check(root: Path) -> list[str]:
    found, documented, bare = [], set(), {}
    for header in sorted((root / "include/svm").rglob("*.hpp")):
        text = header.read_text(encoding="utf-8")
        where = header.relative_to(root).as_posix()
        for word in _WORD.finditer(text):
            if word[1] not in KNOWN:
                found.append(f"{where}:{line_of(text, word.start(1))}: \\{word[1]} is no word of ours")
        if "impl" in header.parts:
            continue
        for name, line, inside in declarations(text):
            if any("detail" in part.split() for part in inside):
                continue
            if text.splitlines()[line - 1].startswith("using namespace"):
                continue
            key = (" :: ".join(inside), name)
            if is_documented(text.splitlines(), line):
                documented.add(key)
            else:
                bare.setdefault(key, f"{where}:{line}: {name} has no comment")
    return found + [what for key, what in bare.items() if key not in documented]


def _plant(code: str) -> dict[str, str]:
    return {"include/svm/a.hpp": f"namespace svm::inline v0 {{\n{code}\n}}  // namespace svm::inline v0\n"}


PLANTS = [
    ("a comment", _plant("/// Shines.\nclass lamp {\n  int hidden;\n};"), []),
    ("none", _plant("class lamp {};"), ["a.hpp:2: lamp has no comment"]),
    ("a remark that is no documentation", _plant("// Shines.\nclass lamp {};"), ["lamp has no comment"]),
    ("a remark for the formatter between", _plant("/// Shines.\n// clang-format off\nclass lamp {};"), []),
    ("a condition between", _plant("/// Shines.\n#if LIT\nclass lamp {};\n#endif"), []),
    ("a blank line between", _plant("/// Shines.\n\nclass lamp {};"), ["lamp has no comment"]),
    ("behind it", _plant("inline constexpr int watts = 40;  ///< of power"), []),
    ("the neighbour's, behind it", _plant("inline constexpr int volts = 1;  ///< x\ninline constexpr int watts = 40;"), ["a.hpp:3: watts"]),
    ("one of two declarations", _plant("class lamp;\n/// Shines.\nclass lamp {};"), []),
    ("a helper", _plant("namespace detail {\nclass lamp {};\n}"), []),
    ("a template", _plant("/// Shines.\ntemplate <class T>\nvoid glow(T a) {}\ntemplate <class T>\nvoid shine(T a) {}"), ["a.hpp:5: shine"]),
    ("a name of a namespace inside", {"include/svm/a.hpp": "namespace svm::inline v0::mock {\nint volts = 1;\n}\n"}, ["volts has no comment"]),
    ("a word of ours", _plant("/// Shines.\n/// \\errors none\nclass lamp {};"), []),
    ("a word of nobody's", _plant("/// Shines.\n/// \\erros none\nclass lamp {};"), ["a.hpp:3: \\erros is no word"]),
    ("a backslash in code", _plant("/// Ends in `\\n`.\nclass lamp {};"), []),
]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, PLANTS)
    root = Path(sys.argv[1]).resolve()
    found = check(root)
    print(*found, sep="\n", end="\n" if found else "")
    return report(len(list((root / "include/svm").rglob("*.hpp"))), len(found))


if __name__ == "__main__":
    sys.exit(main())
