# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""What the black-box tests of svmsh share: running the program, counting, and the closing line."""

import pathlib
import subprocess
import sys


def sanitized(program):
    """Whether a sanitizer is built in: several times slower, and freed memory stays for a while."""
    return b"__asan_init" in pathlib.Path(program).read_bytes()


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    def __str__(self):
        return f"status {self.status}, stdout {self.out[-400:]!r}, stderr {self.err[-400:]!r}"


def run(command, stdin=b"", timeout=60):
    """Runs `command`; a program that hangs or dies of a signal shows up as a status that no test expects."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        return Result("timeout", late.stdout or b"", late.stderr or b"")
    return Result(done.returncode, done.stdout, done.stderr)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, good, what):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}")

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)
