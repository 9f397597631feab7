#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""A model of a whole replay of faults, in sets of page numbers: it shares nothing with the library.

Usage: replay_model.py [--traces=N] [--prefetch=MODE,MODE...] PROGRAM [WORD...]

Runs `PROGRAM WORD... FILE KEY=VALUE...` on N random traces (3) for each combination of keys, and compares the lines of its
report with what the model says. A difference prints the seed, the keys and both. A mode is off, density:PERCENT or until-full.
"""

import random
import struct
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

BLOCK, GROUP, PAGE = 512, 16, 4096
LINES = ("fault_services", "faults_resident", "duplicates", "batches", "pages_prefetched", "refaults") + (
    "bytes_gpu_fault", "bytes_prefetch", "bytes_eviction")  # fmt: skip


def density(resident: set[int], faulted: set[int], threshold: int) -> set[int]:
    """Pages of a block (0 to 511) that move along with the faulted ones; those that are there among them."""
    there = set(resident)
    for page in faulted:
        first = page // GROUP * GROUP
        there |= set(range(first, first + GROUP))
    below = [0]
    for page in range(BLOCK):
        below.append(below[-1] + (page in there))
    chosen = set()
    for page in faulted:
        best, width = None, 1
        while width <= BLOCK:
            first = page // width * width
            if (below[first + width] - below[first]) * 100 > width * threshold:
                best = (first, width)
            width *= 2
        if best:
            chosen |= set(range(best[0], best[0] + best[1]))
    return (chosen | faulted) - faulted


class Device:
    """The memory of one GPU; pages are numbers, and a block is a page's number divided by 512."""

    def __init__(self, capacity: int, order: str):
        self.capacity, self.order = capacity, order
        self.pages: set[int] = set()
        self.evicted: set[int] = set()  # whose last way out was an eviction
        self.allocations: list[dict] = []  # as they were made
        self.touched: dict[int, int] = {}  # moments: by group or by block
        self.left = 0

    def of_block(self, block: int) -> set[int]:
        return {p for p in self.pages if p // BLOCK == block}

    def touch(self, pages: set[int], moment: int) -> None:
        for a in self.allocations:
            if a["pages"] & pages:
                a["touched"] = moment
        unit = BLOCK if self.order == "uvm" else GROUP
        for page in pages:
            self.touched[page // unit] = moment

    def drop(self, pages: set[int]) -> None:
        pages = pages & self.pages
        self.left += len(pages)
        self.pages -= pages
        self.evicted |= pages
        for a in self.allocations:
            a["pages"] -= pages
        self.allocations = [a for a in self.allocations if a["pages"]]

    def make_room(self, moving: set[int], service: set[int]) -> None:
        if self.order == "uvm":
            block = next(iter(moving)) // BLOCK
            self.make_room_for_block(block)
            if len(self.pages) + len(moving) > self.capacity:  # no block fits whole
                self.drop(self.of_block(block) - service)
            return
        while len(self.pages) + len(moving) > self.capacity:
            victim = self.group(service) if self.order == "density" else self.allocation(service)
            if not victim:
                return
            self.drop(victim)

    def make_room_for_block(self, block: int) -> None:
        blocks = {p // BLOCK for p in self.pages}
        while block not in blocks and (len(blocks) + 1) * BLOCK > self.capacity:
            others = sorted(blocks, key=lambda b: self.touched[b])
            if not others:
                return
            self.drop(self.of_block(others[0]))
            blocks.remove(others[0])

    def allocation(self, service: set[int]) -> set[int]:
        key = "touched" if self.order == "touched" else "made"
        for a in sorted(self.allocations, key=lambda a: (a[key], a["made"])):
            if a["pages"] - service:
                return a["pages"] - service
        return set()

    def group(self, service: set[int]) -> set[int]:
        groups = {p // GROUP for p in self.pages - service}
        if not groups:
            return set()
        oldest = min(groups, key=lambda g: (self.touched[g], g))
        gone = {p for p in self.pages - service if p // GROUP == oldest}
        width = 2 * GROUP
        while width <= BLOCK:
            first = oldest * GROUP // width * width
            node = {p for p in self.pages if first <= p < first + width}
            if 2 * len(node - gone) >= width:
                break
            gone |= node - service
            width *= 2
        return gone


def cut(faulted: set[int], added: set[int], there: set[int], capacity: int) -> tuple[set[int], set[int]]:
    near = {p for p in added if p // GROUP in {f // GROUP for f in faulted}}
    for some in (added, near, set()):
        if len(faulted | some | there) <= capacity:
            return faulted, some
    return set(), set()


def batches(addresses: list[int], size: int) -> list[list[int]]:
    result: list[list[int]] = []
    for a in addresses:
        if result and len(result[-1]) < size and a >= result[-1][-1]:
            result[-1].append(a)
        else:
            result.append([a])
    return result


def decide(device: Device, mode: str, block: int, faulted: set[int]) -> tuple[set[int], set[int]]:
    """The pages that move because of faults, and those that come along."""
    base = block * BLOCK
    here = {p - base for p in device.of_block(block)}
    if mode == "off":  # what is missing of the range, which is the block
        return {base + p for p in range(BLOCK) if p not in here} | faulted, set()
    if mode == "until-full" and device.left:
        return faulted, set()
    threshold = int(mode.partition(":")[2] or 51)
    return faulted, {p + base for p in density(here, {p - base for p in faulted}, threshold)}


def replay(addresses: list[int], mode: str, order: str, size: int, capacity: int) -> dict[str, int]:
    device = Device(capacity, order)
    count = dict.fromkeys(LINES, 0)
    moment = 0
    for batch in batches(addresses, size):
        named = {a // PAGE for a in batch}
        count["batches"] += 1
        count["duplicates"] += len(batch) - len(named)
        count["faults_resident"] += len(named & device.pages)
        for block in sorted({p // BLOCK for p in named}):
            moment += 1
            mine = {p for p in named if p // BLOCK == block}
            there, faulted = mine & device.pages, mine - device.pages
            if not faulted:
                device.touch(there, moment)
                continue
            count["refaults"] += len(faulted & device.evicted)
            moved, added = cut(*decide(device, mode, block, faulted), there, capacity)
            if not moved:
                device.touch(there, moment)
                continue
            service = moved | added | there
            if mode == "off":  # what moves whole is kept and touched whole
                service |= device.of_block(block)
            moving = (moved | added) - device.pages
            device.touch(service, moment)
            device.make_room(moving, service)
            device.pages |= moving
            device.evicted -= moving
            device.allocations.append({"pages": set(moving), "made": moment, "touched": moment})
            count["fault_services"] += 1
            count["pages_prefetched"] += len(moving & added)
            count["bytes_gpu_fault"] += len(moved) * PAGE
    count["bytes_prefetch"] = count["pages_prefetched"] * PAGE
    count["bytes_eviction"] = device.left * PAGE
    return count


def random_trace(seed: int) -> list[int]:
    """Sweeps, jumps and repeats over a few blocks."""
    rng = random.Random(seed)
    blocks = rng.randint(2, 6)
    trace: list[int] = []
    while len(trace) < 250:
        page = rng.randrange(blocks * BLOCK)
        step = rng.choice((1, 1, 7, 16, 33, 128, -1, -16))
        for _ in range(rng.randint(1, 30)):
            if 0 <= page < blocks * BLOCK:
                trace += [page * PAGE] * rng.choice((1, 1, 1, 2))
            page += step
    return trace


def says(command: list, model: dict[str, int], which: str) -> bool:
    """Whether a replay reports what the model counts; a difference is printed."""
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    report = dict(line.split()[:2] for line in said.splitlines() if len(line.split()) >= 2)
    wrong = {name: (report.get(name), str(value)) for name, value in model.items() if report.get(name) != str(value)}
    if wrong:
        print(f"{which}: (program, model) {wrong}")
    return not wrong


def main() -> int:
    traces = next((int(w[9:]) for w in sys.argv[1:] if w.startswith("--traces=")), 3)
    modes = next((w[11:] for w in sys.argv[1:] if w.startswith("--prefetch=")), "density:51,density:75,density:100,density:1")
    command = [w for w in sys.argv[1:] if not w.startswith("--")]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.u64"
        keys = product(modes.split(","), ("oldest", "touched", "uvm", "density"), (1, 8, 256))
        for n, (mode, order, size) in enumerate(keys):
            for seed in range(n * traces, (n + 1) * traces):
                trace = random_trace(seed)
                path.write_bytes(struct.pack(f"<{len(trace)}Q", *trace))
                capacity = random.Random(-seed).randint(BLOCK, 4 * BLOCK) if seed % 4 else 8
                words = [f"prefetch={mode}", f"evict={order}", f"batch={size}", f"capacity={4 * capacity}K"]
                agrees = says([*command, path, *words], replay(trace, mode, order, size, capacity), f"seed {seed} {' '.join(words)}")
                passed += agrees
                failed += not agrees
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
