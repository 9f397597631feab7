#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""How much of the library's lines and branches its tests reach, over all instantiations of a template.

Usage: coverage.py ROOT BUILD
       coverage.py --self-test

BUILD is configured with clang and -fprofile-instr-generate -fcoverage-mapping. The headers are those of include/svm
without the mock machine and the explorer.

A line is reached when some instantiation runs it; a statement that is in no instantiation is a line that is not reached.
A condition is a place in the source, whatever it is instantiated with, and has two branches, one reached when some
instantiation finds it true, one when false; so has a label of a switch, which control goes to or passes. Not counted,
because no run can take both: what an assertion compares (a failed one ends the program), what is constant in every
instantiation that runs (`if constexpr`), the missing default of a switch (-Wswitch holds it to all enumerators), and
what the compiler writes (`= default`).

What nothing reaches is listed; tests/tools/uncovered.txt has the reasons, by header and text, so that the list holds
when lines move. A reason that begins with `By chance` is of what threads reach in some runs, and is never stale. Ends
with `N passed, N failed`: one for the goals of the whole, one for every line that is not reached having a reason, one
for every reason having such a line.
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from pathlib import Path

from checking import report, without_comments

PROGRAMS = ["base", "core", "explore", "races", "threads", "svmsh", "fuzz/fuzz"]
LINES, BRANCHES = 99.0, 95.0
# What begins a statement and can be nothing else.
STATEMENT = re.compile(r"(return\b.*;|(if|for|while|switch) ?\()")


def profile(root: Path, build: Path) -> tuple[Path, list[Path]]:
    """Runs the programs; those that fail still tell what they reached, and are another test's to report."""
    programs = [build / f"tests/{name}_test" for name in PROGRAMS]
    environment = os.environ | {"SVM_FUZZ_CORPUS": str(root / "tests/fuzz/corpus"), "SVM_RACES": "0"}
    for n, program in enumerate(programs):
        done = subprocess.run(
            [program], stdout=subprocess.DEVNULL, env=environment | {"LLVM_PROFILE_FILE": str(build / f"{n}.profraw")}
        )
        if done.returncode != 0:
            print(f"{program.name}: exit status {done.returncode}")
    merged = build / "all.profdata"
    raw = [build / f"{n}.profraw" for n in range(len(programs))]
    # Not -sparse, which drops what never ran: llvm-cov then leaves out functions whose names another program has too.
    subprocess.run(["llvm-profdata-14", "merge", *raw, "-o", merged], check=True)
    return merged, programs


