#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Holds the tests to the catalogue of cases (tests/catalogue.md) and to the errata (tests/README.md), in both directions.

 * The catalogue has a row `| ID | sentence. |` for each case, under the heading that names its group; the numbers rise.
 * A test covers a case when its name holds the case's ID, also in a range such as UNM-01..16. Each case has such a test,
   or its row says `No test: ` and the reason; each ID in the name of a test is a case.
 * The last cell of an erratum says where its tests are: cases, files in backticks below tests/, or `none: ` and the reason.
   In each of those files the name of a test holds the number; a test whose name holds a number is in a file of its row.

Names are looked for in TEST_CASE and SUBCASE of C++ files, in string literals of Python tests and in comments of scenarios
(*.svm).

Usage: check_cases.py ROOT | --self-test
"""

import ast
import re
import sys
from pathlib import Path

from checking import report, self_test, without_comments

CATALOGUE, ERRATA = "tests/catalogue.md", "tests/README.md"

ID = re.compile(r"\b([A-Z]{3})-(\d{2,})(?:\.\.(?:[A-Z]{3}-)?(\d{2,}))?\b")
ERRATUM = re.compile(r"(?<![\w.])3\.[1-4]\.\d{1,2}\b(?!\.\d)")
DEFECTS = re.compile(r"\bdefects? D\d+(?:(?:,| and) D\d+)*")
DEFECT = re.compile(r"\bD\d{1,2}\b")
TEST = re.compile(
    r'\b(?:TEST_CASE(?:_TEMPLATE|_TEMPLATE_DEFINE)?\s*\(|TEST_CASE_FIXTURE\s*\([^,"]*,|SUBCASE\s*\()\s*'
    r'((?:"(?:[^"\\\n]|\\.)*"\s*)+)(\*\s*doctest::skip)?'
)
HEADING = re.compile(r"## .*\(([A-Z]{3})\)")
ROW = re.compile(rf"\| ({ID.pattern}) \| (.+\.) \|")
HEAD = ("| case |", "|---|")
NO_TEST = "No test: "


def ids_in(text: str) -> list[str]:
    """The IDs in `text`, with those that a range stands for."""
    return [f"{m[1]}-{n:02}" for m in ID.finditer(text) for n in range(int(m[2]), int(m[3] or m[2]) + 1)]


def errata_in(name: str) -> list[str]:
    return ERRATUM.findall(name) + [defect for m in DEFECTS.finditer(name) for defect in DEFECT.findall(m[0])]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def names_in(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".cpp", ".hpp"}:
        literals = [m[1] for m in TEST.finditer(without_comments(text)) if not m[2]]
        return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace('\\"', '"') for literal in literals]
    if path.suffix == ".py":
        strings = (n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        return [line.strip() for s in strings for line in s.splitlines()]
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def tests_in(root: Path) -> list[tuple[str, str]]:
    """The (path, name) of each test, and of what may be one, in the order of the files."""
    paths = sorted((root / "tests").rglob("*")) + sorted((root / "examples/scenarios").glob("*.svm"))
    found = []
    for path in paths:
        relative = path.relative_to(root).as_posix()
        if path.suffix in {".cpp", ".hpp", ".py", ".svm"} and not relative.startswith("tests/tools/"):
            found += [(relative, name) for name in names_in(path)]
    return found


def catalogue(root: Path) -> tuple[dict[str, str], list[str]]:
    """The sentence of each case, and findings about rows."""
    cases, found = {}, []
    group, last = "", 0
    for number, line in enumerate(read(root / CATALOGUE).splitlines(), 1):
        where = f"{CATALOGUE}:{number}"
        if heading := HEADING.fullmatch(line):
            group, last = heading[1], 0
        elif line.startswith("|") and not line.startswith(HEAD):
            row = ROW.fullmatch(line)
            if row is None:
                found.append(f"{where}: expected `| ID | sentence. |`")
                continue
            if row[2] != group:
                found.append(f"{where}: {row[1]} is not of the group {group}")
                continue
            if int(row[3]) <= last:
                found.append(f"{where}: {row[1]} comes after {group}-{last:02}")
            last = int(row[4] or row[3])
            cases |= {case: row[5] for case in ids_in(row[1])}
    return cases, found


def errata(root: Path) -> tuple[dict[str, str], list[str]]:
    """The last cell of each erratum and defect, and findings about their order."""
    cells, found, last = {}, [], []
    for number, line in enumerate(read(root / ERRATA).splitlines(), 1):
        row = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else [""]
        if not ERRATUM.fullmatch(row[0]) and not DEFECT.fullmatch(row[0]):
            continue
        place = [int(n) for n in re.findall(r"\d+", "4." + row[0] if row[0][0] == "D" else row[0])]
        if place <= last:
            found.append(f"{ERRATA}:{number}: {row[0]} is out of order")
        last = place
        cells[row[0]] = row[-1]
    return cells, found


def wrong_errata(cells: dict[str, str], tests: list[tuple[str, str]], covered: dict[str, str]) -> list[str]:
    carried = {(erratum, path) for path, name in tests for erratum in errata_in(name)}
    found = []
    for erratum, cell in cells.items():
        if re.fullmatch(r"none: \S.*", cell):
            continue
        for part in cell.split(", "):
            if path := re.fullmatch(r"`(\S+)`", part):
                if (erratum, f"tests/{path[1]}") not in carried:
                    found.append(f"{ERRATA}: {erratum}: no test in {path[1]} has the number in its name")
            elif not ID.fullmatch(part):
                found.append(f"{ERRATA}: {erratum}: expected cases, `files` or `none: reason`")
            else:
                found += [f"{ERRATA}: {erratum}: no test covers {case}" for case in ids_in(part) if case not in covered]
    for erratum, path in sorted(carried):
        if f"`{path.removeprefix('tests/')}`" not in cells.get(erratum, ""):
            found.append(f"{path}: the name of a test holds {erratum}, whose row in {ERRATA} does not name the file")
    return found


def check(root: Path) -> list[str]:
    cases, found = catalogue(root)
    cells, disorder = errata(root)
    tests = tests_in(root)
    covered = {case: path for path, name in tests for case in ids_in(name)}
    found += disorder
    for case in sorted(covered.keys() - cases.keys()):
        found.append(f"{case}: not in the catalogue, but named by {covered[case]}")
    for case, sentence in cases.items():
        if case not in covered and NO_TEST not in sentence:
            found.append(f"{case}: neither a test nor a reason")
        if case in covered and NO_TEST in sentence:
            found.append(f"{case}: a reason for no test, but {covered[case]} covers it")
    return found + wrong_errata(cells, tests, covered)


def _plants():
    rows = "| IDX-01..03 | It holds. |\n| IDX-04 | No test: it cannot be. |\n"
    text = f"## Index (IDX)\n\n| case | what |\n|---|---|\n{rows}\n## Objects (GEM)\n\n| case | what |\n|---|---|\n| GEM-06 | It holds. |\n"
    line = 'TEST_CASE("finds it (IDX-01..03, "\n "GEM-06)") {}\n'
    tree = {CATALOGUE: text, "tests/base/a_test.cpp": line}
    numbers = "| 3.1.1 | bad | good | GEM-06, IDX-01..02 |\n| 3.1.2 | bad | good | `b_test.cpp`, GEM-06 |\n| 3.1.3 | bad | none: it cannot be |\n"
    known = tree | {ERRATA: numbers + "| D1 | bad | `b_test.cpp` |\n", "tests/b_test.cpp": 'TEST_CASE("erratum 3.1.2, defect D1")'}

    def with_row(row: str) -> dict[str, str]:
        return tree | {CATALOGUE: text.replace("| IDX-04", row + "| IDX-04")}

    def with_test(path: str, test: str) -> dict[str, str]:
        return known | {path: test}

    return [
        ("a range and a split literal", tree, []),
        ("a case without test or reason", tree | {CATALOGUE: text + "| GEM-07 | It holds. |\n"}, ["GEM-07: neither"]),
        ("a test and a reason", with_test("tests/b.cpp", 'SUBCASE("IDX-04")'), ["IDX-04: a reason for no test, but tests/b.cpp"]),
        ("a row that says nothing", with_row("| IDX-03 | |\n"), ["catalogue.md:6: expected"]),
        ("a row that is no sentence", with_row("| IDX-03 | it holds |\n"), ["catalogue.md:6: expected"]),
        ("a row twice", with_row("| IDX-03 | It holds. |\n"), ["catalogue.md:6: IDX-03 comes after IDX-03"]),
        ("rows out of order", tree | {CATALOGUE: text.replace("..03", "..05")}, ["IDX-04 comes after IDX-05", "IDX-05: neither"]),
        ("a row in another group", with_row("| GEM-06 | It holds. |\n"), ["catalogue.md:6: GEM-06 is not of the group IDX"]),
        ("tests that are gone", {CATALOGUE: text}, [f"{case}: neither" for case in ("IDX-01", "IDX-02", "IDX-03", "GEM-06")]),
        ("a test in a comment", {CATALOGUE: text, "tests/a.cpp": "// " + line.replace("\n", "") + "\n"},
         [f"{case}: neither" for case in ("IDX-01", "IDX-02", "IDX-03", "GEM-06")]),
        ("a skipped test", with_test("tests/b.cpp", 'TEST_CASE("IDX-09" * doctest::skip()) {}\n'), []),
        ("an ID past the catalogue", with_test("tests/b.cpp", 'SUBCASE("IDX-21") {}\n'), ["IDX-21: not in the catalogue"]),
        ("an ID of no group", with_test("tests/b.cpp", 'SUBCASE("IXD-01") {}\n'), ["IXD-01: not in the catalogue"]),
        ("a scenario", with_test("tests/s.svm", "fault A # IDX-22\n"), ["IDX-22: not in"]),
        ("a Python test", with_test("tests/t.py", "case('IDX-23 holds')\n"), ["IDX-23: not in"]),
        ("errata whose tests are there", known, []),
        ("an erratum of a file without its number", with_test("tests/b_test.cpp", 'TEST_CASE("defect D1")'),
         ["3.1.2: no test in b_test.cpp"]),
        ("an erratum of a case without a test", known | {ERRATA: known[ERRATA].replace("IDX-01..02", "IDX-04")},
         ["3.1.1: no test covers IDX-04"]),
        ("an erratum that says not where", known | {ERRATA: known[ERRATA].replace("GEM-06, ", "")[:-1].replace("IDX-01..02", "")},
         ["3.1.1: expected cases"]),
        ("an erratum out of order", known | {ERRATA: known[ERRATA] + "| 3.2.1 | bad | GEM-06 |\n"}, ["3.2.1 is out of order"]),
        ("a number in another file", with_test("tests/c_test.cpp", 'TEST_CASE("erratum 3.1.2")'), ["tests/c_test.cpp: the name"]),
    ]  # fmt: skip


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, _plants())
    root = Path(sys.argv[1])
    found = check(root)
    cases, _ = catalogue(root)
    without = sum(NO_TEST in sentence for sentence in cases.values())
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(cases)} cases, {without} of them with a reason for no test")
    return report(0 if found else len(cases), len(found))


if __name__ == "__main__":
    sys.exit(main())
