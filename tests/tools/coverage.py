#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""How much of the library's lines and branches its tests reach, over all instantiations of a template.

Usage: coverage.py ROOT BUILD

BUILD is configured with clang and -fprofile-instr-generate -fcoverage-mapping. The headers are those of include/svm
without the mock machine and the explorer. What nothing reaches is listed; tests/tools/uncovered.txt has the reasons, by
header and text, so that the list holds when lines move. Ends with `N passed, N failed`: one for the goals of the whole,
one for every line that is not reached having a reason.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from checking import report

PROGRAMS = ["base", "core", "explore", "races", "threads", "svmsh", "fuzz/fuzz"]
LINES, BRANCHES = 99.0, 95.0


def profile(root: Path, build: Path) -> tuple[Path, list[Path]]:
    programs = [build / f"tests/{name}_test" for name in PROGRAMS]
    environment = os.environ | {"SVM_FUZZ_CORPUS": str(root / "tests/fuzz/corpus")}
    for n, program in enumerate(programs):
        done = subprocess.run(
            [program], stdout=subprocess.DEVNULL, env=environment | {"LLVM_PROFILE_FILE": str(build / f"{n}.profraw")}
        )
        if done.returncode != 0:
            print(f"{program.name}: exit status {done.returncode}")
    merged = build / "all.profdata"
    raw = [build / f"{n}.profraw" for n in range(len(programs))]
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", *raw, "-o", merged], check=True)
    return merged, programs


def export(merged: Path, programs: list[Path], form: str, headers: list[Path]) -> str:
    objects = [word for program in programs[1:] for word in ("-object", program)]
    return subprocess.run(
        ["llvm-cov-14", "export", f"-format={form}", f"-instr-profile={merged}", programs[0], *objects, *headers],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def lines_of(lcov: str) -> dict[str, dict[int, int]]:
    """Header: line: how often it ran."""
    result, now = defaultdict(lambda: defaultdict(int)), ""
    for record in lcov.splitlines():
        if record.startswith("SF:"):
            now = os.path.realpath(record[3:])
        elif record.startswith("DA:"):
            line, count = record[3:].split(",")[:2]
            result[now][int(line)] += int(count)
    return result


def branches_of(text: str) -> dict[str, dict[tuple[int, int], list[int]]]:
    """Header: place of a condition: how often it was true, and false."""
    result = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for file in json.loads(text)["data"][0]["files"]:
        for line, column, _, _, true, false, *_ in file["branches"]:
            counts = result[os.path.realpath(file["filename"])][line, column]
            counts[0] += true
            counts[1] += false
    return result


def reasons_of(path: Path) -> dict[tuple[str, str], str]:
    """(header, text of a line): why it is not reached, in whole or on one side."""
    result, header = {}, ""
    for line in path.read_text().splitlines():
        if line.startswith("== "):
            header = line[3:]
        elif line.startswith("    "):
            result[header, text] = line.strip()
        elif line and line[0] != "#":
            text = line.strip()
    return result


def main() -> int:
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    include = root / "include"
    headers = [p for p in sorted((include / "svm").rglob("*.hpp")) if not {"mock", "explore"} & set(p.parts)]
    merged, programs = profile(root, build)
    lines = lines_of(export(merged, programs, "lcov", headers))
    branches = branches_of(export(merged, programs, "text", headers))
    reasons = reasons_of(root / "tests/tools/uncovered.txt")

    sums, bare = defaultdict(lambda: [0, 0, 0, 0]), 0
    for header in headers:
        short, text = header.relative_to(include).as_posix(), header.read_text().splitlines()
        layer = header.relative_to(include / "svm").parts[0] if header.parent != include / "svm" else "."
        missed = defaultdict(list)
        for line, count in lines[str(header)].items():
            for name in (layer, "all"):
                sums[name][0] += count > 0
                sums[name][1] += 1
            if count == 0:
                missed[line].append("never")
        for (line, _), (true, false) in branches[str(header)].items():
            for name in (layer, "all"):
                sums[name][2] += (true > 0) + (false > 0)
                sums[name][3] += 2
            if true == 0 or false == 0:
                missed[line].append("never true" if true == 0 else "never false")
        for line in sorted(missed):
            reason = reasons.get((short, text[line - 1].strip()))
            bare += reason is None
            print(f"{short}:{line}: {', '.join(missed[line])}: {text[line - 1].strip()}\n    {reason or 'NO REASON'}")

    print(f"{'layer':10}{'lines':>8}{'reached':>9}{'':>9}{'branches':>9}{'reached':>9}")
    good = True
    for name in [*sorted(n for n in sums if n != "all"), "all"]:
        hit, every, both, sides = sums[name]
        by_line, by_branch = 100 * hit / max(every, 1), 100 * both / max(sides, 1)
        print(f"{name:10}{every:8}{hit:9}{by_line:8.2f}%{sides:9}{both:9}{by_branch:8.2f}%")
        if name == "all":
            good = by_line >= LINES and by_branch >= BRANCHES
    print(f"{bare} lines that are not reached, in whole or on one side, have no reason")
    return report(int(good) + int(bare == 0), int(not good) + int(bare != 0))


if __name__ == "__main__":
    sys.exit(main())
