#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_golden.py SVMSH DIR - every DIR/*.svm prints DIR/*.out byte for byte, and nothing is wrong."""

import pathlib
import sys

from harness import Tally, run


def first_difference(expected, found):
    expected_lines, found_lines = expected.splitlines(), found.splitlines()
    for number, (e, f) in enumerate(zip(expected_lines, found_lines), 1):
        if e != f:
            return f"output line {number} is {f!r}, expected {e!r}"
    return f"{len(found_lines)} lines of output, expected {len(expected_lines)}"


def main():
    svmsh, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    tally = Tally()
    for scenario in sorted(folder.glob("*.svm")):
        expected = scenario.with_suffix(".out").read_bytes()
        result = run([svmsh, "run", str(scenario)])
        if result.status != 0 or result.err:
            tally.check(False, f"{scenario.name}: {result}")
        elif result.out != expected:
            tally.check(False, f"{scenario.name}: {first_difference(expected, result.out)}")
        else:
            tally.check(True, scenario.name)
    tally.close()


main()
