#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_replay.py SVMSH - what a memory trace costs, bad traces, map, timeline, and the memory that a replay needs."""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

from harness import Tally, run, sanitized

svmsh = sys.argv[1]
tally = Tally()

STATISTICS = [
    "gpu_faults", "gpu_fault_retries", "ranges_created", "ranges_removed", "notifiers_created", "notifiers_removed",
    "migrations_to_vram", "migrations_to_ram", "migrations_failed", "bytes_to_vram", "bytes_to_ram", "bytes_peer",
    "dma_mapped_pages", "vram_used", "ram_used",
]  # fmt: skip
REPORT = ["accesses", "loads", "stores", "distinct pages", *STATISTICS, "GPU faults per million accesses",
          "bytes moved per million accesses"]  # fmt: skip

# Four accesses to three pages in two blocks of 2 MiB: a load, a store across a page's end, a modify.
SMALL = b"==7== Lackey\nI  00400000,3\n L 10000000,8\n S 10000ffc,8\nI  00400003,4\n M 10200000,4\n==7==\n"
BLOCK = 2 << 20


def one_line(text):
    return text.endswith(b"\n") and text.count(b"\n") == 1 and all(32 <= c < 127 for c in text[:-1])


def replay(text, *options, **more):
    return run([svmsh, "replay", *options], text, **more)


def report_of(result):
    return dict(line.rsplit(None, 1) for line in result.out.decode().splitlines())


def costs(what, result, **expected):
    """Whether a clean replay reports these figures; every statistic that is not named must be 0."""
    report = report_of(result) if result.status == 0 else {}
    wanted = {name: 0 for name in STATISTICS} | expected
    wrong = {k: (report.get(k), v) for k, v in wanted.items() if report.get(k.replace("__", " ")) != str(v)}
    quiet = one_line(result.err) and b"accesses a second" in result.err
    tally.check(result.status == 0 and quiet and not wrong, f"{what}: {wrong} {result}")


def refused(what, result, prefix, says=b""):
    good = result.status == 2 and result.out == b"" and one_line(result.err) and result.err.startswith(prefix)
    tally.check(good and says in result.err, f"{what!r:.100}: {result}")


def figures():
    both_blocks = {"ranges_created": 2, "notifiers_created": 1, "gpu_faults": 2}
    counts = {"accesses": 4, "loads": 2, "stores": 2, "distinct__pages": 3}
    default = replay(SMALL)
    costs("default", default, **counts, **both_blocks, migrations_to_vram=2, bytes_to_vram=2 * BLOCK, vram_used=2 * BLOCK)
    report = report_of(default)
    tally.check(list(report) == REPORT, f"order: {list(report)}")
    tally.check(len({len(line) for line in default.out.splitlines()}) == 1, f"aligned: {default}")
    tally.check(report.get("GPU faults per million accesses") == "500000.0", f"faults a million: {report}")
    tally.check(report.get("bytes moved per million accesses") == "1048576000000.0", f"bytes a million: {report}")

    # Holes are migrated too, but there is nothing to copy.
    costs("prefill=off", replay(SMALL, "prefill=off"), **counts, **both_blocks, migrations_to_vram=2, vram_used=2 * BLOCK)
    costs("migrate=off", replay(SMALL, "migrate=off"), **counts, **both_blocks, dma_mapped_pages=1024, ram_used=2 * BLOCK)
    costs("agent=cpu", replay(SMALL, "agent=cpu"), **counts, ram_used=2 * BLOCK)
    # The store takes a page on both sides of the boundary, the modify one more; the load finds the zero page.
    costs("nothing prepared", replay(SMALL, "agent=cpu", "prefill=off"), **counts, ram_used=3 * 4096)
    # GPU, CPU, GPU, CPU: each block goes there and, with the CPU's access, back as a whole.
    there_and_back = {"migrations_to_vram": 2, "migrations_to_ram": 2, "bytes_to_vram": 2 * BLOCK,
                      "bytes_to_ram": 2 * BLOCK, "ram_used": 2 * BLOCK}  # fmt: skip
    costs("turns=1", replay(SMALL, "turns=1"), **counts, **both_blocks, **there_and_back)
    # The GPU's turn of three leaves only the last store to the CPU.
    costs("turns=3", replay(SMALL, "turns=3"), **counts, **both_blocks, migrations_to_vram=2, migrations_to_ram=1,
          bytes_to_vram=2 * BLOCK, bytes_to_ram=BLOCK, vram_used=BLOCK, ram_used=BLOCK)  # fmt: skip
    costs("turns=4", replay(SMALL, "turns=4"), **counts, **both_blocks, migrations_to_vram=2, bytes_to_vram=2 * BLOCK,
          vram_used=2 * BLOCK)  # fmt: skip
    # Device memory for one block only: the second one evicts the first.
    costs("eviction", replay(SMALL, "vram=2M"), **counts, **both_blocks, migrations_to_vram=2, migrations_to_ram=1,
          bytes_to_vram=2 * BLOCK, bytes_to_ram=BLOCK, vram_used=BLOCK, ram_used=BLOCK)  # fmt: skip
    # Ranges of one page: five accesses of the machine reach three pages.
    costs("chunks=4K", replay(SMALL, "chunks=4K"), **counts, gpu_faults=3, ranges_created=3, notifiers_created=1,
          migrations_to_vram=3, bytes_to_vram=3 * 4096, vram_used=3 * 4096, ram_used=2 * BLOCK - 3 * 4096)  # fmt: skip
    for what, text in [("CR LF", SMALL.replace(b"\n", b"\r\n")), ("no newline", SMALL[: SMALL.rindex(b"==7==")][:-1])]:
        tally.check(replay(text).out == default.out, what)
    tally.check(replay(SMALL, "-").out == default.out, "- is standard input")
    # Of agent and turns, which answer one question, the last wins.
    tally.check(replay(SMALL, "turns=1", "agent=gpu").out == default.out, "agent after turns")
    tally.check(replay(SMALL, "agent=cpu", "turns=1").out == replay(SMALL, "turns=1").out, "turns after agent")
    tally.check(replay(SMALL, "turns=1", "turns=0x1K").out == default.out, "of two the last wins")


