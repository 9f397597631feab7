#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Builds and runs a few programs with each compiler and for each target that the README claims, and writes its table.

Usage: portability.py ROOT WORK [--write README] [ROW...] | --self-test

A row is named by its number. Each has

    core      a backend of one file, and a driver for the GPU VA manager
    machine   the first program of the README, on the simulated machine
    explorer  the explorer on a driver
    tests     the tests of the data structures

or some of them. A program has to build without a warning, to say that its claims hold, and to print what it prints in the
first row. The table is written only when every row has passed. WORK is for what is built.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from checking import report

BEGIN = "<!-- Written by .ci/long portability; what stands here has run. -->"
END = "<!-- The end of the table. -->"

WARNINGS = "-Wall -Wextra -Wpedantic -Wshadow -Werror".split()
# Sizes are 64 bits wide whatever the target; where std::size_t is not, each index is narrower.
WIDE = [*WARNINGS, "-Wconversion"]
PROGRAMS = {
    "core": ["examples/minimal_backend.cpp", "examples/bind_sparse.cpp"],
    "machine": ["examples/hello_fault.cpp"],
    "explorer": ["examples/explore_your_driver.cpp"],
}
ALL = ("core", "machine", "explorer", "tests")


@dataclass(frozen=True)
class Row:
    compiler: str
    library: str
    target: str
    options: str
    command: str
    runner: str = ""
    parts: tuple[str, ...] = ALL
    warnings: tuple[str, ...] = tuple(WIDE)


def cross(machine: str, target: str) -> Row:
    return Row("g++ 12", "libstdc++ 12", target, "C++20", f"{machine}-linux-gnu-g++ -std=c++20", f"qemu-{machine} -L /usr/{machine}-linux-gnu")


# What has no exceptions has no doctest either.
BARE = ("core", "machine", "explorer")
NO_EXCEPTIONS = "-fno-exceptions -fno-rtti"
M32 = "-m32 -idirafter /usr/include/x86_64-linux-gnu"  # where asm/ is, without the package that no cross compiler goes with
ROWS = [
    Row("g++ 12", "libstdc++ 12", "x86-64", "C++20", "g++ -std=c++20"),
    Row("g++ 12", "libstdc++ 12", "x86-64", "C++23", "g++ -std=c++23"),
    Row("g++ 12", "libstdc++ 12", "x86-64", f"C++20, `{NO_EXCEPTIONS}`", f"g++ -std=c++20 {NO_EXCEPTIONS}", parts=BARE),
    Row("g++ 12", "libstdc++ 12", "x86-64", "C++20, `-O2 -flto`", "g++ -std=c++20 -O2 -flto"),
    Row("g++ 12", "libstdc++ 12", "i386 (`-m32`)", "C++20", f"g++ -std=c++20 {M32}", warnings=tuple(WARNINGS)),
    cross("aarch64", "aarch64, by qemu"),
    cross("riscv64", "riscv64, by qemu"),
    cross("s390x", "s390x (big endian), by qemu"),
    Row(
        "g++ 12, MinGW-w64",
        "libstdc++ 12",
        "Windows x86-64, by Wine",
        "C++20",
        "x86_64-w64-mingw32-g++-posix -std=c++20 -static",
        "/usr/lib/wine/wine64",
        parts=("core", "machine"),  # the tests fork
    ),
    Row("clang++ 14", "libstdc++ 12", "x86-64", "C++20", "clang++-14 -std=c++20"),
    Row("clang++ 14", "libc++ 14", "x86-64", "C++20", "clang++-14 -std=c++20 -stdlib=libc++"),
    Row("clang++ 14", "libstdc++ 12", "x86-64", f"C++20, `{NO_EXCEPTIONS}`", f"clang++-14 -std=c++20 {NO_EXCEPTIONS}", parts=BARE),
    Row("clang++ 16", "libstdc++ 12", "x86-64", "C++20", "clang++-16 -std=c++20"),
    Row("clang++ 19", "libstdc++ 12", "x86-64", "C++20", "clang++-19 -std=c++20"),
    Row("clang++ 19", "libstdc++ 12", "x86-64", "C++23", "clang++-19 -std=c++23"),
]


class Failure(Exception):
    pass


def run(words: list[str], **environment: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=900, env={**os.environ, **environment})
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Failure(f"{words[0]}: {why}") from why
    if done.returncode != 0:
        raise Failure(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[:4000]}")
    return done.stdout.replace("\r\n", "\n")


