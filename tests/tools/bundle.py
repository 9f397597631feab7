#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Puts many test files into few, so that the headers that all of them include are compiled a few times, not a hundred.

Usage: bundle.py OUTPUT... -- INPUT...
       bundle.py --self-test

An output has the includes of all its inputs first, each once, and then each input in a namespace of its own, with the
lines and the name that it has on disk for the compiler's messages. README.md beside this says which files may be inputs.
"""

import re
import sys
from pathlib import Path

from checking import self_test, without_comments

INCLUDE = re.compile(r'#include (?:<([^>]+)>|"([^"]+)")')


def resolved(include: re.Match, source: Path) -> str:
    """An include directive that means the same from another folder."""
    beside = include[2] and source.parent / include[2]
    return f'#include "{beside.resolve()}"' if beside and beside.exists() else include[0]


def misplaced(source: Path) -> list[str]:
    """The includes that would mean something else before all the rest: what stands before them no longer does."""
    found, code_began = [], False
    for number, line in enumerate(without_comments(source.read_text()).splitlines(), 1):
        if not re.match(r"\s*#\s*include\b", line):
            code_began = code_began or bool(line.strip())
        elif code_began or not INCLUDE.match(line):
            found.append(f"{source}:{number}: an include of a bundled file stands before all but comments, and is not indented")
    return found


def shares(sources: list[Path], count: int) -> list[list[Path]]:
    """Neighbours stay together, and no share is much larger than another."""
    total = sum(source.stat().st_size for source in sources)
    result, before = [[] for _ in range(count)], 0
    for source in sources:
        result[min(before * count // max(total, 1), count - 1)].append(source)
        before += source.stat().st_size
    return result


def bundle(sources: list[Path]) -> str:
    includes, bodies = {}, []
    for n, source in enumerate(sources):
        body = []
        text = source.read_text()
        for line, code in zip(text.splitlines(), without_comments(text).splitlines()):
            include = INCLUDE.match(code)
            if include:
                includes[resolved(include, source)] = None
            body.append("" if include else line)
        bodies += [f"namespace file_{n} {{", f'#line 1 "{source}"', *body, f"}}  // namespace file_{n}"]
    return "\n".join([*includes, *bodies]) + "\n"


def check(root: Path) -> list[str]:
    return [finding for source in sorted(root.glob("*_test.cpp")) for finding in misplaced(source)]


def _plants():
    return [
        ("includes below a comment", {"a_test.cpp": '// a\n\n#include <a>\n/* b */\n#include "b.hpp"\nint a;\n'}, []),
        ("no include", {"a_test.cpp": "int a;\n"}, []),
        ("an include below a macro", {"a_test.cpp": "#include <a>\n#define A\n#include <b>\n"}, ["a_test.cpp:3"]),
        ("an include under a condition", {"a_test.cpp": "#if A\n#include <b>\n#endif\n"}, ["a_test.cpp:2"]),
        ("an include that is indented", {"a_test.cpp": "  #include <b>\n"}, ["a_test.cpp:1"]),
        ("an include in a string", {"a_test.cpp": 'char const* a = R"(\n#include <b>\n)";\n'}, ["a_test.cpp:2"]),
        ("an include in a comment", {"a_test.cpp": "int a;\n/*\n#include <b>\n*/\n"}, []),
    ]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, _plants())
    split = sys.argv.index("--")
    outputs = [Path(name) for name in sys.argv[1:split]]
    sources = [Path(name).resolve() for name in sys.argv[split + 1 :]]
    if found := [finding for source in sources for finding in misplaced(source)]:
        print(*found, sep="\n", file=sys.stderr)
        return 1
    for output, share in zip(outputs, shares(sources, len(outputs))):
        output.write_text(bundle(share))
    return 0


if __name__ == "__main__":
    sys.exit(main())
