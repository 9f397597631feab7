#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Runs the benchmarks in turns and says which goals are reached.

Usage: report.py [--build DIR] [--md FILE] [--json FILE] [--svg FILE] [--seconds N] [--repetitions N] [--goals FILE]
                 [--instructions]

With --instructions it counts the instructions of a fault alone, which needs valgrind. They do not depend on a busy machine:
more than a tenth above a goal is a failure, and the last line is `N passed, N failed`.

Without --build it configures and compiles build-bench/ beside this folder. All programs run once, then all of them again,
until the time is up; a figure is the median of what was measured. A ratio divides two figures of the same run, so that it
means something on a busy machine too; nanoseconds do not.

The goals stand in goals.json, each with the two rows that it divides and one of these comparisons:
  speedup   baseline / ours is at least the goal
  cost      ours / baseline is at most the goal
  extra     ours - baseline is at most the goal
  at_most   ours is at most the goal; at_least: at least
A guard is a comparison of the same kind. Where it does not hold the goal has no verdict, and its ratio is not shown.
"""

import argparse
import json
import math
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MOST_SECONDS = 570  # a build included
MIN_TIME = "0.02"  # seconds a row and turn
TURNS = 2  # of the rows of a group, in one run of a program
SVMSH_SECONDS = 200  # of compilation
REPLAYED = 4_000_000  # accesses
TOLERANCE = 0.1  # of an instruction count
# What Google Benchmark says of every row; all other numbers are figures.
COMMON = {
    "family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads", "iterations", "real_time",
    "cpu_time",
}  # fmt: skip


# ---- Rows and figures.


def rows_in(text):
    """(name, backend, figures or the message of an error) for each row of a program's JSON."""
    found = []
    for row in json.loads(text)["benchmarks"]:
        name = row["run_name"].removesuffix("/manual_time")
        if row.get("error_occurred"):
            found.append((name, row.get("label", ""), row.get("error_message", "failed")))
        else:
            figures = {k: v for k, v in row.items() if k not in COMMON and isinstance(v, (int, float))}
            found.append((name, row.get("label", ""), figures))
    return found


class Samples:
    """What was measured of each row, in the order in which the rows came first."""

    def __init__(self):
        self.figures = {}  # name -> {value: [sample]}
        self.backends = {}
        self.errors = {}

    def add(self, rows):
        for name, backend, figures in rows:
            self.backends[name] = backend
            values = self.figures.setdefault(name, {})
            if isinstance(figures, str):
                self.errors[name] = figures
                continue
            for value, figure in figures.items():
                values.setdefault(value, []).append(figure)

    def median(self, name, value):
        """None where the row, or this figure of it, was not measured, or once failed."""
        samples = self.figures.get(name, {}).get(value)
        return statistics.median(samples) if samples and name not in self.errors else None

    def names(self):
        return list(self.figures)


# ---- Goals.


def compared(how, ours, baseline):
    """The figure that is held against the goal."""
    return {
        "speedup": lambda: baseline / ours,
        "cost": lambda: ours / baseline,
        "extra": lambda: ours - baseline,
        "at_most": lambda: ours,
        "at_least": lambda: ours,
    }[how]()


def holds(how, figure, goal):
    return figure >= goal if how in ("speedup", "at_least") else figure <= goal


def comparison(goal, key, samples):
    """(ours, baseline, figure) of a goal or guard at one argument; the figure is None where a row is missing."""
    value = goal.get("value", "cpu_ns")
    ours = samples.median(goal["ours"].replace("{}", key), value)
    baseline = samples.median(goal["baseline"].replace("{}", key), value) if "baseline" in goal else None
    if ours is None or ("baseline" in goal and baseline is None):
        return ours, baseline, None
    if (goal["compare"] == "speedup" and ours <= 0) or (goal["compare"] == "cost" and baseline <= 0):
        return ours, baseline, None
    return ours, baseline, compared(goal["compare"], ours, baseline)


