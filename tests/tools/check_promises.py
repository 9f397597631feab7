#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that the conformance suites keep in step with the promises of the concepts.

A concept numbers its promises in its comment, from 1 on, and names the suite that checks them; the suite has the name of
the concept. The tables of the suites have just these numbers, a sentence each; the heads of the suites say of each number
what is checked; a check expects only what the concept promises whose table its verdict has; and no check is forgotten by who runs them.

Usage: check_promises.py ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from checking import line_of, report, self_test, without_comments, without_comments_and_strings

_SUITE = re.compile(r"A model also promises \((svm/conformance/\w+\.hpp) checks it\):")
_NUMBERED = re.compile(r"^//[/]?  ?(\d+)\. ", re.MULTILINE)
_TABLE = re.compile(r'promise_table<(\d+)>\s+promises\{\s*"(\w+)",(.*?)\}\s*\}\s*\};', re.DOTALL)
_ROW = re.compile(r'\{\s*(\d+)\s*,\s*("(?:[^"\\]|\\.)*"\s*)+\}?')
_VERDICT = re.compile(r"\bverdict\s+\w+\{(?:(\w+)::)?promises\}")
_EXPECT = re.compile(r"\bexpect\(\s*(\d+)\s*,")
_CHECK = re.compile(r"\bbroken_promises\s+(\w+)\(")


def concepts(root: Path) -> dict[str, tuple[Path, list[int], str]]:
    """Of each concept with promises, by the name of its suite: its header, its numbers, and the suite that it names."""
    found = {}
    for header in sorted((root / "include/svm/concepts").glob("*.hpp")):
        text = header.read_text(encoding="utf-8")
        for hit in _SUITE.finditer(text):
            comment = text[hit.end() :].split("\n", 1)[1]
            comment = comment[: re.search(r"^(?!///)", comment, re.MULTILINE).start()]
            found[Path(hit[1]).stem] = (header, [int(n) for n in _NUMBERED.findall(comment)], hit[1])
    return found


def verdicts(code: str) -> list[tuple[int, int, str]]:
    """The stretches of a suite's text that a verdict is for, and the namespace of its table where the text names one."""
    starts = [(0, "")] + [(hit.start(), hit[1] or "") for hit in _VERDICT.finditer(code)]
    ends = [start for start, _ in starts[1:]] + [len(code)]
    return [(start, end, part) for (start, part), end in zip(starts, ends)]


def check(root: Path) -> list[str]:
    found: list[str] = []
    suites = sorted((root / "include/svm/conformance").rglob("*.hpp"))
    texts = {path: path.read_text(encoding="utf-8") for path in suites}
    code = {path: without_comments(text) for path, text in texts.items()}
    promised = concepts(root)
    tables: dict[str, list[int]] = {}
    said: dict[str, set[int]] = {}
    of_namespace: dict[str, str] = {}
    for path, text in code.items():
        for table in _TABLE.finditer(text):
            where = f"{path.relative_to(root)}:{line_of(text, table.start())}"
            numbers = [int(row[1]) for row in _ROW.finditer(table[3])]
            if len(numbers) != int(table[1]):
                found.append(f"{where}: the table has {len(numbers)} promises and says {table[1]}")
            if table[2] not in promised:
                found.append(f"{where}: no concept called {table[2]} has promises")
            tables.setdefault(table[2], []).extend(numbers)
            of_namespace[re.findall(r"namespace [\w: ]*::(\w+) \{", text[: table.start()])[-1]] = table[2]
    for path, text in texts.items():
        namespace = re.search(r"namespace [\w: ]*conformance::(\w+) \{", code[path])
        concept = of_namespace.get(namespace[1]) if namespace else None
        if concept:
            head = text[: text.find("#include")]
            said.setdefault(concept, set()).update(int(n) for n in _NUMBERED.findall(head))
            for start, end, part in verdicts(code[path]):
                asked = of_namespace.get(part, part) if part else concept
                for hit in _EXPECT.finditer(code[path], start, end):
                    if int(hit[1]) not in promised.get(asked, (None, []))[1]:
                        found.append(f"{path.relative_to(root)}:{line_of(text, hit.start())}: {asked} has no promise {hit[1]}")
    for concept, (header, numbers, suite) in promised.items():
        where = header.relative_to(root)
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"{where}: the promises of {concept} are numbered {numbers}")
        if not (root / "include" / suite).exists():
            found.append(f"{where}: there is no {suite}")
        if sorted(tables.get(concept, [])) != numbers:
            found.append(f"{where}: {concept} promises {numbers}, and its suites have {sorted(tables.get(concept, []))}")
        elif missing := set(numbers) - said.get(concept, set()):
            found.append(f"{suite}: its head does not say what is checked of {sorted(missing)}")
    everything = "\n".join(without_comments_and_strings(text) for text in texts.values())
    for path, text in code.items():
        for hit in _CHECK.finditer(text):
            if hit[1] != "check_all" and len(re.findall(rf"\b{hit[1]}\b", everything)) < 2:
                found.append(f"{path.relative_to(root)}:{line_of(text, hit.start())}: nobody runs {hit[1]}")
    return found


