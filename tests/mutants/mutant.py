# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Mutants: those that were written, and those that are generated."""

import re
from dataclasses import dataclass, field
from pathlib import Path

AREAS = ("gpusvm", "pagemap", "driver", "gpuvm", "placement", "port")
# What --generated deletes.
STATEMENT = re.compile(
    r"""(exclusive_guard|shared_guard)\b.*;            # a lock is taken
    | \S*(\.|->)(lock|unlock|get|put|get_user|put_user|set|store|fetch_\w+|charge|uncharge|begin_pending_locked)\(.*\);
    | (get|put|set|live_\.get|unlist|enlist)\(.*\);
    | if\ \(.*\b(has|read_retry|is_cancelled|retired_|closed_|unbound_|is_bound|is_linked|try_get|is_detached|alive)\b.*\)\ return.*;
    """,
    re.X,
)


@dataclass
class Mutant:
    area: str
    name: str
    header: str = ""
    after: str = ""
    old: str = ""
    new: str = ""
    before: str = ""  # the old line moves there
    nth: int | None = None  # of the lines that are the same; None: there is one, or `after` says which
    number: int = 0  # of its switch; 0: it is compiled for itself
    seen_by: dict = field(default_factory=dict)  # program: what it says
    seconds: float = 0

    def line(self, lines: list[str]) -> int:
        """Where its line stands in its header."""
        begin = next((i for i, line in enumerate(lines) if self.after in line), len(lines))
        places = [i for i, line in enumerate(lines) if line.strip() == self.old and i >= begin]
        vague = self.nth is None and not self.after and len(places) > 1
        if vague or len(places) <= (self.nth or 0):
            raise ValueError(f"{self.area}: {self.name}: its line is in {self.header} {len(places)} times")
        return places[self.nth or 0]

    def destination(self, lines: list[str]) -> int:
        """The nearest line to its own that it moves before."""
        places = [i for i, line in enumerate(lines) if line.strip() == self.before]
        if not places:
            raise ValueError(f"{self.area}: {self.name}: there is nothing to stand before in {self.header}")
        return min(places, key=lambda i: abs(i - self.line(lines)))

    def applied(self, include: Path) -> str:
        """The header with the mutant in it."""
        lines = (include / self.header).read_text().splitlines()
        i = self.line(lines)
        if self.before:
            to = self.destination(lines)
            lines[to] = f"{self.old}\n{lines[to]}"
            lines[i] = ""
        else:
            lines[i] = self.new
        return "\n".join(lines) + "\n"


def mutants_of(folder: Path) -> list[Mutant]:
    result = []
    for area in AREAS:
        for line in (folder / f"{area}.txt").read_text().splitlines():
            if line.startswith("== "):
                result.append(Mutant(area, line[3:]))
            elif line.startswith("after "):
                result[-1].after = line[6:]
            elif line.startswith("before "):
                result[-1].before = line[7:]
            elif line[:2] == "- ":
                result[-1].old = line[2:]
            elif line[:1] == "+":
                result[-1].new = line[2:]
            elif line.startswith("svm/"):
                result[-1].header = line
    return result


def generated(include: Path, written: list[Mutant]) -> list[Mutant]:
    """The deletions that nobody has written."""
    result = []
    known = set()
    for m in written:
        if not m.new and not m.before:
            known.add((m.header, m.line((include / m.header).read_text().splitlines())))
    for area in AREAS:
        for path in sorted((include / "svm" / area).rglob("*.hpp")):
            seen = {}
            for i, line in enumerate(path.read_text().splitlines()):
                text = line.strip()
                if not STATEMENT.fullmatch(text.split("  //")[0]) or "assert_held" in text or text.startswith("SVM_"):
                    continue
                nth = seen[text] = seen.get(text, -1) + 1
                header = path.relative_to(include).as_posix()
                if (header, i) not in known:
                    result.append(Mutant(area, f"{header} {nth}: {text}", header, old=text, nth=nth))
    return result
