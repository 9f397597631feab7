#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Tests of report.py's arithmetic, on rows as Google Benchmark writes them."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

import report

HERE = Path(__file__).resolve().parent


def row(name, **figures):
    """A row as it stands in the JSON of a program."""
    common = {"run_name": name + "/manual_time", "run_type": "iteration", "iterations": 7, "real_time": 1.0}
    return common | {"cpu_time": 2.0, "time_unit": "ns", "label": "costless"} | figures


def measured(*runs):
    """Samples of several runs, each a list of rows."""
    samples = report.Samples()
    for rows in runs:
        samples.add(report.rows_in(json.dumps({"context": {}, "benchmarks": rows})))
    return samples


def goal(compare, wanted, **more):
    return {"what": "it", "ours": "a/ours", "baseline": "a/baseline", "compare": compare, "at": {"": wanted}} | more


def verdict(samples, one, guards=None):
    (found,) = report.judge({"guards": guards or {}, "goals": [one]}, samples)
    return found


SIMPLE = [row("a/ours", cpu_ns=20.0, wall_ns=30.0), row("a/baseline", cpu_ns=50.0, wall_ns=60.0)]


class Rows(unittest.TestCase):
    def test_a_figure_is_what_the_program_counted(self):
        ((name, backend, figures),) = report.rows_in(json.dumps({"benchmarks": [SIMPLE[0]]}))
        self.assertEqual((name, backend, figures), ("a/ours", "costless", {"cpu_ns": 20.0, "wall_ns": 30.0}))

    def test_an_error_is_no_figure(self):
        broken = row("a/ours", error_occurred=True, error_message="no bytes came back", cpu_ns=1.0)
        samples = measured([broken, SIMPLE[1]])
        self.assertIsNone(samples.median("a/ours", "cpu_ns"))
        found = verdict(samples, goal("speedup", 2))
        self.assertIsNone(found["reached"])
        self.assertEqual(found["note"], "failed: a/ours: no bytes came back")

    def test_a_row_that_failed_once_has_no_figure(self):
        broken = row("a/ours", error_occurred=True, error_message="x")
        self.assertIsNone(measured(SIMPLE, [broken], SIMPLE).median("a/ours", "cpu_ns"))

    def test_the_median_is_of_all_runs_and_turns(self):
        runs = [[row("a/ours", cpu_ns=float(n)), row("a/ours", cpu_ns=float(m))] for n, m in ((9, 1), (3, 100), (5, 4))]
        self.assertEqual(measured(*runs).median("a/ours", "cpu_ns"), 4.5)


class Goals(unittest.TestCase):
    def test_a_speedup_divides_the_baseline_by_ours(self):
        found = verdict(measured(SIMPLE), goal("speedup", 2.5))
        self.assertEqual((found["ours"], found["baseline"], found["ratio"], found["goal"]), (20.0, 50.0, 2.5, 2.5))
        self.assertIs(found["reached"], True)
        self.assertIs(verdict(measured(SIMPLE), goal("speedup", 2.51))["reached"], False)

    def test_a_cost_divides_ours_by_the_baseline(self):
        found = verdict(measured(SIMPLE), goal("cost", 0.4))
        self.assertEqual((found["ratio"], found["reached"]), (0.4, True))
        self.assertIs(verdict(measured(SIMPLE), goal("cost", 0.39))["reached"], False)

    def test_an_extra_is_a_difference(self):
        found = verdict(measured(SIMPLE), goal("extra", -30))
        self.assertEqual((found["ratio"], found["reached"]), (-30.0, True))
        self.assertIs(verdict(measured(SIMPLE), goal("extra", -31))["reached"], False)

    def test_bounds_look_at_ours_alone(self):
        alone = {"what": "it", "ours": "a/ours", "at": {"": 20}}
        self.assertIs(verdict(measured(SIMPLE), alone | {"compare": "at_most"})["reached"], True)
        self.assertIs(verdict(measured(SIMPLE), alone | {"compare": "at_least"})["reached"], True)
        self.assertIs(verdict(measured(SIMPLE), alone | {"compare": "at_most", "at": {"": 19}})["reached"], False)
        self.assertIs(verdict(measured(SIMPLE), alone | {"compare": "at_least", "at": {"": 21}})["reached"], False)

    def test_a_count_of_nothing_is_a_figure(self):
        samples = measured([row("a/ours", allocations=0.0)])
        none = {"what": "it", "ours": "a/ours", "value": "allocations", "compare": "at_most", "at": {"": 0}}
        found = verdict(samples, none)
        self.assertEqual((found["ours"], found["reached"]), (0.0, True))

    def test_the_figure_may_be_another_one(self):
        self.assertEqual(verdict(measured(SIMPLE), goal("speedup", 2, value="wall_ns"))["ratio"], 2.0)

    def test_the_argument_stands_in_both_rows(self):
        samples = measured([row("a/ours/n:10", cpu_ns=1.0), row("a/map/n:10", cpu_ns=3.0), row("a/map/n:20", cpu_ns=8.0)])
        both = {"what": "n {}", "ours": "a/ours/n:{}", "baseline": "a/map/n:{}", "compare": "speedup"}
        both["at"] = {"10": 4, "20": 1}
        first, second = report.judge({"guards": {}, "goals": [both]}, samples)
        self.assertEqual((first["name"], first["ratio"], first["reached"]), ("n 10", 3.0, False))
        self.assertEqual((second["ratio"], second["reached"], second["note"]), (None, None, "not measured"))

    def test_a_missing_row_is_not_measured(self):
        for rows in ([], SIMPLE[:1], SIMPLE[1:]):
            found = verdict(measured(rows), goal("speedup", 1))
            self.assertEqual((found["ratio"], found["reached"], found["note"]), (None, None, "not measured"))

    def test_a_figure_that_is_missing_is_not_measured(self):
        self.assertEqual(verdict(measured(SIMPLE), goal("cost", 1, value="p99_ns"))["note"], "not measured")

    def test_nothing_is_divided_by_zero(self):
        found = verdict(measured([row("a/ours", cpu_ns=0.0), SIMPLE[1]]), goal("speedup", 1))
        self.assertEqual((found["ratio"], found["reached"]), (None, None))


