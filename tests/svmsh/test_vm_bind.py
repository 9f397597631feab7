# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Tests `svmsh vm_bind` from outside.  usage: test_vm_bind.py SVMSH TESTS_DIR"""

import pathlib
import random
import subprocess
import sys

BINARY, TESTS = sys.argv[1], pathlib.Path(sys.argv[2])
passed = failed = 0


def run(text, *options):
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run([BINARY, "vm_bind", *options], input=data, capture_output=True, timeout=60)


def check(name, good, detail=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {name} {detail}")


def answers(name, text, expected, *options):
    r = run(text, *options)
    check(name, (r.stdout.decode(), r.stderr, r.returncode) == (expected, b"", 0), repr(r))


def refuses(name, text, before, place, *options):
    """A line that cannot be understood: the answers before it stand, and the status is 2."""
    r = run(text, *options)
    error = r.stderr.decode()
    good = r.returncode == 2 and r.stdout.decode() == before and error.startswith(place) and error.count("\n") == 1
    check(name, good, repr(r))


def test_recorded_sets():
    options = {"c": ["reserve_start=0x1000", "reserve_size=0x800"]}
    for name in "abc":
        expected = (TESTS / "golden/vm_bind" / f"{name}.out").read_bytes()
        request = (TESTS / "golden/vm_bind" / f"{name}.in").read_bytes()
        r = run(request, *options.get(name, []))
        check(f"the reference's answers, set {name}", r.stdout == expected and r.returncode == 0)
        r = run(request.replace(b"\n", b"\r\n").rstrip(b"\r\n"), *options.get(name, []))
        check(f"set {name} with CR LF and without the last line's end", r.stdout == expected)


def test_answers():
    answers("nothing in, nothing out", "", "")
    answers("blanks and comments", "\n  # a\n\t dump # b\n", "ok\n")
    answers("all requests",
            "map 0 8K 7 0x10\nmap 4096 4K 0 0\nprefetch 0 0x2000\ndump\ngem_unmap 7\nunmap 0 1M\ndump",
            "map 0x0 0x2000 7 0x10\nok\n"
            "remap unmap=0x0,0x2000 keep=0 prev=0x0,0x1000,0x10\nmap 0x1000 0x1000 0 0x0\nok\n"
            "prefetch 0x0 0x1000\nprefetch 0x1000 0x1000\nok\n"
            "va 0x0 0x1000 7 0x10\nva 0x1000 0x1000 0 0x0\nok\n"
            "unmap 0x0 0x1000 keep=0\nok\n"
            "unmap 0x1000 0x1000 keep=0\nok\nok\n")
    answers("sums of addresses", "map 4K+0x1000 1K 1 0\nmap 4K-1 1 1 0\n",
            "map 0x2000 0x400 1 0x0\nok\nmap 0xfff 0x1 1 0x0\nok\n")
    answers("largest object and offset", "map 0 1 4294967295 0xffffffffffffffff\nmap 0 2 1 0xffffffffffffffff\n",
            "map 0x0 0x1 4294967295 0xffffffffffffffff\nok\nerror: EINVAL\n")
    answers("refused requests", "map 0 0 1 0\nunmap 5 0\nprefetch 5 0\nmap 0xffffffffffffffff 2 1 0\ngem_unmap 0\n"
            "gem_unmap 5\nmap 256T 1 1 0\nmap 0xffffffffffff 1 1 0\n",
            "error: EINVAL\n" * 5 + "ok\nerror: EINVAL\nmap 0xffffffffffff 0x1 1 0x0\nok\n")
    answers("the reserved part", "map 4K 1 1 0\nmap 4095 1 1 0\nmap 8K 1 1 0\nunmap 0 16K\nprefetch 0 16K\ndump\n",
            "error: EINVAL\nmap 0xfff 0x1 1 0x0\nok\nmap 0x2000 0x1 1 0x0\nok\nerror: EINVAL\n"
            "prefetch 0xfff 0x1\nprefetch 0x2000 0x1\nok\nva 0xfff 0x1 1 0x0\nva 0x2000 0x1 1 0x0\nok\n",
            "reserve_start=4K", "reserve_size=0x1000")
    answers("a space at the top", "map 0xfffffffffffff000 4K 1 0\nunmap 0xffffffffffffffff 1\nmap 0 1 1 0\ndump\n",
            "map 0xfffffffffffff000 0x1000 1 0x0\nok\n"
            "remap unmap=0xfffffffffffff000,0x1000 keep=0 prev=0xfffffffffffff000,0xfff,0x0\nok\nerror: EINVAL\n"
            "va 0xfffffffffffff000 0xfff 1 0x0\nok\n", "start=0xffffffffffff0000", "size=64K")
    answers("no object splits like any other", "map 0 3 0 0\nmap 1 1 0 0\n",
            "map 0x0 0x3 0 0x0\nok\nremap unmap=0x0,0x3 keep=0 prev=0x0,0x1,0x0 next=0x2,0x1,0x2\n"
            "map 0x1 0x1 0 0x0\nok\n")


def test_wrong_input():
    one = "map 0x0 0x1 1 0x0\nok\n"
    for wrong in ["map", "map 1", "map 1 1", "map 1 1 1", "map 1 1 1 1 1", "unmap 1", "unmap 1 1 1", "prefetch 1",
                  "gem_unmap", "gem_unmap 1 1", "dump 1", "frob", "Map 1 1 1 1", "map x 1 1 1", "map 1 -1 1 1",
                  "map 1 1 4294967296 0", "map 0x10000000000000000 1 1 0", "map 1 18446744073709551616 1 0",
                  "map 1 1k 1 0", "map 0x 1 1 0", "map 07 1 1 0", "map 0xg 1 1 0", "gem_unmap A", "map 4K- 1 1 0",
                  "unmap 1+2 1+2", "map 0x1ffffffffffffffff 1 1 0", "unmap 1 17179869184G", "\0"]:
        refuses(f"wrong line {wrong!r}", f"map 0 1 1 0\n\n{wrong}\nmap 5 1 1 0\n", one, "-:3: ")
    refuses("no such file", "", "", "svmsh: ", "/nonexistent/file")
    for wrong in ["gpus=1", "size=", "size=x", "size=0", "start=0xffffffffffffffff", "--frob", "x=1", "size=-1"]:
        refuses(f"wrong command line {wrong}", "dump\n", "", "svmsh: ", wrong)
    refuses("reserve outside", "dump\n", "", "svmsh: ", "size=64K", "reserve_start=64K", "reserve_size=1")
    refuses("reserve wraps", "dump\n", "", "svmsh: ", "reserve_start=0xffffffffffffffff", "reserve_size=2")
    refuses("two files", "dump\n", "", "svmsh: ", "-", "-")
    path = str(TESTS / "golden/vm_bind/README.md")
    refuses("a file that is no list of requests is named", "", "ok\n"[:0], f"{path}:3: ", path)


def flat_model(seed, count, cells, base):
    """Requests and the answers of a model that knows only what stands behind each byte, and where mappings begin."""
    rng = random.Random(seed)
    behind, requests, expected = [None] * cells, [], []
    mappings = {}  # start: (size, object, offset)
    for _ in range(count):
        size = min(cells, 1 + rng.randrange(rng.choice([4, 20, 60])))
        at = rng.randrange(cells - size + 1)
        kind = rng.choice(["map", "map", "map", "unmap", "prefetch"])
        obj = rng.randrange(4)
        offset = 0 if obj == 0 else rng.choice([at, at, rng.randrange(50)])
        requests.append(f"{kind} {base + at:#x} {size:#x}" + (f" {obj} {offset:#x}" if kind == "map" else ""))
        for start in sorted(m for m in mappings if m < at + size and m + mappings[m][0] > at):
            length, old, first = mappings[start]
            if kind == "prefetch":
                expected.append(f"prefetch {base + start:#x} {length:#x}")
                continue
            del mappings[start]
            keep = int(kind == "map" and old == obj != 0 and first - start == offset - at)
            parts = ""
            if start < at:
                mappings[start] = (at - start, old, first)
                parts += f" prev={base + start:#x},{at - start:#x},{first:#x}"
            if start + length > at + size:
                rest, skipped = start + length - at - size, at + size - start
                mappings[at + size] = (rest, old, first + skipped)
                parts += f" next={base + at + size:#x},{rest:#x},{first + skipped:#x}"
            if parts:
                expected.append(f"remap unmap={base + start:#x},{length:#x} keep={keep}{parts}")
            else:
                expected.append(f"unmap {base + start:#x} {length:#x} keep={keep}")
        if kind == "map":
            mappings[at] = (size, obj, offset)
            expected.append(f"map {base + at:#x} {size:#x} {obj} {offset:#x}")
        expected.append("ok")
    return "\n".join(requests), "\n".join(expected) + "\n"


def test_random():
    for seed, base in [(1, 0), (2, 0x7fff12345), (3, 2**64 - 400), (4, 2**64 - 401)]:
        requests, expected = flat_model(seed, 4000, 400, base)
        answers(f"random requests, seed {seed}", requests, expected, f"start={base:#x}", "size=400")


test_recorded_sets()
test_answers()
test_wrong_input()
test_random()
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
