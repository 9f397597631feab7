#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Follows what texts and comments point to: each pointer must lead somewhere.

 * a link of a .md file, with its heading where it names one;
 * a file or folder in backticks in a .md file, or in a comment of C++ code, and the profile of a `.ci/long PROFILE`;
 * a rule O-NN of the oracle (include/svm/mock/README.md), an erratum 3.x.y or a defect DN (tests/README.md), and the ID
   of a case (tests/catalogue.md);
 * C++ in a .md file below a line `From [...](FILE):`, which must stand in FILE;
 * a way through the layers in the map of the headers: a list of `FILE`: `FUNCTION`, ..., six files at most.

Each folder that a reader may open has a README.md. No empty line cuts a table, and each row has as many cells as its head.

Usage: check_pointers.py ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from check_cases import CATALOGUE, DEFECT, DEFECTS, ERRATA, ERRATUM, catalogue, errata, ids_in
from checking import comments_only, line_of, report, self_test, without_comments

MAP = "include/svm/README.md"
RULES = "include/svm/mock/README.md"
FOLDERS = ("include", "examples", "tests", "benchmarks", ".github")
CODE = {".hpp", ".cpp"}
# Scripts whose self-tests point to nothing on purpose, and what is recorded or made by a machine.
LEFT_OUT = ("tests/tools/", "tests/golden/svmsh/", "tests/golden/vm_bind/", "tests/fuzz/corpus/")
# Where a path may begin, beside the folder of its text and those above it.
STARTS = ("", "include", "include/svm", "tests", "examples")