class Guards(unittest.TestCase):
    GUARD = {
        "g": {"says": "a straw man", "ours": "a/baseline", "baseline": "a/look_up", "compare": "cost", "at": {"": 2}}
    }

    def test_a_fair_baseline_gives_a_verdict(self):
        samples = measured([*SIMPLE, row("a/look_up", cpu_ns=25.0)])
        self.assertIs(verdict(samples, goal("speedup", 2, guard="g"), self.GUARD)["reached"], True)

    def test_a_straw_man_gives_none_and_no_ratio(self):
        samples = measured([*SIMPLE, row("a/look_up", cpu_ns=24.0)])
        found = verdict(samples, goal("speedup", 2, guard="g"), self.GUARD)
        self.assertEqual((found["ratio"], found["reached"]), (None, None))
        self.assertEqual(found["note"], "no verdict: a straw man (2.08 against 2)")
        self.assertEqual(report.fairness({"guards": self.GUARD}, samples)[0][3], False)

    def test_a_guard_that_was_not_measured_gives_none(self):
        found = verdict(measured(SIMPLE), goal("speedup", 2, guard="g"), self.GUARD)
        self.assertEqual((found["reached"], found["note"]), (None, "no verdict: a straw man (not measured)"))

    def test_a_guard_speaks_only_of_the_arguments_that_it_names(self):
        guards = {"g": self.GUARD["g"] | {"at": {"10": 2}}}
        self.assertIs(verdict(measured(SIMPLE), goal("speedup", 2, guard="g"), guards)["reached"], True)


class Output(unittest.TestCase):
    def test_the_table_says_what_was_reached_and_lists_every_row(self):
        samples = measured(SIMPLE)
        goals = {"guards": {}, "goals": [goal("speedup", 2), goal("speedup", 3), goal("cost", 1, ours="a/none")]}
        text = report.markdown(goals, samples, report.judge(goals, samples), 1)
        self.assertIn("1 goals reached, 1 missed, 1 without a verdict", text)
        self.assertIn("| it | cpu_ns | costless | 20 | 50 | 2.5x | 2x | yes |", text)
        self.assertIn("| it | cpu_ns | costless | 20 | 50 | 2.5x | 3x | no |", text)
        self.assertIn("| it | cpu_ns |  |  | 50 |  | at most 1x | not measured |", text)
        self.assertIn("| a/ours | costless | 20 | 30 |  |", text)

    def test_the_chart_has_a_line_for_each_case(self):
        rows = [
            row(f"fault/new/{case}/pages:1/live:{n}", cpu_ns=float(n))
            for case in ("model", "std_lock")
            for n in (100, 1000, 10000)
        ]
        svg = ElementTree.fromstring(report.chart(measured(rows)))
        lines = svg.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [3, 3])
        heights = [float(point.split(",")[1]) for point in lines[0].get("points").split()]
        self.assertEqual(heights, sorted(heights, reverse=True))

    def test_a_chart_of_nothing_is_one(self):
        ElementTree.fromstring(report.chart(measured()))


