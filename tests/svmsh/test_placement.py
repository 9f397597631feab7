#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_placement.py SVMSH [--few] - svmsh replay with lists of faults, batches, warps, policies, capacity, JSON and CSV.

--few: fewer of the long replays, for a program that a sanitizer slows down.
"""

import csv
import io
import json
import pathlib
import random
import struct
import sys
import tempfile

from harness import Tally, run

svmsh = sys.argv[1]
few = "--few" in sys.argv
tally = Tally()

PAGE, BLOCK = 4096, 2 << 20
CAUSES = ["gpu_fault", "cpu_fault", "prefetch", "eviction", "counter", "advice", "explicit", "collection", "gather", "unbind",
          "fork"]  # fmt: skip
FURTHER = ["fault_services", "faults_resident", "pages_prefetched", "refaults", "pages_throttled", "pages_pinned", "batches",
           "duplicates", *("bytes_" + cause for cause in CAUSES), "bytes_moved", "bytes_moved_per_footprint"]  # fmt: skip


def packed(addresses):
    return struct.pack(f"<{len(addresses)}Q", *addresses)


def replay(source, *options):
    return run([svmsh, "replay", *options], source)


def report_of(result):
    return dict(line.rsplit(None, 1) for line in result.out.decode().splitlines())


def costs(what, result, **expected):
    """Whether a clean replay reports these figures."""
    report = report_of(result) if result.status == 0 else {}
    wrong = {k: (report.get(k), v) for k, v in expected.items() if report.get(k) != str(v)}
    quiet = result.err.count(b"\n") == 1 and b"accesses a second" in result.err
    tally.check(result.status == 0 and quiet and not wrong, f"{what}: (found, expected) {wrong} {result}")
    return report


def refused(what, result, *says):
    good = result.status == 2 and result.out == b"" and result.err.count(b"\n") == 1
    tally.check(good and all(s in result.err for s in says), f"{what!r:.100}: {result}")


def swept_blocks(blocks, seed):
    """Faults as a Fourier transform leaves them on a real GPU: each block is swept once, up or down, and faults in each part
    that the prefetcher has left to the sweep; eight blocks by turns. Five come late, one right behind its twin."""
    dice = random.Random(seed)
    parts = [(0, 16), (16, 32), (32, 64), (64, 128), (128, 256), (256, 512)]
    faults = []
    for first in range(0, blocks, 8):
        down = [dice.random() < 0.5 for _ in range(8)]
        left = [b for b in range(8) for _ in parts]
        dice.shuffle(left)
        step = [0] * 8
        for b in left:
            page = dice.randrange(*parts[step[b]])
            step[b] += 1
            faults.append((first + b) * BLOCK + (511 - page if down[b] else page) * PAGE)
    middle = len(faults) // 2
    faults.insert(middle, faults[middle - 1])
    return faults + faults[:4]


def lists_of_faults():
    blocks = 64
    for seed in (1, 2):
        faults = swept_blocks(blocks, seed)
        text = packed(faults)
        keys = ("format=faults64", "prefetch=density", "prefill=off", f"capacity={blocks * 2}M")
        costs(f"sweeps {seed}", replay(text, *keys), accesses=len(faults), loads=len(faults), stores=0, gpu_faults=len(faults),
              fault_services=6 * blocks, faults_resident=5, duplicates=0, batches=len(faults), refaults=0,
              pages_prefetched=506 * blocks, bytes_to_vram=0, vram_used=blocks * BLOCK, bytes_gpu_fault=0)  # fmt: skip
        falls = 1 + sum(b < a for a, b in zip(faults, faults[1:]))
        report = costs(f"sweeps {seed} in batches", replay(text, *keys, "batch=256"), gpu_faults=len(faults), batches=falls)
        late = int(report.get("faults_resident", 0)) + int(report.get("duplicates", 0))
        tally.check(late == 5 and report.get("duplicates") != "0", f"sweeps {seed} in batches: {report}")
    # Two in one batch, a twin of which does not count; then one that falls, on a page that came along.
    text = packed([0x5000, 0x5000, 0x9000, 0x8000, BLOCK])
    keys = ("format=faults64", "prefetch=density")
    costs("batch=256", replay(text, *keys, "batch=256"), batches=2, duplicates=1, faults_resident=1, fault_services=2,
          gpu_faults=5, bytes_gpu_fault=3 * PAGE, bytes_prefetch=29 * PAGE, bytes_to_vram=32 * PAGE)  # fmt: skip
    costs("batch=2", replay(text, *keys, "batch=2"), batches=3, duplicates=1, faults_resident=2, fault_services=2)
    costs("batch=1", replay(text, *keys), batches=5, duplicates=0, faults_resident=3, fault_services=2)
    # Without a policy a fault moves what is missing of its range.
    costs("prefetch=off", replay(text, "format=faults64"), batches=5, fault_services=2, faults_resident=3, pages_prefetched=0,
          bytes_gpu_fault=2 * BLOCK, bytes_prefetch=0, gpu_faults=5)  # fmt: skip
    # 64 KiB, and nothing is ever there twice when the whole memory is one group.
    costs("no room", replay(packed([0, BLOCK, 0, BLOCK]), *keys, "capacity=64K"), fault_services=4, refaults=2,
          bytes_eviction=3 * 16 * PAGE, bytes_to_ram=3 * 16 * PAGE, vram_used=16 * PAGE)  # fmt: skip
    costs("a block at a time", replay(packed([0, BLOCK, 0]), *keys, "capacity=2M", "evict=uvm"), fault_services=3, refaults=1,
          bytes_eviction=2 * 16 * PAGE)  # fmt: skip
    costs("too small to move", replay(packed([0, PAGE]), *keys, "capacity=4K", "batch=2"), fault_services=0, gpu_faults=2,
          bytes_to_vram=0, dma_mapped_pages=2)  # fmt: skip
    costs("threshold 100", replay(packed([PAGE * n for n in range(512)]), "format=faults64", "prefetch=density:100"),
          fault_services=512, pages_prefetched=0)  # fmt: skip
    costs("threshold 0", replay(packed([PAGE * n for n in range(512)]), "format=faults64", "prefetch=density:0"),
          fault_services=1, pages_prefetched=511, faults_resident=511)  # fmt: skip


def bad_lists():
    good = packed([0, PAGE])
    keys = ("format=faults64",)
    refused("nothing", replay(b"", *keys), b"-: ", b"offset 0")
    for cut in range(1, 8):
        refused(f"cut off by {cut}", replay(good[:-cut], *keys), b"offset 8", b"8 bytes")
        refused("cut off at once", replay(good[:cut], *keys), b"offset 0")
    refused("beyond", replay(good + packed([1 << 47]), *keys), b"offset 16", b"0x800000000000")
    refused("far beyond", replay(packed([(1 << 64) - PAGE]), *keys), b"offset 0")
    refused("no page", replay(good + packed([PAGE + 8]), *keys, "batch=256"), b"offset 16", b"0x1008")
    refused("hardware that cannot", replay(good, *keys, "faults=off"), b"faults")


def report_lines(folder):
    """Which keys add lines, and the same report as JSON and as CSV."""
    text = b" L 10000000,8\n S 10200000,8\n M 10000ff8,16\n"
    plain = replay(text)
    tally.check(plain.status == 0 and not any(name in plain.out.decode() for name in FURTHER), f"no further lines: {plain}")
    head = list(report_of(plain))
    for key in ("prefetch=off", "prefetch=density", "evict=oldest", "batch=1", "batch=8", "capacity=4M"):
        result = replay(text, key)
        names = list(report_of(result))
        unused = ["prefetched_unused"] if key == "prefetch=density" else []
        tally.check(result.status == 0 and names == head + FURTHER[:3] + unused + FURTHER[3:], f"{key}: {names}")
        tally.check(len({len(line) for line in result.out.splitlines()}) == 1, f"{key}, aligned: {result}")
    for key in ("counters=on", "counters=hysteresis"):
        tally.check(list(report_of(replay(text, key))) == head + FURTHER, f"{key} adds the lines of placement")
    for key in ("warps=2", "counters=off", "thrash=off", "format=lackey", "vram=4M"):
        tally.check(list(report_of(replay(text, key))) == head, f"{key} adds no lines")
    # Without a policy the figures are those of ranges that move whole.
    same = replay(text, "capacity=2M").out.decode().splitlines()[: len(head)]
    before = replay(text, "vram=2M").out.decode().splitlines()
    tally.check([line.split() for line in same] == [line.split() for line in before], f"capacity=2M: {same} {before}")

    path = folder / "trace.u64"
    path.write_bytes(packed([0, PAGE, BLOCK, 0]))
    json_path, csv_path = folder / "r.json", folder / 'r".csv'
    result = replay(b"", str(path), "prefetch=density:60+stream", "chunks=64K,4K", "capacity=50%", "--json", str(json_path),
                    f"--csv={csv_path}")  # fmt: skip
    tally.check(result.status == 0, f"--json, --csv: {result}")
    report = report_of(result)
    told = json.loads(json_path.read_text())
    rows = list(csv.reader(io.StringIO(csv_path.read_text())))
    tally.check(len(rows) == 2 and rows[0] == list(told) and rows[1] == [str(v) for v in told.values()] or
                [float(v) if isinstance(told[k], float) else v for k, v in zip(*rows)] ==
                [v if isinstance(v, float) else str(v) for v in told.values()], f"CSV is JSON: {rows} {told}")  # fmt: skip
    tally.check(list(told)[-len(report):] == list(report), f"names: {list(told)}")
    tally.check(all(float(told[k]) == float(v) for k, v in report.items()), f"values: {told} {report}")
    wanted = {"trace": str(path), "format": "faults64", "prefetch": "density:60+stream", "evict": "oldest", "vram": BLOCK,
              "chunks": "65536,4096", "batch": 1, "prefill": "on", "thrash": "off", "page": 4096, "seed": 1}  # fmt: skip
    wrong = {k: (told.get(k), v) for k, v in wanted.items() if told.get(k) != v}
    tally.check(not wrong, f"settings: {wrong}")
    kept = json_path.read_bytes()
    fresh = folder / "fresh.json"
    refused("bad list", replay(b"x" * 9, "format=faults64", "--json", str(json_path)), b"offset 0")
    refused("bad list", replay(b"x" * 9, "format=faults64", "--csv", str(fresh)), b"offset 0")
    tally.check(json_path.read_bytes() == kept and not fresh.exists(), "a trace that is refused leaves no report")
    for name in ("--json", "--csv"):
        refused(name, replay(text, name), b"svmsh: ", b"FILE")
        refused(name, replay(text, name + "="), b"svmsh: ", b"FILE")
        refused(name, replay(text, name, "/nowhere/at/all"), b"cannot write")


def unused_pages():
    """Pages that came along and were neither loaded, stored nor faulted until they left or the end."""
    def unused(text, *options):
        return report_of(replay(text, "prefetch=density", *options)).get("prefetched_unused")

    one = b" L 10000000,8\n"
    tally.check(unused(one) == "15", "a group but for a page")
    tally.check(unused(one + b" S 1000f000,8\n L 1000f008,8\n M 10003000,1\n") == "13", "loads and stores use")
    other = b" L 10400000,8\n"
    tally.check(unused(one + other, "capacity=64K") == "30", "those that left count")
    tally.check(unused(one + other + one, "capacity=64K") == "45", "each time that they leave")
    back = one + b" L 10001000,8\n" + other + b" L 10002000,8\n"
    tally.check(unused(back, "capacity=64K") == str(14 + 15 + 15), "what was used before it left does not count when it is back")
    tally.check(unused(one + b" L 10001000,8\n", "turns=1") == "14", "the CPU uses pages too")
    tally.check(unused(b"".join(b" L %x,8 # %d\n" % (0x10000000 + n * PAGE, n) for n in range(4)), "batch=4") == "12", "a batch")
    tally.check("prefetched_unused" not in report_of(replay(packed([0]), "format=faults64", "prefetch=density")),
                "a list of faults does not tell")  # fmt: skip


def maps(folder):
    """Pages that were prefetched are drawn, in a shade of their own; a map without them is as it was."""
    path = folder / "m.svg"
    text = b"".join(b" L %x,8\n" % (0x10000000 + n * 16 * PAGE) for n in range(40))
    result = replay(text, "prefetch=density", "--map", str(path))
    drawn = path.read_text()
    tally.check(result.status == 0 and 'class="c12"' in drawn and "prefetched" in drawn and ".c15{" in drawn, f"a map: {result}")
    result = replay(text, "prefetch=density:100", "--map", str(path))
    drawn = path.read_text()
    tally.check(result.status == 0 and "c12" not in drawn and "prefetched" not in drawn, f"nothing is prefetched: {result}")
    result = replay(packed([0x5000, 0x8000, BLOCK]), "format=faults64", "prefetch=density", "batch=8", "--map", str(path))
    drawn = path.read_text()
    tally.check(result.status == 0 and 'class="c12"' in drawn, f"a map of a list: {result}")
    for policy in ("evict=uvm", "evict=density", "prefetch=until-full", "batch=64"):
        result = replay(text * 3, "capacity=2M", policy, "warps=4", "--map", str(path), "--timeline", str(folder / "t.json"))
        tally.check(result.status == 0 and path.read_text().endswith("</svg>\n"), f"a map under {policy}: {result}")


def scenarios():
    """The policies as machine options of a scenario."""
    moves = b"""mmap A 4M
