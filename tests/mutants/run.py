#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Puts each mutant into the headers, and says which tests see it.

Usage: run.py ROOT BUILD [OPTION...] [WORD...]

BUILD is a configured build; its core_test and races_test are built if they are not. A mutant replaces one line of one
header. Only the files that instantiate the library are compiled anew, and linked with what the build has.
WORD: only mutants whose area or name has one of the words. Options: --all asks every program, also when one has seen the
mutant already; --jobs=N (2); --check only looks whether every mutant still fits its header; --generated takes, instead of
the mutants that were written, the deletion of each statement that takes, drops or tests a lock, a flag, a sequence or a
reference.

The programs, in this order: `core`, the tests of the algorithms; `races`, the explorer's; `static`, clang's thread-safety
analysis. For gpuvm/ the tests of that name, and `static`. The last line is `N passed, N failed`: a mutant that nobody sees
has failed, unless survivors.txt has its reason.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

AREAS = ("gpusvm", "pagemap", "driver", "gpuvm")
INSTANTIATE = {
    "core": "tests/support/instantiate.cpp",
    "races": "tests/explore/races/instantiate.cpp",
}
# What --generated deletes.
STATEMENT = re.compile(
    r"""(exclusive_guard|shared_guard)\b.*;            # a lock is taken
    | \S*(\.|->)(lock|unlock|get|put|get_user|put_user|set|store|fetch_\w+|charge|uncharge|begin_pending_locked)\(.*\);
    | (get|put|set|live_\.get|unlist|enlist)\(.*\);
    | if\ \(.*\b(has|read_retry|is_cancelled|retired_|closed_|unbound_|is_bound|is_linked|try_get|is_detached|alive)\b.*\)\ return.*;
    """,
    re.X,
)
# What no mutant of these areas can change, and what takes long without the optimizer.
CORE_OPTIONS = ["--test-suite-exclude=gpuvm/*,conformance/*,base/*,std/*,mock/*"]
ENVIRONMENT = os.environ | {"SVM_OPERATIONS": "12000"}
MOST_FAILURES = 20  # after which a program is heard enough
SECONDS = 120


@dataclass
class Mutant:
    area: str
    name: str
    header: str = ""
    after: str = ""
    old: str = ""
    new: str = ""
    nth: int | None = None  # of the lines that are the same; None: there is one, or `after` says which
    seen_by: dict = field(default_factory=dict)  # program: what it says

    def applied(self, include: Path) -> str:
        """The header with the mutant in it."""
        text = (include / self.header).read_text()
        begin = text.index(self.after) if self.after in text else -1
        places = [m for m in re.finditer(rf"^[ ]*{re.escape(self.old)}$", text, re.M) if m.start() >= begin]
        vague = self.nth is None and not self.after and len(places) > 1
        if begin < 0 or vague or len(places) <= (self.nth or 0):
            raise ValueError(f"{self.area}: {self.name}: its line is in {self.header} {len(places)} times")
        first = places[self.nth or 0]
        return text[: first.start()] + self.new + text[first.end() :]


def mutants_of(folder: Path) -> list[Mutant]:
    result = []
    for area in AREAS:
        for line in (folder / f"{area}.txt").read_text().splitlines():
            if line.startswith("== "):
                result.append(Mutant(area, line[3:]))
            elif line.startswith("after "):
                result[-1].after = line[6:]
            elif line[:2] == "- ":
                result[-1].old = line[2:]
            elif line[:1] == "+":
                result[-1].new = line[2:]
            elif line.startswith("svm/"):
                result[-1].header = line
    return result


def generated(include: Path) -> list[Mutant]:
    result = []
    for area in AREAS:
        for path in sorted((include / "svm" / area).glob("*.hpp")):
            seen = {}
            for line in path.read_text().splitlines():
                text = line.strip()
                if not STATEMENT.fullmatch(text.split("  //")[0]):
                    continue
                nth = seen[text] = seen.get(text, -1) + 1
                header = path.relative_to(include).as_posix()
                result.append(Mutant(area, f"{header} {nth}: {text}", header, old=text, nth=nth))
    return result


class Build:
    """The commands of a build, for one file changed."""

    def __init__(self, root: Path, build: Path):
        self.root, self.build = root, build
        subprocess.run(["ninja", "-C", build, "tests/core_test", "tests/races_test"], check=True, stdout=subprocess.DEVNULL)
        commands = json.loads((build / "compile_commands.json").read_text())
        self.objects, self.compilers = {}, {}
        for program, source in INSTANTIATE.items():
            for entry in commands:
                path = (build / entry["file"]).resolve()
                if path == root / source:
                    words = shlex.split(entry["command"])
                    self.objects[program] = words[words.index("-o") + 1]
                    self.compilers[program] = [w for w in words if w != "ccache"]
        for program in INSTANTIATE:
            if said := verdict(build / f"tests/{program}_test", options_of(program)):
                raise RuntimeError(f"without a mutant, {program}: {said}")
        self.linkers = {}
        for program in INSTANTIATE:
            lines = subprocess.run(
                ["ninja", "-C", build, "-t", "commands", "-s", f"tests/{program}_test"], check=True, capture_output=True, text=True
            ).stdout
            self.linkers[program] = shlex.split(lines.strip().splitlines()[-1])

    def compile(self, program: str, overlay: Path, output: Path, options: list[str]) -> subprocess.CompletedProcess:
        words = list(self.compilers[program])
        words[words.index("-o") + 1] = str(output)
        words = [w for w in words if not re.fullmatch(r"-O\S+|-g", w)]
        words[1:1] = [f"-I{overlay}", *options]
        for flag in ("-MF", "-MQ"):
            at = words.index(flag)
            del words[at : at + 2]
        words.remove("-MD")
        return subprocess.run(words, cwd=self.build, capture_output=True, text=True)

    def link(self, program: str, changed: Path, output: Path) -> subprocess.CompletedProcess:
        words = list(self.linkers[program])
        words[words.index("-o") + 1] = str(output)
        if self.objects[program] in words:
            words[words.index(self.objects[program])] = str(changed)
        else:  # it is in a library, which a definition in an object goes before
            words.insert(words.index("-o") + 2, str(changed))
        return subprocess.run(words, cwd=self.build, capture_output=True, text=True)