def judge(goals, samples):
    """A verdict for each goal at each of its arguments."""
    verdicts = []
    for goal in goals["goals"]:
        for key, wanted in goal["at"].items():
            ours, baseline, figure = comparison(goal, key, samples)
            verdict = {
                "name": goal["what"].replace("{}", key),
                "ours": ours,
                "baseline": baseline,
                "ratio": figure,
                "goal": wanted,
                "reached": None if figure is None else holds(goal["compare"], figure, wanted),
                "compare": goal["compare"],
                "value": goal.get("value", "cpu_ns"),
                "ours_row": goal["ours"].replace("{}", key),
                "baseline_row": goal.get("baseline", "").replace("{}", key),
                "backend": samples.backends.get(goal["ours"].replace("{}", key), ""),
                "note": "",
            }
            if figure is None:
                missing = [
                    row
                    for row in (verdict["ours_row"], verdict["baseline_row"])
                    if row and samples.median(row, verdict["value"]) is None
                ]
                failed = [f"{row}: {samples.errors[row]}" for row in missing if row in samples.errors]
                verdict["note"] = "failed: " + "; ".join(failed) if failed else "not measured"
            elif "guard" in goal:
                guard = goals["guards"][goal["guard"]]
                guard_key = key if key in guard["at"] else "" if "" in guard["at"] else None
                if guard_key is not None:
                    _, _, fair = comparison(guard, guard_key, samples)
                    if fair is None or not holds(guard["compare"], fair, guard["at"][guard_key]):
                        verdict["ratio"] = verdict["reached"] = None
                        seen = "not measured" if fair is None else f"{fair:.2f} against {guard['at'][guard_key]:g}"
                        verdict["note"] = f"no verdict: {guard['says']} ({seen})"
            verdicts.append(verdict)
    return verdicts


def fairness(goals, samples):
    """(what a guard compares, figure, bound, whether it holds), for every guard that was measured."""
    lines = []
    for guard in goals["guards"].values():
        for key, bound in guard["at"].items():
            _, _, figure = comparison(guard, key, samples)
            if figure is not None:
                rows = f"{guard['ours']} against {guard['baseline']}".replace("{}", key)
                lines.append((rows, figure, bound, holds(guard["compare"], figure, bound)))
    return lines


# ---- What comes out.


def number(figure):
    if figure is None:
        return ""
    if abs(figure) >= 1e6:
        return f"{figure / 1e6:.1f}M"
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def goal_text(verdict):
    sign = "" if verdict["compare"] in ("speedup", "at_least") else "at most "
    unit = "x" if verdict["compare"] in ("speedup", "cost") else ""
    return f"{sign}{number(verdict['goal'])}{unit}"


def ratio_text(verdict):
    if verdict["ratio"] is None:
        return ""
    unit = "x" if verdict["compare"] in ("speedup", "cost") else ""
    return f"{number(verdict['ratio'])}{unit}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def markdown(goals, samples, verdicts, repetitions):
    reached = sum(v["reached"] is True for v in verdicts)
    missed = sum(v["reached"] is False for v in verdicts)
    lines = ["# What the benchmarks say", ""]
    lines += [
        f"{reached} goals reached, {missed} missed, {len(verdicts) - reached - missed} without a verdict. Figures are",
        f"medians of {repetitions * TURNS} interleaved repetitions or more: nanoseconds of the thread's CPU time, unless",
        "another word stands there.",
        "",
        "## Goals",
        "",
    ]
    lines += table(
        ["what", "figure", "backend", "ours", "baseline", "ratio", "goal", "reached"],
        (
            [
                v["name"],
                v["value"],
                v["backend"],
                number(v["ours"]),
                number(v["baseline"]),
                ratio_text(v),
                goal_text(v),
                {True: "yes", False: "no", None: v["note"]}[v["reached"]],
            ]
            for v in verdicts
        ),
    )
    lines += ["", "## Whether the baselines are fair", ""]
    lines += table(
        ["compared", "times", "bound", "holds"],
        (
            [rows, number(figure), number(bound), "yes" if fair else "no"]
            for rows, figure, bound, fair in fairness(goals, samples)
        ),
    )
    lines += ["", "## All rows", ""]
    rows = []
    for name in samples.names():
        values = samples.figures[name]
        others = [f"{v} {number(samples.median(name, v))}" for v in values if v not in ("cpu_ns", "wall_ns")]
        rows.append(
            [
                name,
                samples.backends[name],
                number(samples.median(name, "cpu_ns")),
                number(samples.median(name, "wall_ns")),
                samples.errors.get(name, ", ".join(others)),
            ]
        )
    lines += table(["row", "backend", "CPU ns", "wall ns", "others"], rows)
    return "\n".join(lines) + "\n"


PANELS = (
    ("New fault, 1 page, ns", "fault/new/{}/pages:1/live:", "live ranges"),
    ("Repeated fault, ns", "fault/repeated/{}/pages:16/live:", "live ranges"),
    ("Find a range, dense, ns", "index/find_dense/{}/ranges:", "ranges"),
)
BASELINES = {"model": "#6b7280", "std_map": "#6b7280"}
COLOURS = ("#d97706", "#2563eb", "#059669", "#9333ea", "#dc2626")


def series_of(samples, pattern):
    """{case: [(argument, ns)]} of the rows of one operation."""
    before, after = pattern.split("{}")
    found = {}
    for name in samples.names():
        case = name.removeprefix(before).split("/")[0]
        wanted = before + case + after
        figure = samples.median(name, "cpu_ns")
        if name.startswith(wanted) and name[len(wanted) :].isdigit() and figure:
            found.setdefault(case, []).append((int(name[len(wanted) :]), figure))
    return {case: sorted(points) for case, points in found.items()}


