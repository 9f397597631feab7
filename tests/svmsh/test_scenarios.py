#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_scenarios.py SVMSH DIR - every scenario in DIR and below proves itself, and each prints the same twice."""

import pathlib
import sys

from harness import Tally, run


def main():
    svmsh, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    tally = Tally()
    for scenario in sorted(folder.rglob("*.svm")):
        result = run([svmsh, "run", str(scenario)])
        tally.check(result.status == 0 and not result.err, f"{scenario.name}: {result}")
        again = run([svmsh, "run"], scenario.read_bytes())
        tally.check(again.status == 0 and again.out == result.out, f"{scenario.name} from standard input: {again}")
    tally.close()


main()
