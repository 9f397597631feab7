#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""What a program of two files on the simulated machine costs to compile and link: header-only, and on the extern machine.

Both programs are examples/hello_fault.cpp twice, in turns in the same run; what counts is the least CPU time of each. The
extern machine's one instance is compiled beside, once: its time is said and not counted, since it changes with the library
alone. The extern program may take at most 35 percent of the header-only one.

Usage: compile_time.py ROOT COMPILER...
The last line of the output is `N passed, N failed`.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

MOST = 0.35
ROUNDS = 3
OPTIMIZATIONS = ("-O0", "-O2")


def cpu_seconds(commands: list[list[str]]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    for command in commands:
        subprocess.run(command, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def write_programs(root: Path, place: Path) -> None:
    text = (root / "examples/hello_fault.cpp").read_text(encoding="utf-8")
    include = "#include <svm/mock.hpp>"
    if text.count(include) != 1 or text.count("int main()") != 1:
        sys.exit("examples/hello_fault.cpp is not what it was")
    for name, header in (("whole", include), ("extern", "#include <svm/mock/extern.hpp>")):
        own = text.replace(include, header)
        (place / f"{name}_1.cpp").write_text(own, encoding="utf-8")
        (place / f"{name}_2.cpp").write_text(own.replace("int main()", "int again()"), encoding="utf-8")
    (place / "instance.cpp").write_text("#include <svm/mock/instance.hpp>\n", encoding="utf-8")


def main(root: Path, compiler: list[str]) -> bool:
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        write_programs(root, place)
        for optimization in OPTIMIZATIONS:
            options = [*compiler, "-std=c++20", "-DNDEBUG", optimization, "-I", str(root / "include")]

            def build(name: str, *more: str) -> list[list[str]]:
                sources = [f"{name}_1", f"{name}_2"]
                commands = [[*options, "-c", f"{place}/{s}.cpp", "-o", f"{place}/{s}.o"] for s in sources]
                objects = [f"{place}/{s}.o" for s in [*sources, *more]]
                return [*commands, [*options, *objects, "-o", f"{place}/{name}"]]

            once = cpu_seconds([[*options, "-c", f"{place}/instance.cpp", "-o", f"{place}/instance.o"]])
            times = [(cpu_seconds(build("whole")), cpu_seconds(build("extern", "instance"))) for _ in range(ROUNDS)]
            whole, extern = (min(column) for column in zip(*times))
            for name in ("whole", "extern"):
                subprocess.run([f"{place}/{name}"], check=True, stdout=subprocess.DEVNULL)
            good = extern <= MOST * whole
            failed += not good
            print(
                f"{optimization}: {extern:.2f} s on the extern machine, {whole:.2f} s header-only: {extern / whole:.0%}, "
                f"at most {MOST:.0%}; the instance {once:.2f} s, once{'' if good else ': TOO SLOW'}",
                flush=True,
            )
    print(f"{len(OPTIMIZATIONS) - failed} passed, {failed} failed")
    return failed == 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(0 if main(Path(sys.argv[1]).resolve(), sys.argv[2:]) else 1)
