#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Lists sentences of more than 25 words in the comments below include/.

A sentence ends at a full stop, a semicolon, a colon, a question or exclamation mark, and with its comment. An item of a list and a part such
as `\\pre` begin one. Pictures, tables and code, which are indented or begin with `|`, have no sentences. A comment behind
code is one by itself.

Usage: check_sentences.py ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from checking import comments_only, report, self_test

MOST = 25
COMMENT = re.compile(r"//[/!]?<?(.*)")
BEGINS = re.compile(r"\s*(?:\\[a-z]+\b|\d+\. |[*-] |\|)")
END = re.compile(r"(?<=[.;:!?])\s+|(?<=[.;:!?][)\"`])\s+|\s(?=\d+\. )")


def sentences(text: str):
    """Each sentence of the comments, with the line where its comment or part begins."""
    part: list[str] = []
    first = 0
    code = text.splitlines()
    for number, line in enumerate([*comments_only(text).splitlines(), ""], 1):
        found = COMMENT.search(line)
        words = found[1] if found else ""
        is_behind_code = found is not None and code[number - 1][: found.start()].strip() != ""
        is_picture = words.startswith("    ") or words.lstrip().startswith("|")
        if part and (not words.strip() or is_picture or is_behind_code or BEGINS.match(words)):
            yield from ((first, s) for s in END.split(" ".join(part)))
            part = []
        if not words.strip() or is_picture:
            continue
        if is_behind_code:
            yield from ((number, s) for s in END.split(words))
            continue
        if not part:
            first = number
        part.append(words.strip())


def check(root: Path) -> list[str]:
    found = []
    for header in sorted((root / "include").rglob("*.hpp")):
        name = header.relative_to(root).as_posix()
        for line, sentence in sentences(header.read_text(encoding="utf-8")):
            count = sum(1 for word in sentence.split() if re.search(r"\w", word))
            if count > MOST:
                found.append(f"{name}:{line}: {count} words: {sentence[:60].strip()} ...")
    return found


def _plants():
    def words(count: int) -> str:
        return " ".join(["word"] * count)

    def header(text: str) -> dict[str, str]:
        return {"include/svm/a.hpp": text}

    return [
        ("as many as may be", header(f"/// {words(25)}.\n"), []),
        ("one more", header(f"int a;\n/// {words(26)}.\n"), ["a.hpp:2: 26 words"]),
        ("over two lines", header(f"/// {words(20)}\n/// {words(6)}\nint a;\n"), ["a.hpp:1: 26 words"]),
        ("at the end of a file", header(f"// {words(26)}"), ["a.hpp:1: 26 words"]),
        ("two sentences", header(f"/// {words(20)}.\n/// {words(20)}; {words(20)}: {words(20)}\n"), []),
        ("two parts", header(f"/// {words(20)}\n/// \\pre {words(20)}\n///  1. {words(20)}\n/// * {words(20)}\n"), []),
        ("two comments", header(f"/// {words(20)}\n\n/// {words(20)}\n"), []),
        ("behind code", header(f"int a;  ///< {words(20)}\nint b;  ///< {words(20)}\n"), []),
        ("long and behind code", header(f"int a;  ///< {words(26)}\n"), ["a.hpp:1: 26 words"]),
        ("a picture", header(f"///     {words(26)}\n/// | {words(26)} |\n"), []),
        ("no comment", header(f'char const* a = "// {words(26)}";\n'), []),
        ("elsewhere", {"tests/a.hpp": f"/// {words(26)}\n"}, []),
    ]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, _plants())
    root = Path(sys.argv[1])
    found = check(root)
    print(*found, sep="\n", end="\n" if found else "")
    return report(0 if found else 1, len(found))


if __name__ == "__main__":
    sys.exit(main())