def machines():
    """The options that make another machine of it; the accesses are the same."""
    counts = {"accesses": 4, "loads": 2, "stores": 2}
    two_blocks = {"ranges_created": 2, "notifiers_created": 1, "gpu_faults": 2, "migrations_to_vram": 2,
                  "bytes_to_vram": 2 * BLOCK, "vram_used": 2 * BLOCK}  # fmt: skip
    costs("gpus=2", replay(SMALL, "gpus=2"), **counts, **two_blocks, distinct__pages=3)
    costs("thp=on", replay(SMALL, "thp=on"), **counts, **two_blocks, distinct__pages=3)
    costs("split=on", replay(SMALL, "split=on"), **counts, **two_blocks, distinct__pages=3)
    for page, size in [("16K", 16384), ("64K", 65536)]:
        # The store does not cross the end of these pages.
        costs(f"page={page}", replay(SMALL, f"page={page}"), **counts, **two_blocks, distinct__pages=2)
        costs(f"chunks={page}", replay(SMALL, f"page={page}", f"chunks={page}"), **counts, distinct__pages=2, gpu_faults=2,
              ranges_created=2, notifiers_created=1, migrations_to_vram=2, bytes_to_vram=2 * size, vram_used=2 * size,
              ram_used=2 * BLOCK - 2 * size)  # fmt: skip
        costs(f"page={page}, CPU", replay(SMALL, f"page={page}", "agent=cpu", "prefill=off"), **counts, distinct__pages=2,
              ram_used=2 * size)  # fmt: skip


def wide_accesses():
    """Sizes up to a page, on every side of a page's end, by both agents, against each other."""
    dice = random.Random(5)
    lines = [f" {dice.choice('LSM')} {0x7000000 + dice.randrange(40000):x},{dice.choice([1, 2, 4, 8, 16, 32, 500, 4096])}"
             for _ in range(150 if sanitized(svmsh) else 4000)]  # fmt: skip
    text = "\n".join(lines).encode()
    for options in [(), ("turns=3",), ("turns=5", "chunks=64K,4K", "vram=128K"), ("turns=7", "prefill=off"),
                    ("migrate=off", "turns=2"), ("agent=cpu",), ("chunks=4K", "vram=16K"), ("timeslice=5", "turns=2"),
                    ("turns=4", "migrate=only"), ("vram=0", "turns=1"), ("page=16K", "turns=3"),
                    ("page=64K", "chunks=64K", "vram=128K", "turns=3"), ("thp=on", "turns=3"), ("gpus=3", "turns=3")]:  # fmt: skip
        result = replay(text, *options)
        tally.check(result.status == 0 and one_line(result.err), f"wide {options}: {result}")