cpu fill A 256K 7
gpu check A 8 7
expect pages A 64K vram0
expect pages A+64K 192K ram
gpu check A+64K 8 8199
expect stat bytes_to_vram == 128K
expect stat ranges_created == 1
expect range A A 2M vram
gpu check A 256K 7
cpu check A 256K 7
gpu fill A 256K 9
cpu check A 256K 9
"""
    for keys in ("prefetch=density", "evict=density prefetch=density", "thrash=on prefetch=density", "prefetch=until-full"):
        for source in (moves, b"machine " + keys.encode() + b"\n" + moves):
            result = run([svmsh, "run", *(keys.split() if source is moves else ())], source)
            tally.check(result.status == 0 and result.out == b"", f"{keys}: {result}")
    small = moves.split(b"expect stat")[0] + b"expect pages A 64K ram\nexpect stat bytes_to_ram == 64K\ngpu check A 256K 7\n"
    for evict in ("oldest", "touched", "density"):
        result = run([svmsh, "run", "prefetch=density", f"evict={evict}", "vram=64K"], small)
        tally.check(result.status == 0 and result.out == b"", f"64K of device memory, {evict}: {result}")
    result = run([svmsh, "run", "prefetch=density", "evict=uvm", "vram=2M"], b"""mmap A 8M