def _plant(promises: str, head: str, rows: str, body: str, suite: str = "svm/conformance/lamp.hpp") -> dict[str, str]:
    concept = f"/// A lamp.\n///\n/// A model also promises ({suite} checks it):\n{promises}template <class L>\nconcept lamp = true;\n"
    count = rows.count('"') // 2
    table = f'inline constexpr promise_table<{count}> promises{{"lamp", {{{{\n{rows}}}}}}};\n'
    return {
        "include/svm/concepts/lamp.hpp": concept,
        "include/svm/conformance/lamp.hpp": f"{head}#include <vector>\n"
        f"namespace svm::inline v0::conformance::lamp {{\n{table}{body}}}\n",
    }


def _with_switch(number: int) -> dict[str, str]:
    """A lamp whose check also looks at what a switch promises, which is one thing."""
    body = f"broken_promises glows() {{ verdict v{{switch::promises}}; v.expect({number}, true); }}\n" + _BODY
    switch = _plant("///  1. it clicks.\n", "//  1. checked.\n", '    {1, "it clicks"},\n', "", "svm/conformance/switch.hpp")
    return _plant(_TWO, _HEAD, _ROWS, body) | {path.replace("lamp", "switch"): text.replace("lamp", "switch") for path, text in switch.items()}


_TWO = "///  1. it glows,\n///     and more;\n///  2. it stays cool.\n"
_HEAD = "//  1. checked.\n//  2. not checked.\n"
_ROWS = '    {1, "it glows"},\n    {2, "it stays cool"},\n'
_BODY = "broken_promises glows() { v.expect(1, true); }\nbroken_promises check_all() { return glows(); }\n"
PLANTS = [
    ("a suite in step", _plant(_TWO, _HEAD, _ROWS, _BODY), []),
    ("a promise that is new", _plant(_TWO + "///  3. it lasts.\n", _HEAD, _ROWS, _BODY), ["promises [1, 2, 3]"]),
    ("a promise that is gone", _plant("///  1. it glows.\n", _HEAD, _ROWS, _BODY), ["promises [1]"]),
    ("a number twice", _plant("///  1. it glows;\n///  1. it shines.\n", _HEAD, _ROWS, _BODY), ["numbered", "promises"]),
    ("a head that is silent", _plant(_TWO, "//  1. checked.\n", _ROWS, _BODY), ["does not say what is checked of [2]"]),
    ("an expectation of nothing", _plant(_TWO, _HEAD, _ROWS, _BODY.replace("(1,", "(7,")), ["has no promise 7"]),
    ("an expectation of another concept", _with_switch(1), []),
    ("an expectation that another concept does not have", _with_switch(2), ["switch has no promise 2"]),
    ("a check that is forgotten", _plant(_TWO, _HEAD, _ROWS, _BODY.replace("return glows()", "")), ["nobody runs glows"]),
    ("a suite that is not there", _plant(_TWO, _HEAD, _ROWS, _BODY, "svm/conformance/bulb.hpp"),
        ["no concept called lamp", "has no promise 1", "there is no", "suites have []"]),
    ("a table of no concept", _plant(_TWO, _HEAD, _ROWS, _BODY) | {"include/svm/concepts/lamp.hpp": ""}, ["no concept called", "has no promise 1"]),
]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, PLANTS)
    root = Path(sys.argv[1])
    findings = check(root)
    for finding in findings:
        print(finding)
    return report(max(len(concepts(root)) - len(findings), 0), len(findings))


if __name__ == "__main__":
    sys.exit(main())