class Builder:
    def __init__(self, root: Path, work: Path):
        self.root, self.work = root, work
        # Alone in a folder: a cross compiler must not see what else is beside it.
        headers = Path("/usr/include/doctest")
        shutil.copytree(headers, work / "include/doctest", dirs_exist_ok=True)
        listed = re.search(r"^base_tests = files\((.*?)^\)", (root / "tests/meson.build").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        sources = [root / "tests" / name for name in re.findall(r"'([^']+)'", listed[1]) if "random" not in name]
        self.bundle = work / "base.cpp"
        run([sys.executable, "-B", str(root / "tests/tools/bundle.py"), str(self.bundle), "--", *map(str, sources)])

    def outputs(self, number: int, row: Row) -> dict[str, str]:
        """What each program of the row printed."""
        folder = self.work / f"row-{number}"
        folder.mkdir(exist_ok=True)
        found = {}
        for part in row.parts:
            if part == "tests":
                self._run(row, folder / "tests", [self.bundle, self.root / "tests/support/doctest_main.cpp"], ["-DSVM_ASSERTIONS=1"])
                continue
            for source in PROGRAMS[part]:
                found[source] = self._run(row, folder / Path(source).stem, [self.root / source], [])
        return found

    def _run(self, row: Row, program: Path, sources: list[Path], flags: list[str]) -> str:
        includes = [f"-I{self.root / 'include'}", f"-I{self.root / 'tests'}", f"-isystem{self.work / 'include'}"]
        program = program.with_suffix(".exe")
        run([*row.command.split(), *row.warnings, *flags, *includes, "-pthread", *map(str, sources), "-o", str(program)])
        prefix = {"WINEPREFIX": str(self.work / "wine"), "WINEDEBUG": "-all"} if "wine" in row.runner else {}
        return run([*row.runner.split(), str(program)], **prefix)


def table(rows: list[Row]) -> str:
    lines = ["| compiler | standard library | target | options | what ran |", "|---|---|---|---|---|"]
    lines += [f"| {r.compiler} | {r.library} | {r.target} | {r.options} | {', '.join(r.parts)} |" for r in rows]
    return "\n".join(lines)


def with_table(text: str, rows: list[Row]) -> str:
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise Failure("the text has no place for the table")
    return f"{head}{BEGIN}\n{table(rows)}\n{END}{tail}"


def parted(outputs: dict[str, str], first: dict[str, str]) -> list[str]:
    return [name for name in outputs if outputs[name] != first[name]]


def self_test() -> int:
    row = Row("a", "b", "c", "d", "e")
    written = with_table(f"1\n{BEGIN}\nold\n{END}\n2\n", [row])
    checks = {
        "the table is put between the marks": written == f"1\n{BEGIN}\n{table([row])}\n{END}\n2\n",
        "a second time changes nothing": with_table(written, [row]) == written,
        "what prints something else is found": parted({"x": "1", "y": "2"}, {"x": "1", "y": "3"}) == ["y"],
    }
    try:
        with_table("no marks", [row])
        checks["a text without marks is refused"] = False
    except Failure:
        checks["a text without marks is refused"] = True
    for what in (what for what, good in checks.items() if not good):
        print(f"FAILED: {what}")
    return report(sum(checks.values()), len(checks) - sum(checks.values()))


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root, work, *rest = sys.argv[1:]
    readme = Path(rest[1]) if rest[:1] == ["--write"] else None
    wanted = [int(number) for number in rest[2 if readme else 0 :]] or list(range(1, len(ROWS) + 1))
    Path(work).mkdir(parents=True, exist_ok=True)
    builder = Builder(Path(root).resolve(), Path(work).resolve())
    first = builder.outputs(1, ROWS[0])

    def judge(number: int) -> str:
        try:
            differing = parted(builder.outputs(number, ROWS[number - 1]), first)
        except Failure as failure:
            return str(failure)
        return f"prints something else than by the first row: {', '.join(differing)}" if differing else ""

    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for number, complaint in zip(wanted, pool.map(judge, wanted)):
            row = ROWS[number - 1]
            print(f"{number:2}  {row.compiler}, {row.library}, {row.target}, {row.options}: {complaint or 'passed'}", flush=True)
            failed += complaint != ""
    if readme and not failed and len(wanted) == len(ROWS):
        readme.write_text(with_table(readme.read_text(encoding="utf-8"), ROWS), encoding="utf-8")
    return report(len(wanted) - failed, failed)


if __name__ == "__main__":
    sys.exit(main())