cpu fill A 8M 1
gpu check A 64K 1
gpu check A+2M 64K 262145
expect pages A 2M ram
expect pages A+2M 64K vram0
expect pages A+2112K 64K ram
gpu check A 8M 1
""")  # fmt: skip
    tally.check(result.status == 0 and result.out == b"", f"a block takes its whole size: {result}")
    # What is accessed stays where it is, what is preferred comes whole; whole ranges know nothing of that.
    advised = b"""mmap A 4M
cpu fill A 1M 1
gpu advise A 1M accessed
expect stat dma_mapped_pages == 256
gpu check A 1M 1
expect pages A 1M ram
expect stat gpu_faults == 0
gpu atomic_add A 5
expect pages A 4K vram0
gpu advise A+2M 2M preferred
gpu write A+3M 1
expect pages A+2M 2M vram0
gpu advise A+1 4K accessed -> EINVAL
cpu check A 8 6
gpu advise A+64K 64K duplicate
gpu check A+64K 64K 8193
expect pages A+64K 64K ram
expect stat dma_mapped_pages == 224
cpu write A+64K 1
gpu check A+64K 8 1
gpu read A+2M = 0
gpu write A+3M 9
gpu advise A+2M 2M discard
expect pages A+2M 2M vram0
expect stat bytes_to_ram == 64K
gpu read A+3M = 9
gpu advise A+1 4K discard -> EINVAL
"""
    result = run([svmsh, "run", "prefetch=density"], advised)
    tally.check(result.status == 0 and result.out == b"", f"advice: {result}")
    # What is discarded goes first, without a copy, and is zero; what is written since is copied.
    result = run([svmsh, "run", "prefetch=density", "evict=uvm", "vram=4M"], b"""mmap A 6M