class Programs(unittest.TestCase):
    """The whole of report.py, with programs that answer what they are told to."""

    def report(self, programs):
        """(what ended, verdicts, table) of two repetitions of `programs`: {name or path: Python that prints}."""
        with tempfile.TemporaryDirectory() as scratch:
            build = Path(scratch)
            (build / "benchmarks").mkdir()
            for name, text in programs.items():
                path = build / (name if "/" in name else f"benchmarks/{name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"#!{sys.executable}\n{text}\n", encoding="utf-8")
                path.chmod(0o755)
            goals = {"guards": {}, "goals": [goal("speedup", 2), goal("speedup", 2, what="gone", ours="a/gone")]}
            (build / "goals.json").write_text(json.dumps(goals), encoding="utf-8")
            options = [f"--{kind}={build / ('out.' + kind)}" for kind in ("md", "json", "svg")]
            done = subprocess.run(
                [sys.executable, str(HERE / "report.py"), f"--build={build}", f"--goals={build / 'goals.json'}"]
                + ["--repetitions=2", *options],
                capture_output=True,
                text=True,
            )
            self.assertTrue((build / "out.svg").exists(), done.stderr)
            verdicts = json.loads((build / "out.json").read_text(encoding="utf-8"))
            return done, verdicts, (build / "out.md").read_text(encoding="utf-8")

    @staticmethod
    def printing(*rows):
        return f"print({json.dumps({'context': {}, 'benchmarks': list(rows)})!r})"

    def test_programs_that_do_well(self):
        programs = {"bench_ours": self.printing(SIMPLE[0]), "bench_theirs": self.printing(SIMPLE[1])}
        done, (first, second), table = self.report(programs)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("repetition 2: bench_theirs (2 of 2)", done.stderr)
        figures = [first[k] for k in ("name", "ours", "baseline", "ratio", "goal", "reached")]
        self.assertEqual(figures, ["it", 20, 50, 2.5, 2, True])
        self.assertEqual((second["name"], second["reached"], second["note"]), ("gone", None, "not measured"))
        self.assertIn("| a/baseline | costless | 50 | 60 |  |", table)

    def test_a_program_that_ends_badly_is_told_and_takes_no_other_with_it(self):
        programs = {"bench_bad": "raise SystemExit(3)", "bench_ours": self.printing(*SIMPLE)}
        done, (first, _), _ = self.report(programs)
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: bench_bad", done.stderr)
        self.assertIs(first["reached"], True)

    def test_a_replay_counts_lines_a_cpu_second(self):
        work = "import sys\nfor i in range(300000): pass\n"
        maker = "import sys\nprint(*sys.argv[1:])"
        shell = f"{work}words = open(sys.argv[2]).read().split()\nprint('accesses', words[0])"
        programs = {"bench_ours": self.printing(*SIMPLE), "make_trace": maker, "examples/svmsh/svmsh": shell}
        done, _, table = self.report(programs)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(table, r"\| replay/accesses/svmsh \| mock \| [\d.]+ \|  \| per_cpu_second [\d.]+M? \|")
        self.assertRegex(table, r"\| replay/lines/svmsh \| mock \| [\d.]+ \|  \| per_cpu_second [\d.]+M? \|")

    def test_a_replay_of_other_accesses_is_told(self):
        programs = {"bench_ours": self.printing(*SIMPLE), "make_trace": "print(1)"}
        programs["examples/svmsh/svmsh"] = "print('accesses', 1)"
        done, _, _ = self.report(programs)
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: replay/accesses/svmsh", done.stderr)

    def test_a_row_that_fails_is_told(self):
        programs = {"bench_ours": self.printing(row("a/ours", error_occurred=True, error_message="lost"), SIMPLE[1])}
        done, (first, _), _ = self.report(programs)
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: a/ours: lost", done.stderr)
        self.assertEqual(first["note"], "failed: a/ours: lost")


class TheGoalsFile(unittest.TestCase):
    GOALS = json.loads((HERE / "goals.json").read_text(encoding="utf-8"))

    def test_each_goal_and_guard_is_whole(self):
        for one in self.GOALS["goals"] + list(self.GOALS["guards"].values()):
            self.assertIn(one["compare"], ("speedup", "cost", "extra", "at_most", "at_least"), one)
            self.assertEqual("baseline" in one, one["compare"] in ("speedup", "cost", "extra"), one)
            self.assertTrue(one["at"], one)
            self.assertIn(one.get("guard", "fair_new"), self.GOALS["guards"], one)
            self.assertEqual("" in one["at"], "{}" not in one["ours"], one)
            self.assertLessEqual(set(one), {"what", "says", "guard", "value", "ours", "baseline", "compare", "at"}, one)

    def test_no_goal_is_named_twice(self):
        names = [v["name"] for v in report.judge(self.GOALS, report.Samples())]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=0, argv=sys.argv[:1]).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad or not result.testsRun else 0)
