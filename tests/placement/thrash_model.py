#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""A model of whole replays in which a CPU and a GPU take pages from each other: it shares nothing with the library.

Usage: thrash_model.py [--traces=N] PROGRAM WORD...

Runs `PROGRAM WORD... FILE turns=N thrash=MODE prefetch=density:PERCENT` on N random traces (4) for each combination of keys, and
compares the lines of its report with what the model says. A difference prints the seed, the keys and both.
"""

import random
import sys
import tempfile
from collections import defaultdict
from itertools import product
from pathlib import Path

from replay_model import says

BLOCK, GROUP, PAGE = 512, 16, 4096
CPU, GPU = "cpu", "gpu"
ACCESS, LAPSE, SLACK = 1_000, 500_000, 20_000
SLICE, SLICE_MOST = 5_000_000, 80_000_000
LINES = ("gpu_faults", "fault_services", "faults_resident", "pages_prefetched", "pages_throttled", "pages_pinned") + (
    "batches", "bytes_gpu_fault", "bytes_cpu_fault", "bytes_prefetch", "bytes_eviction")  # fmt: skip


def density(resident: set[int], page: int, thrashing: set[int], threshold: int) -> set[int]:
    """Pages of a block that go along with one faulted page."""
    there = resident | {page}
    group = set(range(page // GROUP * GROUP, page // GROUP * GROUP + GROUP))
    if not group & thrashing:
        there |= group
    chosen: set[int] = set()
    width = 1
    while width <= BLOCK and page not in thrashing:
        node = set(range(page // width * width, page // width * width + width))
        if len(node & there) * 100 > width * threshold:
            chosen = node
        width *= 2
    return chosen - thrashing - {page}


def reaches(who: str, memory: str) -> bool:
    return who == memory or memory == CPU


class History:
    """Rules B1 to B5 of one address space, for a CPU and a GPU that maps the CPU's memory."""

    def __init__(self) -> None:
        self.lapse, self.votes = LAPSE, 0
        self.blocks: dict[int, dict] = defaultdict(
            lambda: {"pages": None, "last": None, "who": None, "thrashed": None, "pinned ever": 0, "resets": 0}
        )
        self.pins: list[tuple[int, int]] = []  # deadline and page, in order

    @staticmethod
    def fresh() -> dict:
        return {"last": None, "events": 0, "who": set(), "throttled": set(), "until": None, "exempt": None,
                "throttles": 0, "pinned": None}  # fmt: skip

    def of(self, page: int) -> dict | None:
        pages = self.blocks[page // BLOCK]["pages"]
        return None if pages is None else pages[page]

    def thrashing(self, block: int, _who: str, _now: int) -> set[int]:
        pages = self.blocks[block]["pages"] or {}
        return {p for p, s in pages.items() if s.get("thrashes")}

    def staying(self, block: int, _now: int) -> set[int]:
        pages = self.blocks[block]["pages"] or {}
        return {p for p, s in pages.items() if s["pinned"]}

    def next_end(self, _blocks: set[int], now: int) -> int:
        return self.pins[0][0] if self.pins else now

    def reset(self, page: int) -> None:
        s = self.of(page)
        if s["throttled"]:
            s["throttled"], s["until"] = set(), None
        if s["pinned"]:
            s["pinned"] = None
            self.pins = [pin for pin in self.pins if pin[1] != page]
        s.update({"last": None, "events": 0, "who": set(), "thrashes": False})

    def end_due(self, now: int) -> None:
        while self.pins and now + SLACK >= self.pins[0][0]:
            self.reset(self.pins[0][1])

    def moved(self, pages: set[int], who: str, along: bool, now: int) -> None:
        runs: list[list[int]] = []
        for p in sorted(pages):
            if runs and runs[-1][-1] + 1 == p:
                runs[-1].append(p)
            else:
                runs.append([p])
        for run in runs:
            block = self.blocks[run[0] // BLOCK]
            if not along and block["pages"] is not None and all(block["pages"][p]["pinned"] for p in run):
                continue
            if block["pages"] is None and block["last"] is not None and block["who"] != who and now - block["last"] <= self.lapse:
                block["pages"] = defaultdict(self.fresh)
            for p in run if block["pages"] is not None else []:
                self.note(block, p, who, now)
            block["last"], block["who"] = now, who

    def note(self, block: dict, page: int, who: str, now: int) -> None:
        s = block["pages"][page]
        s["who"].add(who)
        before, s["last"] = s["last"], now // 64 * 64
        if before is None:
            return
        if now - before > self.lapse:
            if s["events"] >= 3 and not s["pinned"]:
                self.reset(page)
            return
        if s["events"] < 7:
            s["events"] += 1
            if s["events"] == 3:
                s["thrashes"] = True
        if s["events"] >= 3:
            block["thrashed"] = now

    def vote(self, gap: int) -> None:
        self.votes += 1 if gap >= self.lapse else -1
        if abs(self.votes) < 32:
            return
        if self.votes > 0:
            self.lapse = min(self.lapse + min(self.lapse // 8, 50_000_000), 500_000_000)
        else:
            self.lapse = max(self.lapse - max(self.lapse // 8, 5_000), 5_000)
        self.votes = self.votes // 2 if self.votes > 0 else -(-self.votes // 2)

    def ask(self, page: int, who: str, where: str, now: int) -> tuple[str, int, bool]:
        """none, wait or afar; until when; whether a pin begins."""
        self.end_due(now)
        block = self.blocks[page // BLOCK]
        if block["pages"] is None:
            return "none", 0, False
        quiet = block["thrashed"] is not None and now - block["thrashed"] > 2000 * self.lapse
        if quiet and not block["pinned ever"] and block["resets"] < 4:
            block.update({"pages": None, "last": None, "who": None, "thrashed": None, "resets": block["resets"] + 1})
            return "none", 0, False
        s = block["pages"][page]
        if s["events"] < 3:
            return "none", 0, False
        if who in s["throttled"]:
            if s["until"] is not None and now < s["until"] and who != s["exempt"]:
                return "wait", s["until"], False
            s["throttled"].discard(who)
            if not s["throttled"]:
                s["until"] = None
        gap = now - s["last"]
        self.vote(gap)
        if gap > self.lapse and not s["pinned"]:
            return "none", 0, False
        s["who"].add(who)
        if s["until"] is None or now > s["until"]:
            s["until"] = now + self.lapse
            s["exempt"] = None if s["exempt"] == who else who
        elif s["exempt"] is None:
            s["exempt"] = who
        wish = self.wish(s, who, where)
        if wish == "none":
            return "none", 0, False
        if wish == "wait":
            if who not in s["throttled"]:
                s["throttled"].add(who)
                s["throttles"] += not s["pinned"]
            return "wait", s["until"], False
        begins = not s["pinned"]
        if begins:
            self.pins.append((now + 300 * self.lapse, page))
            self.pins.sort(key=lambda pin: pin[0])
        if (begins or wish != where) and s["throttled"]:
            s["throttled"], s["until"] = set(), None
        if begins:
            s["throttles"] = 0
            block["pinned ever"] += 1
        s["pinned"] = wish
        return ("none" if wish == who else "afar"), 0, begins

    @staticmethod
    def wish(s: dict, who: str, where: str) -> str:
        if s["who"] <= {where}:
            if where != CPU or not all(reaches(p, who) for p in s["who"]):
                return where
            return who if who == GPU else "none"
        exempt = who == s["exempt"]
        if s["pinned"]:
            if exempt:
                return CPU if CPU in s["who"] else who
            return s["pinned"] if reaches(who, s["pinned"]) else "wait"
        if not exempt:
            return "wait"
        return who if s["throttles"] >= 10 else "none"


class Slices:
    """A slice a block: who got pages last, which, and until when."""

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[str, set[int], int, int]] = {}  # holder, pages, end, length

    def end_due(self, now: int) -> None:
        pass

    def staying(self, block: int, now: int) -> set[int]:
        holder, pages, end, _ = self.blocks.get(block, (None, set(), 0, 0))
        return set(pages) if holder and now < end else set()

    def thrashing(self, block: int, who: str, now: int) -> set[int]:
        return set() if block in self.blocks and self.blocks[block][0] == who else self.staying(block, now)

    def next_end(self, blocks: set[int], now: int) -> int:
        return min(self.blocks[b][2] if b in self.blocks else now for b in blocks)

    def moved(self, pages: set[int], who: str, _along: bool, now: int) -> None:
        if not pages:
            return
        block = next(iter(pages)) // BLOCK
        holder, had, end, length = self.blocks.get(block, (None, set(), 0, 0))
        if holder == who and now < end:
            self.blocks[block] = (who, had | pages, end, length)
            return
        longer = holder not in (None, who) and had & pages and now < end + length
        if holder not in (None, who) and now < end and had - pages:
            self.blocks[block] = (holder, had - pages, end, length)
            return
        length = min(2 * length, SLICE_MOST) if longer else SLICE
        self.blocks[block] = (who, set(pages), now + length, length)

    def ask(self, page: int, who: str, _where: str, now: int) -> tuple[str, int, bool]:
        if page not in self.thrashing(page // BLOCK, who, now):
            return "none", 0, False
        holder, _, end, _ = self.blocks[page // BLOCK]
        return ("afar" if reaches(who, holder) else "wait"), end, False


class Machine:
    """Pages are numbers; what is not in the GPU's memory is in the CPU's, where it was filled."""

    def __init__(self, mode: str, threshold: int):
        self.rules = {"on": History, "slice": Slices}[mode]()
        self.threshold, self.now = threshold, 0
        self.here: set[int] = set()  # in the GPU's memory, and mapped
        self.afar: set[int] = set()  # mapped for the GPU where they are
        self.wakes: int | None = None  # when pages that stay may be free
        self.count = dict.fromkeys(LINES, 0)

    def sweep(self) -> None:
        self.rules.end_due(self.now)
        self.afar = {p for p in self.afar if p in self.rules.staying(p // BLOCK, self.now)}

    def set_timer(self) -> None:
        self.wakes = self.rules.next_end({p // BLOCK for p in self.afar}, self.now) if self.afar else None

    def tick(self) -> None:
        self.now += ACCESS
        if self.wakes is not None and self.now >= self.wakes:
            self.sweep()
            self.set_timer()

    def along(self, page: int, who: str) -> set[int]:
        block, base = page // BLOCK, page // BLOCK * BLOCK
        mine = {p for p in range(base, base + BLOCK) if (p in self.here) == (who == GPU)}
        thrashing = {p - base for p in self.rules.thrashing(block, who, self.now)}
        return {p + base for p in density({p - base for p in mine}, page - base, thrashing, self.threshold)} - mine

    def gpu(self, page: int) -> None:
        if page in self.here or page in self.afar:
            return
        while True:
            self.count["gpu_faults"] += 1
            self.count["batches"] += 1
            self.sweep()
            what, until, begins = self.rules.ask(page, GPU, CPU, self.now)
            self.count["pages_pinned"] += begins
            if what != "wait":
                break
            self.count["pages_throttled"] += 1
            self.now = max(self.now, until)
        if what == "afar":
            self.afar.add(page)
        else:
            along = self.along(page, GPU)
            self.here |= along | {page}
            self.afar -= along | {page}
            self.rules.moved({page}, GPU, False, self.now)
            self.rules.moved(along, GPU, True, self.now)
            self.count["fault_services"] += 1
            self.count["pages_prefetched"] += len(along)
            self.count["bytes_gpu_fault"] += PAGE
            self.count["bytes_prefetch"] += len(along) * PAGE
        self.set_timer()

    def cpu(self, page: int) -> None:
        if page not in self.here:
            return
        while True:
            what, until, begins = self.rules.ask(page, CPU, GPU, self.now)
            self.count["pages_pinned"] += begins
            if what != "wait":
                break
            self.count["pages_throttled"] += 1
            self.now = max(self.now, until)
        along = self.along(page, CPU)
        self.here -= along | {page}
        self.rules.moved(along | {page}, CPU, False, self.now)
        self.count["bytes_cpu_fault"] += PAGE
        self.count["bytes_prefetch"] += len(along) * PAGE
        self.set_timer()


def replay(pages: list[int], mode: str, threshold: int, turns: int) -> dict[str, int]:
    machine = Machine(mode, threshold)
    for n, page in enumerate(pages):
        machine.tick()
        machine.gpu(page) if n // turns % 2 == 0 else machine.cpu(page)
    return machine.count


def random_trace(seed: int) -> list[int]:
    """Walks, and pages that are used again and again, over a few blocks; some long pauses over one page."""
    rng = random.Random(seed)
    blocks = rng.randint(1, 3)
    hot = [rng.randrange(blocks * BLOCK) for _ in range(rng.randint(1, 6))]
    trace: list[int] = []
    while len(trace) < 6000:
        kind = rng.random()
        if kind < 0.7:
            trace += rng.choices(hot, k=rng.randint(10, 200))
        elif kind < 0.95:
            page = rng.randrange(blocks * BLOCK)
            step = rng.choice((1, 1, 7, 16, 33, -1))
            trace += [p for p in range(page, page + step * rng.randint(1, 30), step) if 0 <= p < blocks * BLOCK]
        else:
            trace += [rng.choice(hot)] * rng.choice((600, 6000, 200_000 if rng.random() < 0.2 else 300))
    return trace


def main() -> int:
    traces = next((int(w[9:]) for w in sys.argv[1:] if w.startswith("--traces=")), 4)
    command = [w for w in sys.argv[1:] if not w.startswith("--")]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.lackey"
        for n, (mode, threshold, turns) in enumerate(product(("on", "slice"), (51, 100, 1), (1, 3, 16))):
            for seed in range(n * traces, (n + 1) * traces):
                trace = random_trace(seed)
                path.write_text("".join(f" {'LS'[p % 2]} {0x40000000 + p * PAGE:x},8\n" for p in trace))
                words = [f"thrash={mode}", f"prefetch=density:{threshold}", f"turns={turns}"]
                agrees = says([*command, path, *words], replay(trace, mode, threshold, turns), f"seed {seed} {' '.join(words)}")
                passed += agrees
                failed += not agrees
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