cpu fill A 6M 1
gpu check A 2M 1
gpu check A+2M 2M 262145
gpu advise A+2M 2M discard
gpu check A+4M 2M 524289
expect pages A 2M vram0
expect pages A+2M 2M ram
expect stat bytes_to_ram == 0
cpu read A+2M = 0
gpu advise A 2M discard
gpu write A+1M 7
gpu fill A+2M 2M 5
expect pages A+4M 2M ram
gpu fill A+4M 2M 6
expect pages A 2M ram
cpu read A+1M = 7
cpu read A = 0
cpu check A+2M 2M 5
""")  # fmt: skip
    tally.check(result.status == 0 and result.out == b"", f"what is discarded goes without a copy (DSC-18): {result}")
    # What one GPU prefers another one leaves to it, or has it brought there.
    result = run([svmsh, "run", "prefetch=density", "gpus=2"], b"""mmap A 2M
cpu fill A 2M 1
gpu0 read A = 1
gpu0 advise A 2M preferred
gpu1 check A+4K 4K 513
gpu1 check A+1M 4K 131073
expect pages A 64K vram0
expect pages A+64K 960K ram
expect pages A+1M 64K vram0
gpu1 advise A 2M preferred
gpu1 check A+4K 4K 513
expect pages A+4K 4K vram1
""")  # fmt: skip
    tally.check(result.status == 0 and result.out == b"", f"another GPU is preferred: {result}")
    for word in (b"preferred", b"accessed", b"duplicate", b"discard"):
        result = run([svmsh, "run"], b"mmap A 4M\ngpu advise A 4K " + word + b" -> EOPNOTSUPP\n")
        tally.check(result.status == 0 and result.out == b"", f"advice without a policy: {result}")
    # Where nothing fits, pages are mapped one by one where they are.
    result = run([svmsh, "run", "prefetch=density", "vram=0"], b"""mmap A 2M
