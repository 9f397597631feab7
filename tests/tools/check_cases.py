#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Keeps tests/cases.txt, the map from the case catalogue to the tests, complete and up to date.

A test covers a case when its name holds the case's ID, also as a range such as UNM-01..16. Names are looked for in
TEST_CASE and SUBCASE of C++ files, in string literals of Python tests and in comments of scenarios (*.svm).

Usage: check_cases.py ROOT             fails unless the map is up to date and every case has a test or a reason
       check_cases.py --update ROOT    rewrites the tests in the map and keeps the reasons
       check_cases.py --self-test
"""

import ast
import re
import sys
from pathlib import Path

from checking import report, self_test, without_comments

# The groups of the catalogue and how many cases each has.
CATALOGUE = {
    "IDX": (20, "Interval index"),
    "NOT": (21, "Notifier life and sequence protocol"),
    "RNG": (24, "Range creation and chunking"),
    "PAG": (25, "get_pages and device binding"),
    "INV": (14, "Invalidate"),
    "UNM": (28, "Unmap and partial unmap"),
    "FRK": (15, "fork and copy-on-write"),
    "MRM": (32, "mremap"),
    "MPR": (6, "mprotect"),
    "ATM": (9, "Exclusive and atomic access"),
    "HUG": (13, "Huge pages"),
    "FIL": (10, "File and shared mappings"),
    "MIG": (25, "Migration to device"),
    "CFB": (14, "CPU fault back"),
    "TSL": (6, "Timeslice"),
    "EVC": (15, "Eviction and oversubscription"),
    "MGP": (13, "Several devices and peers"),
    "RAC": (26, "Races"),
    "TRD": (10, "Teardown"),
    "OOM": (12, "Memory exhaustion and fault injection"),
    "VMS": (31, "GPUVM map"),
    "VMU": (14, "GPUVM unmap"),
    "OPL": (8, "Operation lists"),
    "PRE": (5, "Prefetch"),
    "GEM": (6, "Object unmap"),
}

HEADER = """\
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
#
# For each case of the catalogue (catalogue.md) the tests that cover it or the reason why none does:
#
#     ID  path  name of the test      written by tests/tools/check_cases.py --update
#     ID  -     reason                written by hand, on one line; dropped once a test covers the case
"""

ID = re.compile(r"\b([A-Z]{3})-(\d{2,})(?:\.\.(?:[A-Z]{3}-)?(\d{2,}))?\b")
CASE = re.compile(
    r'\b(?:TEST_CASE(?:_TEMPLATE|_TEMPLATE_DEFINE)?\s*\(|TEST_CASE_FIXTURE\s*\([^,"]*,|SUBCASE\s*\()\s*'
    r'((?:"(?:[^"\\\n]|\\.)*"\s*)+)(\*\s*doctest::skip)?'
)
ENTRY = re.compile(r"([A-Z]{3}-\d+)\s+(\S+)\s+(\S.*)")


def ids_in(name: str) -> list[str]:
    found = []
    for group, first, last in ID.findall(name):
        if group in CATALOGUE:
            found += [f"{group}-{n:02}" for n in range(int(first), int(last or first) + 1)]
    return found


def names_in(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".cpp", ".hpp"}:
        literals = [m[1] for m in CASE.finditer(without_comments(text)) if not m[2]]
        return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace('\\"', '"') for literal in literals]
    if path.suffix == ".py":
        strings = (n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        return [line.strip() for s in strings for line in s.splitlines()]
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def covered_cases(root: Path) -> dict[str, list[tuple[str, str]]]:
    """For each ID the (path, test name) pairs that claim it, in the order of the files."""
    covered = {}
    for path in sorted((root / "tests").rglob("*")) + sorted((root / "examples/scenarios").glob("*.svm")):
        relative = path.relative_to(root).as_posix()
        if path.suffix not in {".cpp", ".hpp", ".py", ".svm"} or relative.startswith("tests/tools/"):
            continue
        for name in names_in(path):
            for case in ids_in(name):
                if (relative, name) not in covered.setdefault(case, []):
                    covered[case].append((relative, name))
    return covered


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """The hand-written reasons, and findings about lines that are none."""
    reasons, found = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = ENTRY.fullmatch(line.rstrip())
        if entry is None:
            found.append(f"tests/cases.txt:{number}: expected `ID  path  name` or `ID  -  reason`")
        elif entry[2] == "-":
            reasons[entry[1]] = entry[3]
    return reasons, found


def render(covered: dict[str, list[tuple[str, str]]], reasons: dict[str, str]) -> str:
    lines = [HEADER]
    for group, (count, title) in CATALOGUE.items():
        lines.append(f"\n# {title}\n")
        for n in range(1, count + 1):
            case = f"{group}-{n:02}"
            for path, name in covered.get(case, []):
                lines.append(f"{case}  {path}  {name}\n")
            if case not in covered and case in reasons:
                lines.append(f"{case}  -  {reasons[case]}\n")
    return "".join(lines)


def state(root: Path) -> tuple[list[str], str, int]:
    """Findings that only a person can mend, the map as it should read, and the number of cases with a test."""
    known = {f"{group}-{n:02}" for group, (count, _) in CATALOGUE.items() for n in range(1, count + 1)}
    covered = covered_cases(root)
    path = root / "tests/cases.txt"
    reasons, found = parse(path.read_text(encoding="utf-8") if path.exists() else "")
    for case in sorted(set(covered) - known):
        found.append(f"{case}: not in the catalogue, but named by {covered[case][0]}")
    for case in sorted(set(reasons) - known):
        found.append(f"{case}: not in the catalogue, but tests/cases.txt gives a reason for it")
    for case in sorted(known - set(covered) - set(reasons)):
        found.append(f"{case}: neither a test nor a reason")
    return found, render(covered, reasons), len(known & set(covered))


def lost_errata(root: Path) -> list[str]:
    """The lines of tests/errata.txt whose test is not there."""
    path = root / "tests/errata.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        _, file, name = (line.split(maxsplit=2) + ["", ""])[:3]
        if file != "-" and (not (root / file).is_file() or name not in names_in(root / file)):
            found.append(f"tests/errata.txt:{number}: no such test")
    return found


def check(root: Path) -> list[str]:
    found, text, _ = state(root)
    found += lost_errata(root)
    path = root / "tests/cases.txt"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        found.append("tests/cases.txt is not up to date: run tests/tools/check_cases.py --update on the tree")
    return found


def _plants():
    everything = {f"{group}-{n:02}": "later" for group, (count, _) in CATALOGUE.items() for n in range(1, count + 1)}
    unknown_reason = render({}, everything) + "IDX-21  -  later\n"
    without_one = {case: reason for case, reason in everything.items() if case != "IDX-07"}
    line = 'TEST_CASE("finds it (IDX-01..03,\\n" " GEM-06)") {}\n'.replace("\\n", "")
    name = "finds it (IDX-01..03, GEM-06)"
    test = "tests/base/a_test.cpp"
    covered = {case: [(test, name)] for case in ("IDX-01", "IDX-02", "IDX-03", "GEM-06")}
    map_ = "tests/cases.txt"
    return [
        ("a reason for every case", {map_: render({}, everything)}, []),
        ("a case without test or reason", {map_: render({}, without_one)}, ["IDX-07: neither"]),
        ("a reason for no case", {map_: unknown_reason}, ["IDX-21: not in the catalogue", "not up to date"]),
        ("a line that says nothing", {map_: render({}, everything) + "IDX\n"}, ["expected `ID", "not up to date"]),
        ("a range and a split literal", {map_: render(covered, everything), test: line}, []),
        ("a test that the map lacks", {map_: render({}, everything), test: line}, ["not up to date"]),
        ("a test that is gone", {map_: render(covered, everything)}, ["not up to date"] + [f"{c}: neither" for c in covered]),
        ("a test in a comment", {map_: render({}, everything), test: "// " + line}, []),
        ("a skipped test", {map_: render({}, everything), test: 'TEST_CASE("IDX-01" * doctest::skip()) {}\n'}, []),
        ("an ID past the catalogue", {map_: render({}, everything), test: 'SUBCASE("IDX-21") {}\n'}, ["IDX-21: not in"]),
        ("a scenario", {map_: render({}, everything), "tests/s.svm": "fault A # UNM-17\n"}, ["not up to date"]),
        (
            "errata whose tests are there, and are not",
            {
                map_: render(covered, everything),
                test: line,
                "tests/errata.txt": f"# D\nD1  {test}  {name}\nD2  -  a reason\nD3  {test}  other\nD4  tests/b.cpp  {name}\n",
            },
            ["errata.txt:4: no such test", "errata.txt:5: no such test"],
        ),
        ("a Python test", {map_: render({}, everything), "tests/t.py": "case('UNM-17 holds')\n"}, ["not up to date"]),
    ]


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return self_test(check, _plants())
    update = arguments[0] == "--update"
    root = Path(arguments[-1])
    found, text, covered = state(root)
    if update:
        (root / "tests/cases.txt").write_text(text, encoding="utf-8")
        found += lost_errata(root)
    else:
        found = check(root)
    total = sum(count for count, _ in CATALOGUE.values())
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{covered} of {total} cases have a test" + ("" if found else ", the others a reason"))
    return report(0 if found else 1, len(found))


if __name__ == "__main__":
    sys.exit(main())