def export(merged: Path, programs: list[Path]) -> list[dict]:
    """The functions of the programs, one for each instantiation."""
    objects = [word for program in programs[1:] for word in ("-object", program)]
    text = subprocess.run(
        ["llvm-cov-14", "export", "-format=text", f"-instr-profile={merged}", programs[0], *objects],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(text)["data"][0]["functions"]


def merge(functions: list[dict], texts: dict[str, list[str]]) -> tuple[dict, dict]:
    """(file: line: how often it ran, file: place of a condition: how often it was true, and false), over all functions.

    A region is [line, column, line, column, count, file, expanded file, kind]; a branch has a second count.
    """
    lines = defaultdict(lambda: defaultdict(int))
    sums = defaultdict(lambda: [0, 0, 0])
    paths = {}
    for function in functions:
        names = function["filenames"]
        # What a macro expands to is a file of its own; the only macros of statements are the assertions.
        expanded = {region[6] for region in function["regions"] if region[7] == 1}
        for file, name in enumerate(names):
            path = paths.setdefault(name, os.path.realpath(name))
            if file in expanded or path not in texts:
                continue
            code = [region for region in function["regions"] if region[5] == file and region[7] == 0]
            for line in {n for region in code for n in range(region[0], region[2] + 1)}:
                text = texts[path][line - 1]
                if not text.strip(" {};"):
                    continue
                at = len(text) - len(text.lstrip()) + 1
                starting = [region[4] for region in code if region[0] == line]
                lines[path][line] += max([count_at(code, line, at), *starting], default=0)
            for line, column, _, _, true, false, where, *_ in function["branches"]:
                if where == file:
                    counts = sums[path, line, column]
                    counts[0] += true
                    counts[1] += false
                    counts[2] += count_at(code, line, column)
    branches = defaultdict(dict)
    for (path, line, column), (true, false, evaluated) in sums.items():
        if true + false > 0 or evaluated == 0:  # else it is evaluated and yet never true nor false: a constant
            branches[path][line, column] = true, false
    return lines, branches


def count_at(code: list[list[int]], line: int, column: int) -> int:
    """How often the innermost of these regions ran that has the place in it."""
    around = [r for r in code if (r[0], r[1]) <= (line, column) < (r[2], r[3])]
    return max(around, key=lambda r: (r[0], r[1], -r[2], -r[3]))[4] if around else 0


def reasons_of(text: str) -> dict[tuple[str, str], str]:
    """(header, text of a line): why it is not reached, in whole or on one side."""
    result, header, line = {}, "", ""
    for record in text.splitlines():
        if record.startswith("== "):
            header = record[3:]
        elif record.startswith("    "):
            result[header, line] = " ".join([*result.get((header, line), "").split(), record.strip()])
        elif record and record[0] != "#":
            line = record.strip()
    return result


class findings:
    def __init__(self, reasons: dict[tuple[str, str], str]):
        self.reasons, self.used, self.bare = reasons, set(), 0
        self.sums = defaultdict(lambda: [0, 0, 0, 0])  # layer: lines, reached, branches, reached

    def add(self, layer: str, short: str, text: str, lines: dict[int, int], branches: dict) -> None:
        """What one header has, of the layer, with this short name and text."""
        written = text.splitlines()
        lines = dict(lines)
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if STATEMENT.match(line.strip()):
                lines.setdefault(number, 0)
        missed, sums = defaultdict(list), [0, 0, 0, 0]
        for line, count in lines.items():
            sums[0] += 1
            sums[1] += count > 0
            if count == 0:
                missed[line].append("never")
        for (line, column), (true, false) in branches.items():
            if re.search(r"\bswitch \($", written[line - 1][: column - 1]) or written[line - 1].endswith("= default;"):
                continue
            sums[2] += 2
            sums[3] += (true > 0) + (false > 0)
            if true == 0 or false == 0:
                both = true == 0 and false == 0
                missed[line].append(f"{column}: never {'evaluated' if both else 'false' if true else 'true'}")
        for name in (layer, "all"):
            self.sums[name] = [a + b for a, b in zip(self.sums[name], sums)]
        for line in sorted(missed):
            key = short, written[line - 1].strip()
            self.used.add(key)
            self.bare += key not in self.reasons
            print(f"{short}:{line}: {', '.join(missed[line])}\n  {key[1]}\n    {self.reasons.get(key, 'NO REASON')}")

    def summary(self) -> int:
        stale = sorted(k for k in set(self.reasons) - self.used if not self.reasons[k].startswith("By chance"))
        for header, line in stale:
            print(f"{header}: a reason for what is reached, or is not there: {line}")
        print(f"\n{'layer':10}{'lines':>8}{'reached':>9}{'':>9}{'branches':>10}{'reached':>9}")
        for name in [*sorted(n for n in self.sums if n != "all"), "all"]:
            every, hit, sides, both = self.sums[name]
            by_line, by_branch = 100 * hit / max(every, 1), 100 * both / max(sides, 1)
            print(f"{name:10}{every:8}{hit:9}{by_line:8.2f}%{sides:10}{both:9}{by_branch:8.2f}%")
        print(f"{len(self.used)} lines are not reached, in whole or on one side; {self.bare} of them without a reason")
        good = [every > 0 and by_line >= LINES and by_branch >= BRANCHES, self.bare == 0, not stale]
        return report(good.count(True), good.count(False))


def self_test() -> int:
    def function(name, code, branches, expansions=()):
        regions = [[*place, count, 0, 0, 0] for *place, count in code]
        regions += [[*place, 0, 0, 1, 1] for place in expansions]
        return {"filenames": [name, "/config.hpp"], "regions": regions, "branches": branches}

    def branch(line, column, true, false, file=0):
        return [line, column, line, column + 1, true, false, file, 0, 4]

    body = (1, 1, 9, 2)
    text = ["void f() {", "  if (x)", "    if constexpr (y)", "      z &&", "  }", "", "", "  ASSERT(x);", "}"]
    lines, branches = merge(
        [
            function("/x/../a.hpp", [(*body, 5)], [branch(2, 7, 5, 0), branch(3, 7, 0, 0), branch(4, 7, 0, 0)]),
            function("/a.hpp", [(*body, 3), (4, 1, 4, 20, 0)], [branch(2, 7, 0, 3), branch(4, 7, 0, 0)]),
            function("/a.hpp", [(*body, 0)], [branch(3, 7, 0, 0), branch(6, 7, 0, 0)]),
            function("/a.hpp", [(*body, 1)], [branch(8, 7, 1, 0, file=1)], [(8, 3, 8, 9)]),
            function("/test.cpp", [(*body, 1)], [branch(2, 7, 1, 1)]),
        ],
        {"/a.hpp": text},
    )
    passed = failed = 0

    def check(what, got, wanted):
        nonlocal passed, failed
        passed, failed = passed + (got == wanted), failed + (got != wanted)
        if got != wanted:
            print(f"self-test: {what}: wanted {wanted}, got {got}", file=sys.stderr)

    check(
        "two instantiations make one condition, constants and assertions none, and what is not evaluated is no constant",
        dict(branches),
        {"/a.hpp": {(2, 7): (5, 3), (6, 7): (0, 0)}},
    )
    check(
        "a line ran as often as its instantiations, and braces and blanks are none",
        {k: dict(v) for k, v in lines.items()},
        {"/a.hpp": {1: 9, 2: 9, 3: 9, 4: 6, 8: 9}},
    )
    short = "void f() {\n  if (x) return g();\n  switch (x) {\n  return 1;\n"
    found = findings(reasons_of("# why\n== a.hpp\nif (x) return g();\n    One\n    reason.\nreturn 2;\n    Stale.\n"))
    with redirect_stdout(None):
        found.add("base", "a.hpp", short, {1: 1, 2: 1, 3: 1}, {(2, 7): (1, 0), (3, 11): (0, 9)})
    check("a statement in no instantiation is a line; a switch has no default", found.sums["all"], [4, 3, 2, 1])
    check("what has no reason is counted", found.bare, 1)
    check("the lines of a reason are joined", found.reasons["a.hpp", "if (x) return g();"], "One reason.")
    check("a stale reason is seen", set(found.reasons) - found.used, {("a.hpp", "return 2;")})
    return report(passed, failed)


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    include = root / "include"
    headers = [p for p in (include / "svm").rglob("*.hpp") if not {"mock", "explore"} & set(p.relative_to(include).parts)]
    texts = {header: header.read_text() for header in sorted(headers)}
    lines, branches = merge(
        export(*profile(root, build)), {str(h): without_comments(text).splitlines() for h, text in texts.items()}
    )
    found = findings(reasons_of((root / "tests/tools/uncovered.txt").read_text()))
    for header, text in texts.items():
        layer = header.relative_to(include / "svm").parts[0] if header.parent != include / "svm" else "svm"
        found.add(layer, header.relative_to(include).as_posix(), text, lines[str(header)], branches[str(header)])
    return found.summary()


if __name__ == "__main__":
    sys.exit(main())