def options_of(program: str) -> list[str]:
    return CORE_OPTIONS if program == "core" else []


def verdict(program: Path, options: list[str]) -> str:
    """What a doctest program says against a mutant; empty when it says nothing."""
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(
                [program, "--no-colors", f"--abort-after={MOST_FAILURES}", *options],
                stdout=out, stderr=subprocess.STDOUT, env=ENVIRONMENT, timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "does not end"
        if done.returncode == 0:
            return ""
        out.seek(0)
        text = out.read().decode(errors="replace")
    count = re.search(r"test cases:.*?(\d+) failed", text)
    name = re.search(r"TEST CASE: +(.*?)\n(?:(?!TEST CASE:).)*?ERROR: ", text, re.S)
    crash = re.search(r"SIG[A-Z]+", text)
    return f"{count[1] if count else '?'} cases{', ' + crash[0] if crash else ''}: {name[1][:70] if name else text[-80:]}"


def ask(build: Build, m: Mutant, scratch: Path, everybody: bool) -> None:
    overlay = scratch / "include"
    target = overlay / m.header
    target.parent.mkdir(parents=True)
    target.write_text(m.applied(build.root / "include"))
    programs = ["gpuvm", "static"] if m.area == "gpuvm" else ["core", "races", "static"]
    for program in programs:
        if m.seen_by and not everybody:
            return
        said = judge(build, m, program, overlay, scratch)
        if said:
            m.seen_by[program] = said


def judge(build: Build, m: Mutant, program: str, overlay: Path, scratch: Path) -> str:
    tests = build.root / "tests"
    common = ["-std=c++20", f"-I{overlay}", f"-I{build.root / 'include'}", f"-I{tests}", "-DSVM_ASSERTIONS=1", "-pthread"]
    if program == "static":
        source = tests / ("gpuvm/objects_test.cpp" if m.area == "gpuvm" else "support/instantiate.cpp")
        done = subprocess.run(
            ["clang++-14", *common, "-fsyntax-only", "-Wthread-safety", "-Werror=thread-safety", source],
            capture_output=True,
            text=True,
        )
        complaint = re.search(r"error: (.*)", done.stderr)
        return complaint[1] if complaint else ""
    if program == "gpuvm":
        bundle, output = scratch / "gpuvm.cpp", scratch / "gpuvm_test"
        sources = [p for p in sorted((tests / "gpuvm").glob("*_test.cpp")) if p.stem not in ("exec_threads_test", "exhaustive_test")]
        subprocess.run([sys.executable, tests / "tools/bundle.py", bundle, "--", *sources], check=True)
        made = subprocess.run(
            ["g++", *common, bundle, build.build / "tests/libdoctest_main.a", "-o", output], capture_output=True, text=True
        )
        return verdict(output, []) if made.returncode == 0 else "does not compile"
    changed, output = scratch / f"{program}.o", scratch / program
    # Without the optimizer it compiles twice as fast; the tests' own lines are compiled so too.
    if build.compile(program, overlay, changed, ["-O0", "-w"]).returncode != 0:
        return "does not compile"
    linked = build.link(program, changed, output)
    if linked.returncode != 0:
        raise RuntimeError(linked.stderr)
    return verdict(output, options_of(program))


def main() -> int:
    options = {w for w in sys.argv[3:] if w.startswith("--")}
    words = [w for w in sys.argv[3:] if not w.startswith("--")]
    root, where = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder = root / "tests/mutants"
    every = generated(root / "include") if "--generated" in options else mutants_of(folder)
    mutants = [m for m in every if not words or any(w in f"{m.area} {m.name}" for w in words)]
    for m in mutants:
        m.applied(root / "include")
    if "--check" in options:
        print(f"{len(mutants)} passed, 0 failed")
        return 0
    reasons = dict(line.split(": ", 1) for line in (folder / "survivors.txt").read_text().splitlines() if ": " in line and line[0] != "#")
    build = Build(root, where)
    jobs = next((int(o[7:]) for o in options if o.startswith("--jobs=")), 2)

    def run(m: Mutant) -> Mutant:
        scratch = Path(tempfile.mkdtemp())
        try:
            ask(build, m, scratch, "--all" in options)
        finally:
            shutil.rmtree(scratch)
        return m

    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for m in pool.map(run, mutants):
            seen = "; ".join(f"{program}: {said}" for program, said in m.seen_by.items())
            survives = not m.seen_by
            failed += survives and m.name not in reasons
            print(f"{m.area:8}{m.name:72} {seen or 'NOBODY: ' + reasons.get(m.name, 'and no reason')}", flush=True)
    print(f"{len(mutants) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
