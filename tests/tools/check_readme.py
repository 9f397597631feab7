#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""The README's first program is examples/hello_fault.cpp word for word, and what it prints stands below it.

The picture is what the README's first command draws, and small enough for a repository.

C++ in any other text stands below a line `From [...](FILE):`, which check_pointers.py follows, or is a program
that compiles.

    check_readme.py ROOT HELLO_FAULT_PROGRAM SVMSH COMPILER...
"""

import lzma
import pathlib
import re
import subprocess
import sys
import tempfile


def blocks(text, language):
    return re.findall(r"```" + language + r"\n(.*?)```", text, re.DOTALL)


def compiles(root, compiler, program):
    command = [*compiler, "-std=c++20", "-fsyntax-only", f"-I{root / 'include'}", "-x", "c++", "-"]
    return subprocess.run(command, input=program, text=True, check=False).returncode == 0


def own_programs(text):
    """The blocks of C++ that are no quotation."""
    return blocks(re.sub(r"^From \[[^\]]*\]\([^)]+\):\n\n```cpp\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), "cpp")


def picture(root, svmsh):
    """What examples/first_look.sh draws, by the same words."""
    words = re.search(r"svmsh replay (-.*?) --map \S+ (.*)", (root / "examples/first_look.sh").read_text(encoding="utf-8"))
    trace = lzma.decompress((root / "examples/traces/sqlite.lackey.xz").read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        drawn = pathlib.Path(folder) / "map.svg"
        command = [svmsh, "replay", *words[1].split(), "--map", str(drawn), *words[2].split()]
        subprocess.run(command, input=trace, capture_output=True, check=False)
        return drawn.read_bytes() if drawn.exists() else b""


def main():
    root = pathlib.Path(sys.argv[1])
    readme = (root / "README.md").read_text(encoding="utf-8")
    source = (root / "examples/hello_fault.cpp").read_text(encoding="utf-8")
    program = re.sub(r"\A(//[^\n]*\n)*\n*", "", source)
    output = subprocess.run([sys.argv[2]], capture_output=True, text=True, check=False).stdout
    shown = re.search(r"!\[[^\]]+\]\(([^)]+\.svg)\)", readme)
    image = (root / shown[1]).read_bytes() if shown else b""
    claimed = re.search(r"^## In (\d+) lines$", readme, re.MULTILINE)
    in_main = program[program.index("int main()") :].count("\n")
    checks = {
        "the picture is what the first command draws": image != b"" and image == picture(root, sys.argv[3]),
        "the picture takes at most 150 KB": len(image) <= 150_000,
        f"main has {in_main} lines": claimed is not None and int(claimed[1]) == in_main,
        "the first program is hello_fault.cpp": blocks(readme, "cpp")[:1] == [program],
        "its output stands below it": blocks(readme, "text")[:1] == [output],
        "there are two commands": len(blocks(readme, "sh")) == 2,
    }
    texts = (path for top in ("include", "examples", "benchmarks", "tests") for path in (root / top).rglob("*.md"))
    for path in sorted(texts):
        for number, program in enumerate(own_programs(path.read_text(encoding="utf-8")), 1):
            checks[f"program {number} of {path.relative_to(root)} compiles"] = compiles(root, sys.argv[4:], program)
    for what, good in checks.items():
        if not good:
            print(f"FAILED: {what}")
    print(f"{sum(checks.values())} passed, {len(checks) - sum(checks.values())} failed")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
