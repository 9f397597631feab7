# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""What the checking scripts share: C++ text without comments or the comments alone, and a planted tree for self-tests."""

import re
import sys
import tempfile
from pathlib import Path

_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<string>  R"(?P<delimiter>[^()\s\\]{0,16})\(.*?\)(?P=delimiter)"
               | "(?:[^"\\\n]|\\.)*"
               | (?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+' )
    """,
    re.VERBOSE | re.DOTALL,
)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def without_comments(text: str) -> str:
    """Replaces each comment by blanks, so that lines and columns stay what they are."""
    return _TOKEN.sub(lambda m: _blank(m[0]) if m["comment"] else m[0], text)


def without_comments_and_strings(text: str) -> str:
    return _TOKEN.sub(lambda m: _blank(m[0]), text)


def comments_only(text: str) -> str:
    """Replaces all but the comments by blanks, so that lines and columns stay what they are."""
    kept, done = [], 0
    for m in _TOKEN.finditer(text):
        if m["comment"]:
            kept += [_blank(text[done : m.start()]), m[0]]
            done = m.end()
    return "".join(kept) + _blank(text[done:])


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def report(passed: int, failed: int) -> int:
    """Prints the summary line that .ci/run adds up, and returns the exit status."""
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def self_test(check, plants) -> int:
    """Runs `check(root)`, which returns findings, on a planted tree per case.

    A plant is (what, {path: text}, wanted): every string of `wanted` must stand in one finding each, and an empty
    `wanted` means that nothing may be found.
    """
    passed = failed = 0
    for what, files, wanted in plants:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            findings = check(root)
        if len(findings) == len(wanted) and all(any(w in f for f in findings) for w in wanted):
            passed += 1
        else:
            failed += 1
            print(f"self-test: {what}: wanted {wanted}, found {findings}", file=sys.stderr)
    return report(passed, failed)
