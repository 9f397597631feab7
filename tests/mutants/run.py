#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Puts each mutant into the headers, and says which tests see it.

Usage: run.py ROOT BUILD [OPTION...] [WORD...]

BUILD is a configured build; its core_test and races_test are built if they are not. A mutant replaces one line of one
header, or moves it before another. Those that can are compiled together, each switched on at run time by its number in
the environment; each of the others is compiled for itself, without the tests, so that those with policies of their own
do not see it.
WORD: only mutants whose area or name has one of the words. Options: --jobs=N (2); --check only looks whether every mutant
still fits its header; --once asks no further when a test case sees a mutant; --generated takes, instead of the mutants that
were written, the deletion of each other statement that takes, drops or tests a lock, flag, sequence or reference.

The programs, in this order: `core`, the tests of the algorithms; `races`, the explorer's; `static`, clang's thread-safety
analysis. For gpuvm/ the tests of that name, and `static`; for placement/ the tests of that name alone. A program is
stopped when two of its test cases see the mutant.
`races` and `static` are both asked for what the tests before them do not see, so what the explorer alone sees is known;
of the generated ones `static` is asked before `races`, and one who sees it is enough.
The last line is `N passed, N failed`: a mutant that nobody sees has failed, unless survivors.txt has its reason.
"""

import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutant import Mutant, generated, mutants_of
from together import SWITCH, culprits, put_together

# What instantiates the library for a program, and is compiled anew.
SOURCES = {
    "core": ["tests/support/instantiate.cpp", "tests/support/operation_runner.cpp", "tests/support/scripted.cpp", "tests/gpusvm/hit_test.cpp"],
    "races": ["tests/explore/races/instantiate.cpp"],
}
# What no mutant of these areas can change.
UNCHANGED = "gpuvm/*,conformance/*,base/*,std/*,mock/*"
# Areas whose tests are compiled from their own folder, and which of these are left out.
ALONE = {"gpuvm": ("exec_threads_test", "exhaustive_test"), "placement": ()}
ENVIRONMENT = os.environ | {"SVM_RACES": "1000", "SVM_OPERATIONS": "12000"}
ENOUGH = 2  # test cases that see a mutant
ENDLESS = "does not end"
NO_MUTANT = "does not compile"
# Of the CPU's time, several times what a program needs without a mutant.
SECONDS = {"core": 60, "gpuvm": 40, "placement": 60, "races": 120}


class Build:
    """The commands of a build, for other headers."""

    def __init__(self, root: Path, build: Path, programs: list[str]):
        self.root, self.build, self.place, self.programs = root, build, build / "mutants", programs
        targets = [f"tests/{program}_test" for program in SOURCES if program in programs]
        subprocess.run(["ninja", "-C", build, "tests/libdoctest_main.a", *targets], check=True, stdout=subprocess.DEVNULL)
        self.commands, self.linkers = {}, {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            path = (build / entry["file"]).resolve()
            name = path.relative_to(build if path.is_relative_to(build) else root).as_posix()
            self.commands[name] = shlex.split(entry["command"])
        for program in SOURCES:
            lines = subprocess.run(
                ["ninja", "-C", build, "-t", "commands", "-s", f"tests/{program}_test"], check=True, capture_output=True, text=True
            ).stdout
            self.linkers[program] = shlex.split(lines.strip().splitlines()[-1])

    def put_together(self, mutants: list[Mutant]) -> None:
        """Makes the programs in which all mutants are that can be switched, unless they are there."""
        self.place.mkdir(exist_ok=True)
        contents = hashlib.sha256(repr([(m.header, m.after, m.old, m.new, m.before, m.nth) for m in mutants]).encode())
        for path in sorted(p for folder in ("include", "tests") for p in (self.root / folder).rglob("*") if p.suffix in (".hpp", ".cpp")):
            contents.update(path.read_bytes())
        made, key = self.place / "made.json", contents.hexdigest()
        if made.exists() and (known := json.loads(made.read_text()))["key"] == key:
            for m, number in zip(mutants, known["numbers"]):
                m.number = number
            return
        self.make_together(mutants)
        made.write_text(json.dumps({"key": key, "numbers": [m.number for m in mutants]}))

    def make_together(self, mutants: list[Mutant]) -> None:
        (self.place / "made.json").unlink(missing_ok=True)
        (self.place / "switch.hpp").write_text(SWITCH)
        overlay = self.place / "include"
        for i, m in enumerate(mutants):
            m.number = i + 1
        while True:
            shutil.rmtree(overlay, ignore_errors=True)
            placed = put_together([m for m in mutants if m.number], self.root / "include", overlay)
            fits = {id(m) for group in placed.values() for m in group}
            for m in mutants:
                m.number = m.number if id(m) in fits else 0
            options = ["-include", str(self.place / "switch.hpp")]
            errors = self.complaints(overlay, options) or self.make_all(overlay, options)
            if not errors:
                return
            wrong = culprits(errors, placed, overlay)
            if not wrong:
                raise RuntimeError(errors)
            for m in wrong:
                m.number = 0

    def make_all(self, overlay: Path, options: list[str]) -> str:
        with ThreadPoolExecutor(2) as pool:
            return "".join(pool.map(lambda program: self.make(program, overlay, self.place, options), self.programs))

    def complaints(self, overlay: Path, options: list[str]) -> str:
        """What the compiler says of all sources before it makes anything of them, which takes a third of the time."""
        sources = [source for program in self.programs if program not in ALONE for source in (*SOURCES[program], *self.bundles(program))]
        with ThreadPoolExecutor(2) as pool:
            said = pool.map(lambda source: self.compile(source, overlay, Path(os.devnull), [*options, "-fsyntax-only"]), sources)
            alone = pool.map(
                lambda area: self.make_alone(area, overlay, self.place, [*options, "-fsyntax-only"]), [p for p in self.programs if p in ALONE]
            )
            return "".join((*said, *alone))

    def bundles(self, program: str) -> list[str]:
        return [name for name in self.commands if re.fullmatch(rf"tests/{program}_\d+\.cpp", name)]

    def make(self, program: str, overlay: Path, into: Path, options: list[str]) -> str:
        """Makes a program with the headers of `overlay`; the errors, or nothing."""
        if program in ALONE:
            return self.make_alone(program, overlay, into, options)
        objects, errors = [], ""
        for source in SOURCES[program]:
            objects.append(into / f"{program}_{Path(source).stem}.o")
            errors += self.compile(source, overlay, objects[-1], ["-O1", *options])
        words = list(self.linkers[program])
        if into == self.place and not errors:  # what templates the tests instantiate by themselves
            for bundle in self.bundles(program):
                objects.append(into / f"{Path(bundle).stem}.o")
                errors += self.compile(bundle, overlay, objects[-1], options)
            words = [w for w in words if not w.endswith(f"lib{program}_tests.a")]
        if errors:
            return errors
        # What is in an archive goes unused where an object has it.
        old = tuple(f"{source.rsplit('/', 1)[-1]}.o" for source in SOURCES[program])
        words = [w for w in words if not w.endswith(old)]
        words[words.index("-o") + 1] = str(into / program)
        words[words.index("-o") + 2 : words.index("-o") + 2] = map(str, objects)
        done = subprocess.run(words, cwd=self.build, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return ""

    def compile(self, source: str, overlay: Path, output: Path, options: list[str]) -> str:
        words = list(self.commands[source])
        words[words.index("-o") + 1] = str(output)
        for flag in ("-MF", "-MQ"):
            at = words.index(flag)
            del words[at : at + 2]
        words = [w for w in words if not re.fullmatch(r"-g|-W.*|-MD|-fdiagnostics-color=always", w)]
        first = next(i for i, w in enumerate(words) if w.startswith("-"))
        words[first:first] = [f"-I{overlay}", "-w"]
        done = subprocess.run([*words, *options], cwd=self.build, capture_output=True, text=True)
        return done.stderr if done.returncode != 0 else ""

    def make_alone(self, area: str, overlay: Path, into: Path, options: list[str]) -> str:
        tests, bundle = self.root / "tests", into / f"{area}.cpp"
        sources = [p for p in sorted((tests / area).glob("*_test.cpp")) if p.stem not in ALONE[area]]
        subprocess.run([sys.executable, "-B", tests / "tools/bundle.py", bundle, "--", *sources], check=True)
        command = ["g++", *self.includes(overlay), "-w", *options, bundle, self.build / "tests/libdoctest_main.a", "-o", into / area]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stderr if done.returncode != 0 else ""

    def includes(self, overlay: Path) -> list[str]:
        paths = (overlay, self.root / "include", self.root / "tests")
        return ["-std=c++20", *(f"-I{path}" for path in paths), "-DSVM_ASSERTIONS=1", "-pthread"]


def listen(program: Path, number: int, options: list[str], enough: int) -> tuple[list[str], str]:
    """Runs a doctest program until `enough` test cases fail: their names, and how it ended other than by itself."""
    failed, current, crash = [], "", ""
    seconds = SECONDS[program.name]
    command = ["stdbuf", "-oL", program, "--no-colors", "--abort-after=200", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT | {"SVM_MUTANT": str(number)}, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds)), text=True, errors="replace"
    ) as run:  # fmt: skip
        watch = threading.Timer(5 * seconds, run.kill)  # one that waits for ever computes nothing
        watch.start()
        for line in run.stdout:
            if line.startswith("TEST CASE:"):
                current = line[10:].strip()
            elif "ERROR: " in line and current not in failed:
                failed.append(current)
                if "CRASHED" in line:
                    crash = (re.search(r"SIG[A-Z]+", line) or ["crash"])[0]
                if len(failed) >= enough:
                    run.kill()
                    break
        watch.cancel()
    if not failed and run.returncode != 0:
        crash = f"ends with {run.returncode}" if run.returncode > 0 else ENDLESS
    return failed, crash


def verdict(program: Path, number: int, first: str, unchanged: str, enough: int) -> str:
    """What a program says against a mutant: up to `enough` test cases, those of the suites `first` first."""
    said, skipped, crash = [], [], ""
    for options in ([f"--test-suite={first}"], []) if first else ([],):
        leave = ",".join(w for w in (unchanged, first if first and not options else "") if w)
        options = [*options, *([f"--test-suite-exclude={leave}"] if leave else [])]
        while len(said) < enough:
            without = [f"--test-case-exclude={','.join(skipped)}"] if skipped else []
            names, crash = listen(program, number, [*options, *without], enough - len(said))
            said += [name for name in names if name not in said] or ([crash] if crash else [])
            if crash == ENDLESS:  # and nobody knows which test case it was
                return " | ".join(said)
            if not crash or not names:
                break
            skipped.append(re.sub(r"[,\\]", "?", names[-1]))  # a crash hides what would come after it
    return " | ".join(name[:70] for name in said[:enough])


def programs_of(area: str) -> list[str]:
    return {"gpuvm": ["gpuvm", "static"], "placement": ["placement"]}.get(area, ["core", "races", "static"])


def ask(build: Build, m: Mutant, one_is_enough: bool, cases: int) -> None:
    programs = programs_of(m.area)
    if one_is_enough and "races" in programs:
        programs = ["core", "static", "races"]
    enough = {"compiler", *(programs if one_is_enough else programs[:1])}
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        target = scratch / "include" / m.header
        target.parent.mkdir(parents=True)
        target.write_text(m.applied(build.root / "include"))
        for program in programs:
            if enough & m.seen_by.keys():
                return
            if said := judge(build, m, program, scratch, cases):
                m.seen_by["compiler" if said == NO_MUTANT else program] = said


def judge(build: Build, m: Mutant, program: str, scratch: Path, cases: int) -> str:
    overlay = scratch / "include"
    if program == "static":
        source = build.root / "tests" / ("gpuvm/objects_test.cpp" if m.area == "gpuvm" else "support/instantiate.cpp")
        command = ["clang++-14", *build.includes(overlay), "-fsyntax-only", "-Wthread-safety", "-Werror=thread-safety", source]
        complaint = re.search(r"error: (.*) \[-Werror,-Wthread-safety", subprocess.run(command, capture_output=True, text=True).stderr)
        return complaint[1] if complaint else ""
    if not m.number and build.make(program, overlay, scratch, ["-O0"]):
        return NO_MUTANT
    where = (build.place if m.number else scratch) / program
    return verdict(where, m.number, *suites_of(program, m.area), cases)


def suites_of(program: str, area: str = "") -> tuple[str, str]:
    """Which suites to ask first, and which not at all."""
    return (f"{area}*", UNCHANGED) if program == "core" else ("", "")


def summary(mutants: list[Mutant]) -> str:
    groups: dict[str, list[Mutant]] = {name: [] for name in ("core", "races", "static", "several", "compiler", "")}
    for m in mutants:
        programs = ["core" if program in ALONE else program for program in m.seen_by]
        groups["several" if len(programs) > 1 else "".join(programs)].append(m)
    twice = sum(1 for m in mutants if len(m.seen_by) > 1 or any(" | " in said for said in m.seen_by.values()))
    lines = [f"by races alone: {m.area}: {m.name}" for m in groups["races"]]
    lines.append(f"seen twice or more: {twice} of {len(mutants)}; not compilable: {len(groups['compiler'])}")
    lines.append(
        f"by core (who else would is not known) {len(groups['core'])}, by races alone {len(groups['races'])}, by static alone {len(groups['static'])}, "
        f"by several {len(groups['several'])}, survivors {len(groups[''])}"
    )
    return "\n".join(lines)


def main() -> int:
    options = {w for w in sys.argv[3:] if w.startswith("--")}
    words = [w for w in sys.argv[3:] if not w.startswith("--")]
    root, where = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder = root / "tests/mutants"
    every = mutants_of(folder)
    if "--generated" in options:
        every = generated(root / "include", every)
    mutants = [m for m in every if not words or any(w in f"{m.area} {m.name}" for w in words)]
    for m in mutants:
        m.applied(root / "include")
    lines = [line for line in (folder / "survivors.txt").read_text().splitlines() if line and line[0] != "#"]
    reasons = {m.name: line[len(m.name) + 2 :] for m in mutants for line in lines if line.startswith(f"{m.name}: ")}
    if "--check" in options:
        print(f"{len(mutants)} passed, 0 failed")
        return 0
    jobs = next((int(o[7:]) for o in options if o.startswith("--jobs=")), 2)
    build = Build(root, where, [p for p in ("core", "races", *ALONE) if any(p in programs_of(m.area) for m in mutants)])
    build.put_together(mutants)
    # The tests must have nothing to say against the library as it is.
    for program in build.programs:
        if said := verdict(build.place / program, 0, *suites_of(program), ENOUGH):
            raise RuntimeError(f"without a mutant, {program}: {said}")
    print(f"{sum(m.number != 0 for m in mutants)} of {len(mutants)} are compiled together", flush=True)

    def run(m: Mutant) -> Mutant:
        begin = time.monotonic()
        ask(build, m, "--generated" in options, 1 if "--once" in options else ENOUGH)
        m.seconds = time.monotonic() - begin
        return m

    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for m in pool.map(run, mutants):
            seen = "; ".join(f"{program}: {said}" for program, said in m.seen_by.items())
            survives = not m.seen_by
            failed += survives and m.name not in reasons
            print(f"{m.area:8}{m.name:72} {m.seconds:4.0f} s  {seen or 'NOBODY: ' + reasons.get(m.name, 'and no reason')}", flush=True)
    print(summary(mutants))
    print(f"{len(mutants) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