SUFFIX = r"\.(?:hpp|cpp|py|md|txt|svm|sh|build)"
PATH = re.compile(rf"(?<![\w./*-])(?:[\w.*-]+/)*[\w.*-]*[\w*]{SUFFIX}\b(?!\()|(?<![\w./-])(?:[\w.-]+/)+(?=[\s`.,;:)]|$)")
LONG = re.compile(r"\.ci/long ([a-z][a-z-]*)")
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\[\]]*\]\(([^)\s]+)\)")
QUOTE = re.compile(r"^From \[[^\]]*\]\(([^)]+)\):\n\n```cpp\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
RULE = re.compile(r"\bO-(?!00)\d\d\b")  # O-00 stands for none
STEP = re.compile(r"^(\d+)\. `([\w/]+\.hpp)`:(.*)$", re.MULTILINE)
SEPARATOR = re.compile(r"\|(?: *:?-+:? *\|)+")


def texts(root: Path) -> list[str]:
    found = [p for p in root.glob("*.md")]
    for folder in FOLDERS:
        found += [p for p in (root / folder).rglob("*") if p.suffix in CODE | {".md", ".svm", ".txt", ".py"}]
    names = sorted(p.relative_to(root).as_posix() for p in found)
    return [n for n in names if not n.startswith(LEFT_OUT) or n.endswith("README.md")]


def blanked(pattern: re.Pattern, text: str) -> str:
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def is_there(root: Path, name: str, path: str) -> bool:
    """Whether `path`, which may have wildcards, is in the tree for somebody who reads `name`."""
    above = [p.as_posix() for p in Path(name).parents]
    for start in dict.fromkeys([*above, *STARTS]):
        place = root / start
        if place.is_dir() and ((place / path).exists() if "*" not in path else any(place.glob(path))):
            return True
    return False


def is_pattern(path: str) -> bool:
    """True for AREA/NAME.hpp and the like, for what a build makes, and for a suffix alone."""
    parts = path.rstrip("/").split("/")
    stands_for = any(re.fullmatch(r"[A-Z][A-Z_]+", part.split(".")[0]) and not part.endswith(".md") for part in parts)
    return stands_for or parts[0].startswith("build") or re.fullmatch(rf"\*?{SUFFIX}", path) is not None


def lost_links(root: Path, name: str, text: str) -> list[str]:
    found = []
    readable = blanked(SPAN, blanked(FENCE, text))
    for m in LINK.finditer(readable):
        if re.match(r"[a-z]+:", m[1]):
            continue
        path, _, heading = m[1].partition("#")
        target = (root / name).parent / path if path else root / name
        if not target.exists():
            found.append(f"{name}:{line_of(text, m.start())}: link to {m[1]}, which is not there")
        elif heading and heading not in map(slug, HEADING.findall(blanked(FENCE, target.read_text(encoding="utf-8")))):
            found.append(f"{name}:{line_of(text, m.start())}: link to {m[1]}, which has no such heading")
    return found


def lost_paths(root: Path, name: str, text: str) -> list[str]:
    if name.endswith(".md"):
        spans = [(m.start(1), m[1]) for m in SPAN.finditer(blanked(FENCE, text))]
        spans += [(m.start(), m[0]) for m in re.finditer(r"^    .*$", blanked(FENCE, text), re.MULTILINE)]
    else:
        spans = [(0, comments_only(text))]
    long = root / ".ci/long"  # a user's copy of the tree may lack it
    lists = re.findall(r"^profiles\+?=\((.*)\)", long.read_text(encoding="utf-8"), re.MULTILINE) if long.exists() else []
    profiles = " ".join(lists).split()
    found = []
    for start, span in spans:
        for m in PATH.finditer(span):
            if not is_pattern(m[0]) and not is_there(root, name, m[0]):
                found.append(f"{name}:{line_of(text, start + m.start())}: {m[0]} is not there")
        for m in LONG.finditer(span):
            if profiles and m[1] not in profiles:
                found.append(f"{name}:{line_of(text, start + m.start())}: .ci/long has no profile {m[1]}")
    return found


def lost_quotes(root: Path, name: str, text: str) -> list[str]:
    def lines(code: str) -> str:
        return "\n" + "\n".join(line.strip() for line in code.splitlines() if line.strip()) + "\n"

    found = []
    for m in QUOTE.finditer(text):
        source = (root / name).parent / m[1]
        if source.exists() and lines(m[2]) not in lines(source.read_text(encoding="utf-8")):
            found.append(f"{name}:{line_of(text, m.start())}: this code is not in {m[1]}")
    return found


def bad_tables(name: str, text: str) -> list[str]:
    found, head = [], None
    lines = blanked(FENCE, text).splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            head = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        if head is None:
            head = cells
            if number == len(lines) or not SEPARATOR.fullmatch(lines[number]):
                found.append(f"{name}:{number}: a table without a head; is it cut by an empty line?")
        elif cells != head:
            found.append(f"{name}:{number}: a row of {cells} cells in a table of {head}")
    return found


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| *([^|]+?) *\|", text, re.MULTILINE)


def lost_ways(root: Path, text: str) -> list[str]:
    """What the ways of the map name and the code has not, and ways of more than six files."""
    found = []
    for m in STEP.finditer(text):
        place = f"{MAP}:{line_of(text, m.start())}"
        header = root / "include/svm" / m[2]
        code = without_comments(header.read_text(encoding="utf-8")) if header.exists() else ""
        found += [f"{place}: {m[2]} has no {f}" for f in SPAN.findall(m[3]) if not re.search(rf"\b{f}\b", code)]
        if int(m[1]) > 6:
            found.append(f"{place}: a way of more than six files")
    return found


def folders_without_readme(root: Path) -> list[str]:
    folders = [root / "tests", root / "benchmarks", root / "examples", root / "include/svm"]
    folders += [p for p in (root / "include/svm").rglob("*") if p.is_dir() and p.name != "impl"]
    folders += [p for p in (root / "examples").glob("*") if p.is_dir()]
    without = [p for p in folders if p.is_dir() and not (p / "README.md").exists()]
    return [f"{p.relative_to(root).as_posix()} has no README.md" for p in sorted(without)]


def check(root: Path) -> list[str]:
    def read(name: str) -> str:
        return (root / name).read_text(encoding="utf-8") if (root / name).exists() else ""

    rules = {c for c in first_cells(read(RULES)) if RULE.fullmatch(c)}
    numbers, _ = errata(root)
    cases, _ = catalogue(root)
    groups = {case[:3] for case in cases}

    found = folders_without_readme(root) + lost_ways(root, read(MAP))
    for name in texts(root):
        text = read(name)
        if name.endswith(".md"):
            found += lost_links(root, name, text) + bad_tables(name, text) + lost_quotes(root, name, text)
        if name.endswith(".md") or Path(name).suffix in CODE:
            found += lost_paths(root, name, text)
        known = [(RULE, rules, RULES), (ERRATUM, numbers, ERRATA)]
        for pattern, where, what in known:
            for m in pattern.finditer(text):
                if m[0] not in where:
                    found.append(f"{name}:{line_of(text, m.start())}: {m[0]} is not in {what}")
        for m in DEFECTS.finditer(text):
            for defect in DEFECT.findall(m[0]):
                if defect not in numbers:
                    found.append(f"{name}:{line_of(text, m.start())}: {defect} is not in {ERRATA}")
        for number, line in enumerate(text.splitlines(), 1):
            unknown = [case for case in ids_in(line) if case[:3] in groups and case not in cases]
            found += [f"{name}:{number}: {case} is not in {CATALOGUE}" for case in unknown]
    return found


def _plants():
    tree = {
        RULES: "| rule | what |\n|---|---|\n| O-01 | holds |\n",
        "include/svm/README.md": "# The map\n\n## A part, and more\n",
        ERRATA: "[cases](catalogue.md)\n\n| n | what |\n|---|---|\n| 3.1.1 | wrong |\n\n| n | what |\n|---|---|\n| D1 | bad |\n",
        CATALOGUE: "## Index (IDX)\n\n| case | what |\n|---|---|\n| IDX-01..02 | It holds. |\n| IDX-03 | Too. |\n",
        "include/svm/mock/page.hpp": "// O-01, 3.1.1, defect D1, IDX-01: as tests/a_test.cpp and mock/page.hpp have it\n",
        "tests/a_test.cpp": 'char const* name = "IDX-03";  // see svm/mock/page.hpp\n',
        ".ci/long": "profiles=(bench)\nprofiles+=(tidy)\n",
    }

    def cut(path: str) -> dict[str, str]:
        return {p: t for p, t in tree.items() if p != path}

    code = "int main() {\n  return 0;\n}\n"
    quote = f"From [a](tests/b.cpp):\n\n```cpp\n{code}```\n"
    return [
        ("a tree where all is there", tree, []),
        ("a rule that is none", tree | {"tests/a.hpp": "// O-02\n"}, ["a.hpp:1: O-02 is not in"]),
        ("an erratum that is none", tree | {"tests/a.hpp": "\n// errata 3.1.1 and 3.2.1\n"}, ["a.hpp:2: 3.2.1 is not in"]),
        ("a version is no erratum", tree | {"a.md": "3.40.1 and 13.1.2 and 3.1.2.4\n"}, []),
        ("a defect that is none", tree | {"tests/a.hpp": "// defects D1 and D2\n"}, ["D2 is not in"]),
        ("a case that is none", tree | {"examples/a.svm": "# IDX-04\n", "examples/README.md": ""}, ["IDX-04 is not in"]),
        ("a case in a range", tree | {"tests/a.hpp": "// IDX-02..04\n"}, ["IDX-04 is not in"]),
        ("a link to nothing", tree | {"README.md": "\n[a](b.md), [c](tests), [d](https://e.f/g.md)\n"},
         ["README.md:2: link to b.md"]),
        ("a link over two lines", tree | {"README.md": "[a\nb](c.md)\n"}, ["README.md:1: link to c.md"]),
        ("links in code", tree | {"README.md": "`[a](b)`\n\n```cpp\n[a](b)\n```\n"}, []),
        ("headings", tree | {"README.md": "[a](include/svm/README.md#a-part-and-more) [b](include/svm/README.md#b)\n"},
         ["no such heading"]),
        ("a file in backticks", tree | {"README.md": "`svm/mock/page.hpp` and `tests/b_test.cpp -x`\n"},
         ["tests/b_test.cpp is not there"]),
        ("a header", tree | {"README.md": "`<svm/mock/page.hpp>` and `<svm/page.hpp>`\n"}, ["svm/page.hpp is not there"]),
        ("a file in indented code", tree | {"README.md": "a\n\n    run tests/b.py now\n"}, ["README.md:3: tests/b.py"]),
        ("a folder", tree | {"README.md": "`mock/`, `mocks/`, `tests/a/`\n"}, ["mocks/ is not", "tests/a/ is not"]),
        ("wildcards", tree | {"README.md": "`tests/*_test.cpp` `tests/b*.cpp` `*.svm`\n"}, ["tests/b*.cpp"]),
        ("patterns", tree | {"README.md": "`AREA/NAME.hpp` `FILE.svg` `.svm` `build/a.txt`\n"}, []),
        ("a file in a comment", tree | {"tests/b.cpp": "/* see\n c.hpp */\n"}, ["b.cpp:2: c.hpp is not there"]),
        ("a file in a string", tree | {"tests/b.cpp": 'auto a = "c.hpp";\n'}, []),
        ("a file of another tree", tree | {"tests/b.cpp": "// mm/mmu_notifier.c, <c.h>\n"}, []),
        ("profiles", tree | {"README.md": "`.ci/long bench`, `.ci/long`, `.ci/long WORD`, `.ci/long soak`\n"},
         ["no profile soak"]),
        ("no .ci", cut(".ci/long") | {"README.md": "`.ci/long soak`\n"}, []),
        ("a way", tree | {MAP: "1. `mock/a.hpp`: `b`, then `c`\n", "include/svm/mock/a.hpp": "void b();  // c\n"},
         ["README.md:1: mock/a.hpp has no c"]),
        ("a long way", tree | {MAP: "7. `mock/a.hpp`: `b`\n", "include/svm/mock/a.hpp": "void b();\n"}, ["six files"]),
        ("a folder without a README", tree | {"include/svm/base/a.hpp": "", "examples/a/b.svm": ""},
         ["include/svm/base has no", "examples has no", "examples/a has no"]),
        ("a table that is cut", tree | {"README.md": "| a | b |\n|---|---|\n| c | d |\n\n| e | f |\n"},
         ["README.md:5: a table without"]),
        ("a row too short", tree | {"README.md": "| a | b |\n|---|---|\n| c |\n"}, ["README.md:3: a row of 1"]),
        ("code that is elsewhere", tree | {"README.md": quote, "tests/b.cpp": "int main() {\n}\n"},
         ["README.md:1: this code is not"]),
        ("code that is there", tree | {"README.md": quote, "tests/b.cpp": f"// b\n\n  {code}"}, []),
    ]  # fmt: skip


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, _plants())
    root = Path(sys.argv[1])
    found = check(root)
    print(*found, sep="\n", end="\n" if found else "")
    return report(0 if found else len(texts(root)), len(found))


if __name__ == "__main__":
    sys.exit(main())
