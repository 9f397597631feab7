#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_random.py SVMSH [RUNS [FIRST_SEED]] - random scenarios of processes and GPUs against a model of memory.

The model knows what every word of every process holds and how every access has to end, and nothing of ranges or places.
"""

import pathlib
import random
import sys
import tempfile

from harness import Tally, run, sanitized

UNIT = 64 << 10  # a page of the largest kind, so that every machine runs the same commands
BASE = 0x100000000
UNITS = 160


class Memory:
    """What is behind the mappings made by one mmap: private memory of a process, or shared by those that have it."""

    def __init__(self, kind):
        self.kind = kind
        self.words = {}


class Process:
    def __init__(self, name):
        self.name = name
        self.units = {}  # unit number: [memory, unit inside it, protection]

    def word(self, address):
        memory, unit, _ = self.units[(address - BASE) // UNIT]
        return memory.words, unit * UNIT + address % UNIT

    def fork(self, name):
        """A copy in which what is private is copied, once for each memory."""
        child, copies = Process(name), {}
        for number, (memory, unit, protection) in self.units.items():
            if memory.kind != "shared" and memory not in copies:
                copies[memory] = Memory(memory.kind)
                copies[memory].words = dict(memory.words)
            child.units[number] = [copies.get(memory, memory), unit, protection]
        return child


class Scenario:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        choice = self.dice.choice
        self.gpus = choice([1, 2, 2, 3])
        self.options = [f"gpus={self.gpus}", f"vram={choice(['4M', '8M', '256M'])}", f"page={choice(['4K', '4K', '16K', '64K'])}",
                        f"thp={choice(['on', 'off'])}", f"split={choice(['on', 'off'])}", f"gc={choice(['auto', 'manual'])}",
                        f"timeslice={choice([0, 0, 5])}", f"check_pages={choice(['0', '64K', '2M'])}",
                        f"notifier={choice(['2M', '4M', '512M'])}"]  # fmt: skip
        pages = seed % 2 == 0  # every other machine decides page by page, and is told what is accessed where
        if pages:
            self.options += [f"prefetch={choice(['density', 'density:20', 'until-full'])}",
                             f"evict={choice(['oldest', 'touched', 'uvm', 'density'])}"]  # fmt: skip
        self.processes = [Process("")]
        self.names = 0
        self.lines = ["machine " + " ".join(self.options)]
        weights = {"access": 50, "fill": 10, "mmap": 8, "munmap": 4, "mprotect": 5, "mremap": 5, "madvise": 5, "fork": 2,
                   "exit": 1, "prefetch": 8, "evict": 3, "atomic": 6, "reset": 1, "gc": 2, "tick": 1}  # fmt: skip
        weights |= {"advise": 6} if pages else {}
        # Each run has its own mixture, so that some do rare things often.
        self.weights = {w: n * choice([0, 1, 1, 3]) for w, n in weights.items()} | {"access": 40, "mmap": 8}

    def say(self, who, text, error=None):
        self.lines.append((f"@{who.name} " if who.name else "") + text + (f" -> {error}" if error else ""))

    def gpu(self):
        return f"gpu{self.dice.randrange(self.gpus)}"

    def address(self, unit):
        return hex(BASE + unit * UNIT)

    def span(self, who):
        """Units that one mapping covers without a change of memory or protection."""
        first = self.dice.choice(sorted(who.units))
        memory, inside, protection = who.units[first]
        most, length = self.dice.choice([1, 2, 40]), 1
        while length < most and who.units.get(first + length) == [memory, inside + length, protection]:
            length += 1
        return first, length

    def free(self, who, length):
        first = self.dice.randrange(UNITS - length)
        return first if not any(first + i in who.units for i in range(length)) else None

    def do_mmap(self, who):
        length = self.dice.choice([1, 2, 5, 32, 33, 64])
        first = self.free(who, length)
        if first is None:
            return
        kind, protection = self.dice.choice(["anon"] * 6 + ["file", "shared"]), self.dice.choice(["rw"] * 5 + ["r", "none"])
        self.names += 1
        self.say(who, f"mmap M{self.names} {length * 64}K {protection} {kind} at={self.address(first)}")
        memory = Memory(kind)
        for i in range(length):
            who.units[first + i] = [memory, i, protection]

    def do_munmap(self, who):
        first, length = self.span(who)
        self.say(who, f"munmap {self.address(first)} {length * 64}K")
        for i in range(length):
            self.drop(who, first + i)

    def drop(self, who, unit):
        memory, inside, _ = who.units.pop(unit)
        self.forget(memory, inside)

    def forget(self, memory, inside):
        # Shared memory that nobody maps any more cannot be asked for; private memory is gone.
        if memory.kind != "shared":
            for key in [k for k in memory.words if k // UNIT == inside]:
                del memory.words[key]

    def do_mprotect(self, who):
        first, length = self.span(who)
        protection = self.dice.choice(["rw", "rw", "r", "none"])
        self.say(who, f"mprotect {self.address(first)} {length * 64}K {protection}")
        for i in range(length):
            who.units[first + i][2] = protection

    def do_mremap(self, who):
        first, length = self.span(who)
        memory, inside, protection = who.units[first]
        if self.dice.random() < 0.2:
            new = self.dice.randrange(1, length + 1)
            self.say(who, f"mremap {self.address(first)} {length * 64}K {new * 64}K")
            for i in range(new, length):
                self.drop(who, first + i)
            return
        to = self.free(who, length)
        if to is None:
            return
        stay = memory.kind == "anon" and self.dice.random() < 0.3
        self.say(who, f"mremap {self.address(first)} {length * 64}K {length * 64}K{' dontunmap' if stay else ''} "
                 f"to={self.address(to)}")  # fmt: skip
        for i in range(length):
            who.units[to + i] = who.units.pop(first + i)
            if stay:
                who.units[first + i] = [Memory("anon"), 0, protection]

    def do_madvise(self, who):
        first, length = self.span(who)
        advice = self.dice.choice(["dontneed", "hugepage", "nohugepage"])
        self.say(who, f"madvise {self.address(first)} {length * 64}K {advice}")
        if advice == "dontneed":
            for i in range(length):
                self.forget(*who.units[first + i][:2])

    def do_advise(self, who):
        first, length = self.span(who)
        word = self.dice.choice(["preferred", "accessed"])
        self.say(who, f"{self.gpu()} advise {self.address(first)} {length * 64}K {word}")

    def do_fork(self, who):
        if len(self.processes) < 4:
            self.names += 1
            self.say(who, f"fork C{self.names}")
            self.processes.append(who.fork(f"C{self.names}"))

    def do_exit(self, who):
        if who.name:
            self.say(self.dice.choice(self.processes[:1]), f"exit {who.name}")
            self.processes.remove(who)

    def verdict(self, who, unit, gpu, write):
        if unit not in who.units:
            return "ENOENT" if gpu else "SIGSEGV"
        protection = who.units[unit][2]
        if protection == "rw" or (protection == "r" and not write):
            return None
        return "SIGSEGV" if not gpu else "EPERM" if write else "EFAULT"

    def do_access(self, who):
        unit = self.dice.choice(sorted(who.units)) if self.dice.random() < 0.95 else self.dice.randrange(UNITS)
        address = BASE + unit * UNIT + self.dice.choice([0, 8, 4096, 4104, 16384, UNIT - 8])
        gpu = self.dice.random() < 0.6
        agent = self.gpu() if gpu else "cpu"
        write = self.dice.random() < 0.5
        error = self.verdict(who, unit, gpu, write)
        if write:
            value = self.dice.randrange(1 << 64)
            self.say(who, f"{agent} write {address:#x} {value}", error)
            if not error:
                words, key = who.word(address)
                words[key] = value
        elif error:
            self.say(who, f"{agent} read {address:#x}", error)
        else:
            words, key = who.word(address)
            self.say(who, f"{agent} read {address:#x} = {words.get(key, 0)}")

    def do_fill(self, who):
        first, length = self.span(who)
        length = min(length, 34)
        if who.units[first][2] != "rw":
            return
        value = self.dice.randrange(1 << 60)
        self.say(who, f"{self.dice.choice(['cpu', self.gpu()])} fill {self.address(first)} {length * 64}K {value}")
        for i in range(length * UNIT // 8):
            if i % 512 in (0, 1, 511):  # those that do_access looks at
                words, key = who.word(BASE + first * UNIT + 8 * i)
                words[key] = value + i

    def do_prefetch(self, who):
        first = self.dice.randrange(UNITS - 40)
        length = self.dice.choice([1, 3, 40])
        spoilt = any(who.units.get(first + i, [0, 0, "rw"])[2] == "none" for i in range(length))
        self.say(who, f"{self.gpu()} prefetch {self.address(first)} {length * 64}K{self.dice.choice(['', ' ram', ' vram'])}",
                 "EFAULT" if spoilt else None)  # fmt: skip

    def do_evict(self, who):
        self.say(who, f"{self.gpu()} evict all")

    def do_atomic(self, who):
        unit = self.dice.choice(sorted(who.units))
        memory, _, protection = who.units[unit]
        address = BASE + unit * UNIT + self.dice.choice([0, 8, 4096])
        error = "EPERM" if protection != "rw" else "EACCES" if memory.kind != "anon" else None
        value = self.dice.randrange(1 << 64)
        self.say(who, f"{self.gpu()} atomic_add {address:#x} {value}", error)
        if not error:
            words, key = who.word(address)
            words[key] = (words.get(key, 0) + value) % (1 << 64)

    def do_reset(self, who):
        gpu = self.gpu()
        self.say(who, f"{gpu} evict all")  # else the model had to know what is where
        self.say(who, f"{gpu} reset")

    def do_gc(self, who):
        self.say(who, "gc")

    def do_tick(self, who):
        self.say(who, f"tick {self.dice.randrange(10)}")

    def text(self, commands):
        while len(self.lines) < commands:
            who = self.dice.choice(self.processes)
            what = self.dice.choices(list(self.weights), list(self.weights.values()))[0]
            if who.units or what == "mmap":
                getattr(self, "do_" + what)(who)
        return "\n".join(self.lines) + "\n"


def main():
    svmsh = sys.argv[1]
    usual = ["15" if sanitized(svmsh) else "40", "1"]
    runs, first = (int(a) for a in (sys.argv[2:4] + usual[len(sys.argv[2:4]) :]))
    tally = Tally()
    for seed in range(first, first + runs):
        text = Scenario(seed).text(150).encode()
        result = run([svmsh, "run"], text)
        good = (result.status, result.out, result.err) == (0, b"", b"")
        if not good:
            kept = pathlib.Path(tempfile.gettempdir()) / f"svmsh-random-{seed}.svm"
            kept.write_bytes(text)
            print(f"seed {seed} is kept as {kept}")
        tally.check(good, f"seed {seed}: {result}")
    tally.close()


main()