def chart(samples):
    """Cost against the number of ranges, both on logarithmic scales."""
    width, height, left, top, gap = 300, 260, 56, 40, 150
    panels = [(title, series_of(samples, pattern), what) for title, pattern, what in PANELS]
    everything = [point for _, series, _ in panels for points in series.values() for point in points]
    low, high = 0, 1
    if everything:
        low = math.floor(math.log10(min(ns for _, ns in everything)))
        high = max(low + 1, math.ceil(math.log10(max(ns for _, ns in everything))))
    first, last = 2, 6
    total = left + len(panels) * (width + gap) - 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{top + height + 56}" '
        f'viewBox="0 0 {total} {top + height + 56}" font-family="sans-serif" font-size="12">',
        "<title>Cost of an operation against the number of ranges</title>",
        f'<rect width="{total}" height="{top + height + 56}" fill="#ffffff"/>',
    ]
    for index, (title, series, what) in enumerate(panels):
        origin = left + index * (width + gap)

        def x(n, origin=origin):
            return origin + (math.log10(n) - first) / (last - first) * width

        def y(ns):
            return top + height - (math.log10(ns) - low) / (high - low) * height

        out.append(f'<text x="{origin}" y="{top - 18}" font-size="14" font-weight="bold">{title}</text>')
        for power in range(low, high + 1):
            at = y(10**power)
            out.append(f'<line x1="{origin}" x2="{origin + width}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e5e7eb"/>')
            out.append(f'<text x="{origin - 6}" y="{at + 4:.1f}" text-anchor="end">{10**power:g}</text>')
        for power in range(first, last + 1):
            out.append(f'<text x="{x(10**power):.1f}" y="{top + height + 18}" text-anchor="middle">1e{power}</text>')
        out.append(f'<text x="{origin + width / 2}" y="{top + height + 40}" text-anchor="middle">{what}</text>')
        ours = [case for case in series if case not in BASELINES]
        lowest = 0  # the label above
        for case, points in sorted(series.items(), key=lambda one: -one[1][-1][1]):
            colour = BASELINES.get(case) or COLOURS[ours.index(case) % len(COLOURS)]
            line = " ".join(f"{x(n):.1f},{y(ns):.1f}" for n, ns in points)
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            out += [f'<circle cx="{x(n):.1f}" cy="{y(ns):.1f}" r="3" fill="{colour}"/>' for n, ns in points]
            label = lowest = max(y(points[-1][1]) + 4, lowest + 13)
            out.append(f'<text x="{x(points[-1][0]) + 7:.1f}" y="{label:.1f}" fill="{colour}">{case}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


# ---- Running.


def say(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    """The programs of a build, and the time that they may take."""

    def __init__(self, build, began, seconds):
        self.build, self.began, self.seconds = build, began, seconds
        folder = build / "benchmarks"
        self.programs = sorted(p for p in folder.glob("bench_*") if p.is_file() and os.access(p, os.X_OK))
        self.counter = folder / "count_instructions"
        self.maker = folder / "make_trace"
        self.svmsh = build / "examples/svmsh/svmsh"
        self.took = {}
        self.bad = []  # what failed, so that the exit status tells

    def left(self):
        return self.seconds - (time.monotonic() - self.began)

    def program(self, path, samples):
        """Runs one program, if there is the time that it took before; False when there is not."""
        if self.left() < self.took.get(path, 1):
            return False
        start = time.monotonic()
        command = [str(path), f"--benchmark_min_time={MIN_TIME}", f"--turns={TURNS}", "--benchmark_format=json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.left())
        except subprocess.TimeoutExpired:
            if path not in self.took:
                self.bad.append(f"{path.name}: the time was up")
            return False
        self.took[path] = time.monotonic() - start
        try:
            if done.returncode != 0:
                raise ValueError(done.stderr.strip().splitlines()[-1:] or done.returncode)
            samples.add(rows_in(done.stdout))
        except (ValueError, KeyError) as e:
            self.bad.append(f"{path.name}: {e}")
        return True

    def replay(self, trace, row, lines, samples):
        """Replays a trace, and notes how many lines or accesses a CPU second it was."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([str(self.svmsh), "replay", str(trace)], capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        if done.returncode != 0 or f"{REPLAYED}".encode() not in done.stdout:
            self.bad.append(f"{row}: {done.stderr.decode(errors='replace').strip()}")
        elif spent > 0:
            samples.add([(row, "mock", {"cpu_ns": spent / lines * 1e9, "per_cpu_second": lines / spent})])

    def instructions(self, samples):
        """Counts the instructions of a fault."""
        for what in ("new", "repeated"):
            with tempfile.TemporaryDirectory() as scratch:
                command = ["valgrind", "--tool=callgrind", "--toggle-collect=*counted_fault*"]
                command += [f"--callgrind-out-file={scratch}/out", str(self.counter), what]
                done = subprocess.run(command, capture_output=True, text=True)
            found = re.search(r"Collected : (\d+)", done.stderr)
            if done.returncode != 0 or not found:
                self.bad.append(f"count_instructions {what}: {done.stderr.strip()[-200:]}")
                continue
            each = int(found[1]) / int(done.stdout)
            samples.add([(f"callgrind/{what}/null_lock/pages:1/live:1000", "costless", {"instructions": each})])

    def all(self, repetitions, samples):
        """Returns how often all programs ran."""
        with tempfile.TemporaryDirectory() as scratch:
            traces = []
            if self.svmsh.exists() and self.maker.exists():
                for row, options, each in (("accesses", [], 1), ("lines", ["--with-instructions"], 3)):
                    trace = Path(scratch) / row
                    with trace.open("wb") as out:
                        subprocess.run([str(self.maker), str(REPLAYED), *options], stdout=out, check=True)
                    traces.append((trace, f"replay/{row}/svmsh", REPLAYED * each))
            for repetition in range(repetitions):
                for n, path in enumerate(self.programs):
                    say(
                        f"repetition {repetition + 1}: {path.name} ({n + 1} of {len(self.programs)}), "
                        f"{time.monotonic() - self.began:.0f} of at most {self.seconds} seconds"
                    )
                    if not self.program(path, samples):
                        return repetition
                for trace, row, lines in traces:
                    self.replay(trace, row, lines, samples)
                if repetition == 0 and shutil.which("valgrind") and self.counter.exists():
                    say("counting instructions")
                    self.instructions(samples)
        return repetitions


def configured():
    """build-bench/, with what is run; without svmsh where that takes too long."""
    build = ROOT / "build-bench"
    if not (build / "build.ninja").exists():
        say("configuring build-bench")
        options = ["--buildtype=release", "-Dbenchmarks=enabled", "-Dexamples=enabled", "-Dtests=disabled"]
        subprocess.run(["meson", "setup", str(build), str(ROOT), *options], check=True, stdout=sys.stderr)
    compilation = ["meson", "compile", "-C", str(build)]
    programs = [f"bench_{path.stem}" for path in HERE.glob("*.cpp") if path.stem != "instructions"]
    say("compiling the benchmarks")
    subprocess.run([*compilation, *programs, "count_instructions"], check=True, stdout=sys.stderr)
    say(f"compiling svmsh, for {SVMSH_SECONDS} seconds at most")
    command = [*compilation, "make_trace", "svmsh:executable"]
    compiling = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
    try:
        compiling.wait(SVMSH_SECONDS)
    except subprocess.TimeoutExpired:
        say("svmsh is left out")
        os.killpg(compiling.pid, signal.SIGTERM)  # the compilers too
        compiling.wait()
    return build


def judge_instructions(goals, run, samples):
    """Says how many instructions each counted fault takes; the exit status."""
    run.instructions(samples)
    counted = [v for v in judge(goals, samples) if v["value"] == "instructions"]
    failed = 0
    for verdict in counted:
        count = verdict["ratio"]
        failed += count is None or count > verdict["goal"] * (1 + TOLERANCE)
        print(f"{verdict['name']}: {'not measured' if count is None else round(count)}, goal {verdict['goal']}")
    print(f"{len(counted) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    began = time.monotonic()
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("Usage: "))
    parser.add_argument("--build", type=Path)
    parser.add_argument("--md", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--goals", type=Path, default=HERE / "goals.json")
    parser.add_argument("--instructions", action="store_true")
    arguments = parser.parse_args()
    goals = json.loads(arguments.goals.read_text(encoding="utf-8"))

    run = Run((arguments.build or configured()).resolve(), began, arguments.seconds)
    if not run.programs:
        say(f"no benchmarks in {run.build / 'benchmarks'}: configure with -Dbenchmarks=enabled")
        return 1
    samples = Samples()
    if arguments.instructions:
        return judge_instructions(goals, run, samples)
    repetitions = run.all(arguments.repetitions, samples)
    verdicts = judge(goals, samples)
    text = markdown(goals, samples, verdicts, max(repetitions, 1))
    if arguments.md:
        arguments.md.write_text(text, encoding="utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")
    if arguments.svg:
        arguments.svg.write_text(chart(samples), encoding="utf-8")
    if not (arguments.md or arguments.json or arguments.svg):
        print(text, end="")
    bad = run.bad + [f"{name}: {message}" for name, message in samples.errors.items()]
    for line in bad:
        say(f"failed: {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
