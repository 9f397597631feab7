#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Adds up what the tests of one `meson test` run say, and trusts none that says nothing.

Usage: sum_tests.py BUILD_DIR [--suite NAME]... [--no-suite NAME]...   (the same suites as for `meson test`)
       sum_tests.py --self-test

A test counts its cases by doctest's summary line or by a line `N passed, N failed`. A test without either, with no
case at all, or that ended badly although its summary is clean, counts as failed, and so does one that never ran. The
programs of the suites in BY_STATUS count as one case each, by their exit status.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from checking import report

BY_STATUS = {"examples", "headers"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SUMMARY = re.compile(
    r"^\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed.*$|^(\d+) passed, (\d+) failed$",
    re.MULTILINE,
)


def count(name: str, suites: set[str], log: dict | None) -> tuple[int, int]:
    if log is None:
        print(f"{name}: did not run")
        return 0, 1
    well = log["result"] == "OK"
    if suites & BY_STATUS:
        if not well:
            print(f"{name}: {log['result']}")
        return (1, 0) if well else (0, 1)
    summaries = SUMMARY.findall(COLOUR.sub("", log.get("stdout", "")))
    if not summaries:
        print(f"{name}: {log['result']}, and no summary")
        return 0, 1
    passed, failed = (int(n) for n in (summaries[-1][:2] if summaries[-1][0] else summaries[-1][2:]))
    if failed == 0 and (not well or passed == 0):
        print(f"{name}: {log['result']} with {passed} cases passed and none failed")
        failed = 1
    elif failed:
        print(f"{name}: {failed} failed")
    return passed, failed


def self_test() -> int:
    doctest = "[doctest] test cases: {} | {} passed | {} failed | 0 skipped\n"
    clean = "\x1b[0;36m" + doctest.format("  5", "5", "0")
    wanted = [
        ("doctest", {"unit"}, {"result": "OK", "stdout": clean}, (5, 0)),
        ("doctest that failed", {"unit"}, {"result": "FAIL", "stdout": doctest.format(5, 3, 2)}, (3, 2)),
        ("a crash after a clean summary", {"unit"}, {"result": "FAIL", "stdout": clean}, (5, 1)),
        ("a crash without a summary", {"unit"}, {"result": "FAIL", "stdout": "hello\n"}, (0, 1)),
        ("success without a summary", {"unit"}, {"result": "OK", "stdout": ""}, (0, 1)),
        ("no output at all", {"unit"}, {"result": "OK"}, (0, 1)),
        ("no cases", {"unit"}, {"result": "OK", "stdout": doctest.format(0, 0, 0)}, (0, 1)),
        ("a timeout", {"unit"}, {"result": "TIMEOUT", "stdout": clean}, (5, 1)),
        ("a script", {"tools"}, {"result": "OK", "stdout": "x\n7 passed, 0 failed\n"}, (7, 0)),
        ("the last summary counts", {"tools"}, {"result": "OK", "stdout": "1 passed, 0 failed\n2 passed, 1 failed\n"}, (2, 1)),
        ("a summary inside a line", {"tools"}, {"result": "OK", "stdout": "said 7 passed, 0 failed\n"}, (0, 1)),
        ("a skipped test", {"tools"}, {"result": "SKIP", "stdout": "7 passed, 0 failed\n"}, (7, 1)),
        ("an example", {"examples"}, {"result": "OK", "stdout": ""}, (1, 0)),
        ("an example that failed", {"examples"}, {"result": "FAIL", "stdout": "7 passed, 0 failed\n"}, (0, 1)),
        ("a test that never ran", {"unit"}, None, (0, 1)),
    ]
    wrong = [(what, count(what, suites, log), sum_) for what, suites, log, sum_ in wanted]
    wrong = [f"{what}: counted {found}, wanted {sum_}" for what, found, sum_ in wrong if found != sum_]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return report(len(wanted) - len(wrong), len(wrong))


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--no-suite", action="append", default=[])
    arguments, _ = parser.parse_known_args()  # the other options of `meson test` select nothing

    introspection = subprocess.run(
        ["meson", "introspect", "--tests", str(arguments.build)], capture_output=True, text=True, check=True
    )
    logs = {}
    for log_file in (arguments.build / "meson-logs").glob("testlog*.json"):  # the name tells a wrapper, if there was one
        for line in log_file.read_text(encoding="utf-8").splitlines():
            log = json.loads(line)
            logs[log["name"].split(" / ")[-1]] = log

    passed = failed = 0
    for test in json.loads(introspection.stdout):
        suites = {suite.split(":")[-1] for suite in test["suite"]}
        wanted = not arguments.suite or suites & set(arguments.suite)
        if wanted and not suites & set(arguments.no_suite):
            p, f = count(test["name"], suites, logs.get(test["name"]))
            passed += p
            failed += f
    return report(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