gpu fill A 8K 5
expect stat dma_mapped_pages == 2
expect range A A 2M ram
cpu check A 8K 5
""")  # fmt: skip
    tally.check(result.status == 0 and result.out == b"", f"no device memory: {result}")


def capacity(folder):
    def vram(source, *options):
        out = folder / "c.json"
        result = replay(source, *options, "--json", str(out))
        return json.loads(out.read_text())["vram"] if result.status == 0 else result

    def expect(what, found, wanted):
        tally.check(found == wanted, f"{what}: {found}, expected {wanted}")

    three = b" L 10000000,8\n L 10400000,8\nI  90000000,4\n S 101fffff,2\n"
    path = folder / "three.lackey"
    path.write_bytes(three)
    expect("a third", vram(b"", str(path), "capacity=33%"), 3 * BLOCK * 33 // 100 // PAGE * PAGE)
    expect("more than all", vram(b"", str(path), "capacity=150%"), 3 * BLOCK * 3 // 2)
    expect("pages of 64K", vram(b"", str(path), "capacity=33%", "page=64K"), 3 * BLOCK * 33 // 100 // 65536 * 65536)
    expect("vram= wins", vram(b"", str(path), "capacity=33%", "vram=8M"), 8 << 20)
    expect("capacity= wins", vram(b"", str(path), "vram=8M", "capacity=50%"), 3 * BLOCK // 2)
    expect("a size", vram(three, "capacity=1M"), 1 << 20)
    expect("told by a pipe", vram(b"== footprint 7\n" + three, "capacity=50%"), 7 * BLOCK // 2)
    expect("told late", vram(b"==1== x\n== footprint 2\n" + three, "capacity=50%"), BLOCK)
    lists = folder / "list.u64"
    lists.write_bytes(packed([0, BLOCK, PAGE, 9 * BLOCK]))
    expect("a list", vram(b"", str(lists), "capacity=10%"), 3 * BLOCK // 10 // PAGE * PAGE)
    refused("a pipe", replay(three, "capacity=50%"), b"svmsh: ", b"footprint")
    refused("told too late", replay(three + b"== footprint 3\n", "capacity=50%"), b"svmsh: ", b"footprint")
    refused("a list in a pipe", replay(packed([0]), "format=faults64", "capacity=50%"), b"svmsh: ")
    refused("nothing", replay(b"== footprint 0\n" + three, "capacity=50%"), b"svmsh: ", b"page")
    refused("less than a page", replay(b"== footprint 1\n" + three, "capacity=1%", "page=64K"), b"svmsh: ", b"page")
    for value in ("0", "0%", "", "%", "-1", "x%", "50%%", "1.5%"):
        refused(value, replay(three, f"capacity={value}"), b"svmsh: ", b"expected")
    refused("half a page", replay(three, "capacity=2K"), b"svmsh: ")
    refused("no file", replay(b"", str(folder / "none"), "capacity=50%"), b"cannot open")
    # System memory is as large as the trace needs, unless it is given.
    wide = b"".join(b" L %x,8\n" % (n * BLOCK) for n in range(600))
    costs("wide", replay(wide, "prefill=off", "migrate=off", "check_pages=0"), dma_mapped_pages=600 * 512)
    tally.check(replay(wide, "prefill=off", "migrate=off", "ram=1G").status == 1, "ram=1G is 1G")


def gains():
    """What moves to and fro moves less where it waits and stays, and a sparse sweep that does not fit where prefetch learns."""
    both = "".join(f" S {0x40000000 + page * PAGE:x},8\n" for _ in range(400) for page in range(8)).encode()
    moved = {}
    for mode in ("off", "on", "slice"):
        report = report_of(replay(both, "turns=16", "prefetch=density", f"thrash={mode}"))
        moved[mode] = int(report["bytes_moved"])
        waits = int(report["pages_throttled"]) + int(report["pages_pinned"])
        tally.check((waits != 0) == (mode != "off"), f"thrash={mode}: {report}")
    tally.check(2 * moved["on"] < moved["off"] and 2 * moved["slice"] < moved["off"], f"to and fro: {moved}")
    dice = random.Random(5)
    sparse = "".join(f" L {0x40000000 + dice.randrange(6 * 512) * PAGE:x},8\n" for _ in range(1500)).encode()
    for key in ("density", "density+feedback"):
        moved[key] = int(report_of(replay(sparse, f"prefetch={key}", "capacity=4M"))["bytes_moved"])
    tally.check(4 * moved["density+feedback"] < 3 * moved["density"], f"sparse: {moved}")


def warps():
    keys = ("prefetch=density", "batch=256")
    page = [b" L %x,8" % (0x10000000 + n * BLOCK) for n in range(8)]
    named = b"".join(line + b" # %d\n" % n for n, line in enumerate(page))
    costs("eight warps", replay(named, *keys), accesses=8, batches=1, gpu_faults=8, fault_services=8, duplicates=0)
    costs("in batches of 3", replay(named, "prefetch=density", "batch=3"), batches=3, gpu_faults=8)
    costs("one page", replay(b"".join(page[0] + b" # %d\n" % n for n in range(8)), *keys), batches=1, gpu_faults=8, duplicates=7,
          fault_services=1, faults_resident=0)  # fmt: skip
    costs("names are ignored", replay(named, "prefetch=density"), batches=8, gpu_faults=8)
    tally.check(replay(named).out == replay(b"".join(line + b"\n" for line in page)).out, "names change nothing")
    # One warp waits for each of its faults; several share the accesses in turns.
    plain = b"".join(line + b"\n" for line in page)
    costs("one warp", replay(plain, *keys), batches=8, gpu_faults=8)
    costs("four warps", replay(plain, *keys, "warps=4"), batches=2, gpu_faults=8)
    costs("a kernel ends", replay(named.replace(b"# 3\n", b"# 3\n== kernel two\n"), *keys), batches=2, gpu_faults=8)
    costs("a kernel's line alone", replay(named.replace(b"# 3\n", b"# 3\n==kernel two\n"), *keys), batches=1)
    # A modify asks for both at once, one access across pages for one page after the other.
    costs("a modify", replay(b" M 10000000,8\n", *keys), gpu_faults=1, batches=1, loads=1, stores=1)
    costs("two pages", replay(b" S 1000fffc,8 # 1\n L 1000fff8,16 # 2\n", *keys), gpu_faults=4, batches=2, duplicates=2)
    # Turns: the warps make their accesses before the CPU takes over.
    costs("turns", replay(plain * 2, *keys, "turns=8", "warps=8"), batches=1, gpu_faults=8, bytes_cpu_fault=8 * PAGE,
          bytes_prefetch=2 * 8 * 15 * PAGE)  # fmt: skip
    # At most 4096 accesses of warps that wait are kept.
    many = page[0] + b" # 0\n"
    most = many * 4096 + page[1] + b" # 1\n"
    costs("kept", replay(many * 4095 + page[1] + b" # 1\n", *keys), batches=1, gpu_faults=2)
    costs("no more is kept", replay(most, *keys), batches=2, gpu_faults=2)
    dice = random.Random(5)
    for seed in range(8):
        text = b""
        for _ in range(600):
            kind, size = dice.choice(b"LSM"), dice.choice((1, 4, 8, 16, 4096))
            text += b" %c %x,%d" % (kind, 0x10000000 + dice.randrange(3 * BLOCK // 8) * 8, size)
            text += b" # %d\n" % dice.randrange(9) if seed % 2 else b"\n"
        options = [f"batch={dice.choice((2, 7, 64))}", f"prefetch={dice.choice(('off', 'density', 'until-full'))}",
                   f"capacity={dice.choice(('1M', '3M', '16K'))}", f"evict={dice.choice(('oldest', 'uvm', 'density'))}",
                   f"warps={dice.choice((1, 3, 20))}", f"page={dice.choice(('4K', '16K', '64K'))}"]  # fmt: skip
        options[2] = "capacity=2M" if "uvm" in options[3] or "64K" in options[5] else options[2]
        if seed % 3 == 0:
            options += ["turns=37"]
        result = replay(text, *options)
        loads = text.count(b"L") + text.count(b"M")
        costs(f"random warps {seed} {options}", result, loads=loads, stores=text.count(b"S") + text.count(b"M"))
        tally.check(replay(text, *options).out == result.out, f"random warps {seed}: the same again")


def counters():
    """Accesses to memory that is elsewhere are counted, and bring it; with a way back what is cold makes no room."""
    page = [0x10000000 + n * PAGE for n in range(512)]
    # Seventeen pages do not fit into sixteen, so that the GPU uses them where they are; then it uses one of them often.
    cut = b"".join(b" L %x,8 # %d\n" % (page[n], n) for n in range(17)) + b" L %x,8 # 0\n" % page[0] * 600
    keys = ("prefetch=density", "capacity=64K", "batch=32")
    costs("no counters", replay(cut, *keys), bytes_to_vram=0, bytes_counter=0, gpu_faults=17)
    costs("counters", replay(cut, *keys, "counters=on"), bytes_gpu_fault=0, bytes_counter=65536, bytes_to_vram=65536,
          fault_services=0, gpu_faults=17, prefetched_unused=0)  # fmt: skip
    costs("hot", replay(cut, *keys, "counters=hysteresis"), bytes_counter=0)  # two notifications are not eight
    # Two groups by turns, and room for one.
    turns = (b" L 10000000,8\n L 10200000,8\n") * 100
    keys = ("prefetch=density", "capacity=64K")
    costs("by turns", replay(turns, *keys), gpu_faults=200, fault_services=200, bytes_eviction=199 * 65536, refaults=198)
    costs("by turns, counters alone", replay(turns, *keys, "counters=on"), gpu_faults=200, bytes_eviction=199 * 65536)
    costs("by turns, a way back", replay(turns, *keys, "counters=hysteresis"), gpu_faults=2, fault_services=1, refaults=0,
          bytes_eviction=0, bytes_to_vram=65536)  # fmt: skip
    hot = turns + b" L 10200000,8\n" * 256 * 16
    costs("hot at last", replay(hot, *keys, "counters=hysteresis"), gpu_faults=2, bytes_counter=65536, bytes_eviction=65536)
    dice = random.Random(7)
    favourites = [dice.randrange(128) for _ in range(4)]
    text = b""
    for _ in range(8000):
        group = dice.choice(favourites) if dice.random() < 0.7 else dice.randrange(128)
        text += b" %c %x,8\n" % (dice.choice(b"LS"), 0x10000000 + group * 65536 + dice.randrange(8192) * 8)
    moved = {}
    for mode in ("off", "on", "hysteresis"):
        for options in ((),) if few else (("turns=1000",), ("batch=8", "warps=8"), ()):
            result = replay(text, "prefetch=density", "capacity=2M", f"counters={mode}", *options)
            report = costs(f"few hot groups, {mode} {options}", result)
            causes = sum(int(report.get("bytes_" + cause, 0)) for cause in CAUSES)
            tally.check(str(causes) == report.get("bytes_moved"), f"causes balance: {report}")
            moved[mode] = int(report.get("bytes_moved", 0))
    further = (("prefetch=until-full", "batch=64", "warps=20", "page=16K"), ("evict=density", "turns=300"), ("evict=uvm",),
               ("page=64K", "evict=touched"), ("prefetch=off",))  # fmt: skip
    for options in further[:2] if few else further:
        costs(f"few hot groups, {options}", replay(text, "prefetch=density", "capacity=4M", "counters=hysteresis", *options))
    tally.check(moved["hysteresis"] * 10 < moved["off"] == moved["on"], f"a way back moves fewer bytes: {moved}")


with tempfile.TemporaryDirectory() as scratch:
    lists_of_faults()
    bad_lists()
    report_lines(pathlib.Path(scratch))
    unused_pages()
    scenarios()
    maps(pathlib.Path(scratch))
    capacity(pathlib.Path(scratch))
    gains()
    warps()
    counters()
tally.close()