def pipe():
    with subprocess.Popen([svmsh, "replay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as shell:  # fmt: skip
        for i in range(0, len(SMALL), 5):
            shell.stdin.write(SMALL[i : i + 5])
            shell.stdin.flush()
        out, _ = shell.communicate(timeout=60)
    tally.check((out, shell.returncode) == (replay(SMALL).out, 0), f"a slow pipe: {out!r}")


def bad_lines():
    for line in [b" L", b" S ", b" L 1000", b" L 1000,", b" L 1000,0", b" L 1000,4097", b" L 1000,x", b" L g,8",
                 b" L 1000 8", b" L 1000,8 ", b" L 11112222333344445,8", b"I  1000", b"I  1000,0", b" M ,", b" L \0,8",
                 b" L " + b"1" * 3000000, b" S 1000,8\r\r"]:  # fmt: skip
        for before, number in [(b"", 1), (SMALL, 8), (b"\n" * 1000, 1001)]:
            for end in [b"", b"\n", b"\n" + SMALL, b"\r\n"]:
                refused(line, replay(before + line + end), b"-:%d: " % number, b"expected")
    # Cut anywhere, the last line is either whole or refused, or not recognizable.
    whole = b" L 10000000,16"
    for length in range(len(whole) + 1):
        result = replay(SMALL + whole[:length])
        expected = 2 if 2 <= length <= 12 else 0
        tally.check(result.status == expected, f"cut at {length}: {result}")


def no_access(folder):
    """What has not a single access is no trace: nothing is reported, and no file is written."""
    svg = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">\n <text>L 1000,8</text>\n</svg>\n'
    for text in [b"", b"\n", b"hello", b"hello\n\n==1==\n", b"I  1000,2\n", b"I  1000,2\r\nI  1002,4\r\n", b"L 1000,8\n",
                 b"  L 1000,8\n", b"\0" * 5000, b"x" * 3000000, svg]:  # fmt: skip
        for options in [(), ("agent=cpu",), ("page=64K", "chunks=64K"), ("turns=2", "prefill=off")]:
            refused(text[:60], replay(text, *options), b"-: ", b"no data access, expected")
    # One access is enough, also one that the machine refuses.
    one = replay(b"hello\nI  1000,2\n L 1000,1\nhello")
    costs("one access", one, accesses=1, loads=1, stores=0, distinct__pages=1, gpu_faults=1, ranges_created=1,
          notifiers_created=1, migrations_to_vram=1, bytes_to_vram=BLOCK, vram_used=BLOCK)  # fmt: skip
    beyond = replay(b" L 800000000000,8\n")
    tally.check(beyond.status == 1 and report_of(beyond)["accesses"] == "1", f"one access, refused: {beyond}")

    path = folder / "no.lackey"
    path.write_bytes(b"I  1000,2\n")
    refused("a file", replay(b"", str(path)), str(path).encode() + b": ", b"no data access")
    for magic, program in [(b"\xfd7zXZ\0", b"xz"), (b"\x1f\x8b\x08", b"gzip"), (b"\x28\xb5\x2f\xfd", b"zstd")]:
        path.write_bytes(magic + b"rest")
        refused(program, replay(b"", str(path)), str(path).encode() + b": ", b"expected: " + program + b" -dc FILE | svmsh replay -")
    old, fresh = folder / "old.out", folder / "fresh.out"
    old.write_bytes(b"old")
    for option in ["--map", "--timeline"]:
        refused(option, replay(b"", option, str(old)), b"-: ")
        refused(option, replay(b"", option, str(fresh)), b"-: ")
        tally.check(old.read_bytes() == b"old" and not fresh.exists(), f"{option} writes without an access")


def refused_accesses():
    top = b" L 800000000000,8\n S ffffffffffffffff,1\n L ffffffffffffffff,2\n S 7ffffffffffc,8\n"
    result = replay(top + SMALL)
    told = result.err.splitlines()
    good = result.status == 1 and len(told) == 5 and all(told[i].startswith(b"-:%d: " % (i + 1)) for i in range(4))
    tally.check(good and report_of(result)["accesses"] == "8", f"beyond user addresses: {result}")
    result = replay(b" S 1000,8\n" * 100, "readonly=on")
    good = result.status == 1 and b"-:1: " in result.err and b"EPERM" in result.err and b"100 accesses" in result.err
    tally.check(good and result.err.count(b"\n") < 15, f"a GPU that may not write: {result}")
    result = replay(b" L 0,8\n", "vm_start=1G", "vm_size=1G")
    tally.check(result.status == 1 and b"EINVAL" in result.err, f"outside the window: {result}")
    result = replay(b" L 0,8\n S 100000,8\n S 200000,8\n", "ram=1M", "agent=cpu")
    tally.check(result.status == 1 and b"SIGBUS" in result.err, f"no memory: {result}")
    result = replay(b" L 0,8\n", "migrate=only", "vram=0")
    tally.check(result.status == 1 and b"ENOMEM" in result.err, f"no device memory: {result}")


def command_line(folder):
    path = folder / "small.lackey"
    path.write_bytes(SMALL)
    tally.check(replay(b"", str(path)).out == replay(SMALL).out, "a file")
    path.write_bytes(SMALL + b" L 1,\n")
    refused("line in a file", replay(b"", str(path)), str(path).encode() + b":8: ")
    refused("missing file", replay(b"", str(folder / "none")), b"svmsh: ", b"cannot open")
    refused("a folder", replay(b"", str(folder)), b"svmsh: ", b"cannot read")
    refused("two files", replay(b"", "-", "-"), b"svmsh: ")
    for option in ["prefill=", "prefill=1", "agent=gpu1", "agent=", "turns=0", "turns=-1", "turns=x", "turns=", "frob=1",
                   "ram=0", "chunks=3K", "notifier=3M", "vm_size=0", "--frob", "-x", "--map", "--map=", "--timeline",
                   "--timeline=", "--timelines=x", "gpus=0", "page=8K", "thp=1", "page=16K chunks=4K"]:  # fmt: skip
        refused(option, replay(SMALL, option), b"svmsh: ")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([svmsh, "replay"], input=SMALL, stdout=full, stderr=subprocess.PIPE, timeout=60,
                                  check=False)  # fmt: skip
            tally.check(done.returncode == 1 and b"standard output" in done.stderr, f"/dev/full: {done}")


def check_map(what, path, result):
    try:
        root = xml.fromstring(path.read_bytes())
        text = " ".join(e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text"))
        good = root.tag.endswith("svg") and "GPU faults" in text and "evictions" in text and "system memory" in text
    except (OSError, xml.ParseError) as wrong:
        good, text = False, str(wrong)
    good = good and result.status == 0 and path.stat().st_size <= 150_000
    tally.check(good, f"map of {what}: {text} {result}")
    return text


def maps(folder):
    path = folder / "map.svg"
    text = check_map("a small trace", path, replay(SMALL, "--map", str(path), "turns=1"))
    tally.check("0x10000000" in text and "0x10200000" not in text, f"neighbours are one part: {text}")
    check_map("one access", path, replay(b" L 1000,1\n", f"--map={path}"))
    tally.check(replay(SMALL, "--map", str(path)).out == replay(SMALL).out, "a map changes no figure")
    dice = random.Random(7)
    # Pages everywhere, memory that is always elsewhere: the most that there can be to draw.
    count = 10000 if sanitized(svmsh) else 60000
    wild = "\n".join(f" {dice.choice('LS')} {dice.randrange(4000) * 4096 + 0x40000000:x},8" for _ in range(count)).encode()
    check_map("a storm", path, replay(wild, "--map", str(path), "turns=3", "chunks=4K", "vram=1M"))
    sparse = "\n".join(f" S {dice.randrange(1 << 25) * 4096:x},8" for _ in range(3000)).encode()
    check_map("many parts", path, replay(sparse, "--map", str(path), "prefill=off", "chunks=64K,4K"))
    named = folder / "a <b> & c\xe9\x01.lackey"
    named.write_bytes(SMALL)
    check_map("a file with an odd name", path, replay(b"", str(named), "--map", str(path)))

    tally.check("Where a program had its memory" in check_map("a pipe", path, replay(SMALL, "--map", str(path))), "a pipe has no name")
    titled = check_map("a title", path, replay(SMALL, "--map", str(path), "--title", "<SQLite> & co"))
    tally.check("Where <SQLite> & co had its memory" in titled, f"--title: {titled}")
    tally.check(b"<title>Where &lt;SQLite&gt; &amp; co had its memory</title>" in path.read_bytes(), "the title of the document")
    trace = folder / "some.lackey"
    trace.write_bytes(SMALL)
    tally.check("Where some.lackey had" in check_map("a file", path, replay(b"", str(trace), f"--map={path}")), "a file's name")

    refused("no such folder", replay(SMALL, "--map", str(folder / "none" / "map.svg")), b"svmsh: ", b"cannot write")
    refused("a folder", replay(SMALL, "--map", str(folder)), b"svmsh: ", b"cannot write")
    kept = path.read_bytes()
    fresh = folder / "fresh.svg"
    refused("bad line", replay(SMALL + b" L 1,\n", "--map", str(path)), b"-:8: ")
    refused("bad line", replay(SMALL + b" L 1,\n", "--map", str(fresh)), b"-:8: ")
    tally.check(path.read_bytes() == kept and not fresh.exists(), "a trace that is refused leaves no map")
    if os.path.exists("/dev/full"):
        result = replay(SMALL, "--map", "/dev/full")
        tally.check(result.status == 1 and b"cannot write" in result.err, f"--map /dev/full: {result}")


def check_timeline(what, path, result):
    """The events of a timeline by their name, if it is what a viewer reads."""
    try:
        events = json.loads(path.read_bytes())["traceEvents"]
    except (OSError, ValueError, KeyError) as wrong:
        tally.check(False, f"timeline of {what}: {wrong!r} {result}")
        return {}
    good = result.status == 0 and events[-1]["ph"] == "C"
    by_name = {}
    for event in events:
        good = good and event["ph"] in "MXC" and event["pid"] == 1 and isinstance(event["name"], str)
        if event["ph"] == "X":
            good = good and event["ts"] >= 0 and event["dur"] >= 1 and event["args"]["count"] >= 1
        by_name.setdefault(event["name"], []).append(event)
    for name in by_name:
        times = [event.get("ts", 0) for event in by_name[name]]
        good = good and times == sorted(times)
    tally.check(good, f"timeline of {what}: {result}")
    return by_name


def sums(events, key):
    return sum(event["args"][key] for event in events)


def timelines(folder):
    path = folder / "t.json"
    result = replay(SMALL, "--timeline", str(path), "turns=1")
    events = check_timeline("a small trace", path, result)
    tally.check(result.out == replay(SMALL, "turns=1").out, "a timeline changes no figure")
    tally.check(str(path).encode() + b" opens in ui.perfetto.dev" in result.err, f"who opens a timeline: {result}")
    faults = [(e["ts"], e["args"]["count"], e["args"]["address"]) for e in events.get("GPU fault", [])]
    tally.check(faults == [(0, 1, "0x10000000"), (2, 1, "0x10200000")], f"GPU faults: {faults}")
    moved = [(e["ts"], e["args"]["bytes"]) for e in events.get("migration to system memory", [])]
    tally.check(moved == [(1, BLOCK), (3, BLOCK)], f"migrations: {moved}")
    last = events["bytes in use"][-1]
    tally.check((last["ts"], last["args"]) == (4, {"system": 2 * BLOCK, "device": 0}), f"in use at the end: {last}")
    names = {e["args"]["name"] for e in events["thread_name"]}
    tally.check({"GPU faults", "CPU faults", "evictions"} <= names, f"tracks: {names}")
    evicted = check_timeline("evictions", path, replay(SMALL, f"--timeline={path}", "vram=2M"))
    tally.check(sums(evicted.get("eviction", []), "count") == 1, f"evictions: {evicted.get('eviction')}")
    check_timeline("one access", path, replay(b" L 1000,1\n", f"--timeline={path}"))

    # So many that they have to be joined: no count is lost, and the file stays small.
    text = b" L 10000000,8\n L 10200000,8\n" * 40000
    stormy = replay(text, "--timeline", str(path), "--map", str(folder / "both.svg"), "turns=1", "chunks=4K")
    storm = check_timeline("a storm", path, stormy)
    found = int(report_of(stormy).get("gpu_faults", -1))
    tally.check(sums(storm.get("GPU fault", []), "count") == found, f"a storm: {found} faults")
    tally.check(path.stat().st_size < 16 << 20 and (folder / "both.svg").stat().st_size > 0, "size of a stormy timeline")

    named = folder / "a \"b\" \\ \xe9\x01.lackey"
    named.write_bytes(SMALL)
    check_timeline("a file with an odd name", path, replay(b"", str(named), "--timeline", str(path)))
    refused("no such folder", replay(SMALL, "--timeline", str(folder / "none" / "t.json")), b"svmsh: ", b"cannot write")
    fresh = folder / "fresh.json"
    kept = path.read_bytes()
    refused("bad line", replay(SMALL + b" L 1,\n", "--timeline", str(path)), b"-:8: ")
    refused("bad line", replay(SMALL + b" L 1,\n", "--timeline", str(fresh)), b"-:8: ")
    tally.check(path.read_bytes() == kept and not fresh.exists(), "a trace that is refused leaves no timeline")
    if os.path.exists("/dev/full"):
        result = replay(SMALL, "--timeline", "/dev/full")
        tally.check(result.status == 1 and b"cannot write" in result.err, f"--timeline /dev/full: {result}")


def peak_memory(arguments):
    """The largest resident size of a run, in KiB, and its exit status."""
    # What overwrites all memory that is handed out would count it as used.
    plain = {name: value for name, value in os.environ.items() if name != "MALLOC_PERTURB_"}
    child = subprocess.Popen([svmsh, "replay", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=plain)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss, child.returncode


def memory(folder):
    """A hundred times the accesses to the same pages takes no more memory; what a word an access takes would show."""
    part = b"".join(b" %c %x,8\nI  4000,4\n" % (b"LS"[i % 2], 0x10000000 + i % 16 * 4096 + i % 100 * 8) for i in range(50000))
    for options in [(), ("--map", str(folder / "map.svg"), "turns=100000"),
                    ("--timeline", str(folder / "t.json"), "turns=100000")]:  # fmt: skip
        peaks = []
        for repeats in [1, 100]:
            with open(folder / "long.lackey", "wb") as out:
                for _ in range(repeats):
                    out.write(part)
            peaks.append(peak_memory([str(folder / "long.lackey"), *options]))
        (short, first), (long, second) = peaks
        tally.check(first == second == 0 and long - short < 8192, f"memory {options}: {peaks}")


def untouched_memory(folder):
    """Device memory that holds nothing but zeros takes none of the host: 2 GiB of it, and what describes its pages."""
    path = folder / "sparse.lackey"
    path.write_bytes(b"".join(b" L %x,8\n" % (n * BLOCK) for n in range(1024)))
    peak, status = peak_memory([str(path), "prefill=off", "vram=2G"])
    tally.check(status == 0 and peak < 400 << 10, f"2 GiB of untouched memory: status {status}, {peak} KiB")


def garbage():
    dice = random.Random(3)
    pieces = [b" L ", b" S ", b" M ", b"I  ", b"1000", b"ffffffffffff", b",", b"8", b"4096", b"\n", b"\n", b"\r\n", b" ",
              b"\0", b"\xff", b"==1=="]  # fmt: skip
    for number in range(150):
        if number % 2:
            text = bytes(dice.randrange(256) for _ in range(dice.randrange(400)))
        else:
            text = b"".join(dice.choice(pieces) for _ in range(dice.randrange(80)))
        result = replay(text, "prefill=off")
        tally.check(result.status in (0, 1, 2), f"garbage {number} {text!r}: {result}")


def timing():
    result = replay(SMALL)
    tally.check(re.search(rb"4 accesses \(7 lines\) in \d+\.\d+ s: ", result.err), f"timing: {result}")


figures()
machines()
wide_accesses()
pipe()
bad_lines()
refused_accesses()
timing()
with tempfile.TemporaryDirectory() as scratch:
    command_line(pathlib.Path(scratch))
    no_access(pathlib.Path(scratch))
    maps(pathlib.Path(scratch))
    timelines(pathlib.Path(scratch))
    if not sanitized(svmsh):
        memory(pathlib.Path(scratch))
        untouched_memory(pathlib.Path(scratch))
garbage()
tally.close()
