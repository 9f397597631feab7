#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_cli.py SVMSH - the command line, bad input, exit status and what goes where."""

import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from harness import Tally, run

svmsh = sys.argv[1]
tally = Tally()

VERBS = ["run", "replay", "vm_bind", "scenarios"]

BAD_LINES = [
    b"frob", b"GC", b"gc now", b"gc -> OOPS", b"gc ->", b"-> EINVAL", b"= 1", b"mmap", b"mmap B", b"mmap 4K 4K",
    b"mmap A 4K", b"mmap A 4K -> EEXIST", b"mmap B 08", b"mmap B 0x", b"mmap B 0xg", b"mmap B -4K", b"mmap B +4K",
    b"mmap B 4k", b"mmap B 4.5K", b"mmap B 18446744073709551616", b"mmap B 0x10000000000000000", b"mmap B 16777216T",
    b"mmap B 18014398509481984K", b"mmap B 4K anon rw", b"mmap B 4K at=A rw", b"mmap B 4K at=", b"mmap B 4K at=B",
    b"mmap B 4K at=Q", b"mmap B 4K rw anon at=A junk", b"munmap", b"munmap A", b"munmap Q 4K", b"munmap A 4K junk",
    b"munmap A+ 4K", b"munmap A++4K 4K", b"munmap A+4K-4K 4K", b"munmap +A 4K", b"mprotect A 4K", b"mprotect A 4K x",
    b"mprotect A 4K rwx", b"madvise A 4K", b"madvise A 4K frob", b"cpu", b"cpu frob A", b"cpu read", b"cpu read A =",
    b"cpu read A = A", b"cpu read A 1", b"cpu read A =1", b"cpu read A -> EFROB", b"cpu read A -> EINVAL = 1",
    b"cpu read A+0xffffffffffffffff", b"cpu read 0-1", b"cpu read A-8T", b"cpu read 0xffffffffffffffff+1",
    b"cpu read Q", b"cpu write A", b"cpu write A A", b"cpu fill A 4K", b"cpu check A 4K 1 1", b"cpu evict A",
    b"cpu prefetch A 4K", b"gpu", b"gpu1 read A", b"gpu00 read A", b"gpu99999999999999999999999 read A", b"gpux read A",
    b"gpu-0 read A", b"gpu prefetch A 4K disk", b"gpu prefetch A 4K ram vram", b"gpu evict", b"gpu evict all A",
    b"gpu atomic_add", b"gpu atomic_add A", b"gpu atomic_add A A", b"gpu atomic_add A 1 1", b"cpu atomic_add A 1",
    b"gpu advise A 4K", b"gpu advise A", b"gpu reset A", b"cpu reset", b"gpu1 reset", b"mremap", b"mremap A", b"mremap A 4K", b"mremap Q 4K 4K",
    b"mremap A 4K 4K A", b"mremap A 4K 4K to=", b"mremap A 4K 4K to=Q", b"mremap A 4K 4K to=A dontunmap",
    b"mremap A 4K 4K dontunmap x", b"madvise A 4K willneed", b"madvise A 4K hugepage x", b"fork", b"fork 1", b"fork @C",
    b"fork C D", b"exit", b"exit C", b"exit A", b"exit @C", b"@", b"@C", b"@C gc", b"@A cpu read A", b"@ C gc", b"gc @C",
    b"cpu @C read A", b"@C machine ram=1G", b"tick", b"tick x", b"tick -1", b"fail", b"fail copy", b"fail copy 0", b"fail copy 0x0", b"fail frob 1",
    b"fail copy 1 1", b"show", b"show frob", b"show ranges all", b"show stats frob", b"show pages A", b"show pages Q 4K",
    b"show ranges -> EINVAL", b"show pages A 5 -> EINVAL", b"expect", b"expect frob", b"expect ranges",
    b"expect ranges x", b"expect ranges 0 -> EINVAL", b"expect gpu1 ranges 0", b"expect gpu notifiers 0",
    b"expect range A A 4K", b"expect range A A 4K swap", b"expect no A", b"expect no range", b"expect notifiers",
    b"expect pages A 4K vram", b"expect pages A 4K vram1", b"expect pages A 4K disk", b"expect stat frob == 0",
    b"expect stat ram_used = 0", b"expect stat ram_used ==", b"machine ram=1G", b"machine",
    b"\0", b"gc\0", b"cpu read A\0", b"gc \x01", b"\xff\xfe\xfd", b"gc \xc2\xa0", b"\x1b[2J", b"cpu\x0bread A",
    b"x" * 100000, b"cpu read " + b"9" * 100000, b"cpu read A" + b" 1" * 100000, b" " * 2000000 + b"gc",
]  # fmt: skip

BAD_OPTIONS = [
    "frob=1", "ram=", "ram=x", "ram=-1", "ram=08", "ram=0", "ram=3K", "ram=2T", "ram=20000000T", "vram=1", "vram=2T",
    "gpus=0", "gpus=65", "chunks=", "chunks=4K,", "chunks=4K,64K", "chunks=3K", "chunks=2M,64K", "chunks=4K,4K",
    "chunks=0", "notifier=0", "notifier=3M", "notifier=4K", "check_pages=off", "migrate=maybe", "timeslice=-1",
    "timeslice=4294967297", "readonly=1", "split=yes", "gc=on", "evict=on", "thp=always", "faults=no", "page=8K", "page=0", "vm_size=0",
    "vm_start=A", "seed=random",
]  # fmt: skip


def one_line(text):
    return text.endswith(b"\n") and text.count(b"\n") == 1 and all(32 <= c < 127 for c in text[:-1])


def refused(what, result, out, prefix, says=b""):
    """Whether the program stopped with 2, having printed `out`, and one line of complaint."""
    good = result.status == 2 and result.out == out and one_line(result.err) and result.err.startswith(prefix)
    tally.check(good and says in result.err, f"{what!r:.100}: {result}")


def bad_lines():
    before = b"mmap A 64K\ncpu write A 5\n# a comment\n\ncpu read A\n"
    for line in BAD_LINES:
        refused(line, run([svmsh, "run"], before + line + b"\ncpu read A\n"), b"0x5\n", b"-:6: ")
    for line in BAD_LINES[:20]:
        refused(line, run([svmsh, "run", "-"], before + line), b"0x5\n", b"-:6: ")
        refused(line, run([svmsh, "run"], before.replace(b"\n", b"\r\n") + line + b"\r\n"), b"0x5\n", b"-:6: ")


def a_bad_line_has_no_effect():
    # The second name would be bound by a line that is wrong only at its end.
    refused("bound", run([svmsh, "run"], b"mmap A 4K frob\nmmap A 4K\n"), b"", b"-:1: ")
    refused("output", run([svmsh, "run"], b"mmap A 4K\ncpu read A junk\n"), b"", b"-:2: ")
    failed = run([svmsh, "run"], b"mmap A 5 -> EINVAL\nmmap A 4K\ncpu read A\n")
    tally.check((failed.status, failed.out, failed.err) == (0, b"0x0\n", b""), f"a failed mmap binds nothing: {failed}")


def files(folder):
    path = folder / "two.svm"
    path.write_bytes(b"mmap A 4K\r\ncpu read A # zero\r\nfrob\r\n")
    refused("in a file", run([svmsh, "run", str(path)]), b"0x0\n", str(path).encode() + b":3: ")
    refused("missing file", run([svmsh, "run", str(folder / "none.svm")]), b"", b"svmsh: ")
    refused("a folder", run([svmsh, "run", str(folder)]), b"", b"svmsh: ")
    refused("empty name", run([svmsh, "run", ""]), b"", b"svmsh: ")
    path.write_bytes(b"mmap A 4K\ncpu read A")
    good = run([svmsh, "run", str(path)])
    tally.check((good.status, good.out, good.err) == (0, b"0x0\n", b""), f"no newline at the end: {good}")
    odd = folder / "new\nline.svm"
    odd.write_bytes(b"frob\n")
    refused("a newline in the file's name", run([svmsh, "run", str(odd)]), b"", b"")
    equals = folder / "a=b.svm"
    equals.write_bytes(b"gc\n")
    good = run([svmsh, "run", str(equals)])
    tally.check((good.status, good.err) == (0, b""), f"a file whose path has a =: {good}")


def options():
    for option in BAD_OPTIONS:
        refused(option, run([svmsh, "run", option], b"gc\n"), b"", b"svmsh: ")
        refused(option, run([svmsh, "run", option]), b"", b"svmsh: ")
        refused(option, run([svmsh, "run"], f"\nmachine {option}\nfrob\n".encode()), b"", b"-:2: ")
    for option in ["gpus=1", "gpus=2", "gpus=64", "page=4K", "page=16K", "page=0x10000", "thp=off", "thp=on", "split=off",
                   "split=on", "seed=18446744073709551615", "vram=0"]:  # fmt: skip
        for result in [run([svmsh, "run", option]), run([svmsh, "run"], f"machine {option}\n".encode())]:
            tally.check((result.status, result.out, result.err) == (0, b"", b""), f"{option}: {result}")
    refused("machine twice", run([svmsh, "run"], b"machine ram=1G\nmachine ram=1G\n"), b"", b"-:2: ")
    refused("machine after a command", run([svmsh, "run"], b"gc\nmachine ram=1G\n"), b"", b"-:2: ")
    refused("a bad line, then machine", run([svmsh, "run"], b"frob\nmachine ram=1G\n"), b"", b"-:1: ")
    # The command line wins, of two the last.
    wins = run([svmsh, "run", "page=4K", "page=16K"], b"machine page=64K page=4K gpus=1 gpus=2\n"
               b"mmap A 16K\nmunmap A 4K -> EINVAL\nexpect gpu1 ranges 0\n")  # fmt: skip
    tally.check((wins.status, wins.out, wins.err) == (0, b"", b""), f"the command line wins: {wins}")
    refused("the last wins", run([svmsh, "run", "gpus=2", "gpus=1"], b"gpu1 read 0\n"), b"", b"-:1: ", b"does not exist")
    refused("overruled", run([svmsh, "run", "gpus=1"], b"machine gpus=2\ngpu1 read 0\n"), b"", b"-:2: ")
    first = run([svmsh, "run", "gpus=2"], b"gpu1 read 0 -> ENOENT\n")
    tally.check((first.status, first.out, first.err) == (0, b"", b""), f"GPUs of the command line, first line: {first}")
    refused("half a page", run([svmsh, "run", "page=64K", "ram=32K"]), b"", b"svmsh: ")
    refused("half a page", run([svmsh, "run", "ram=32K"], b"machine page=64K\n"), b"", b"-:1: ")
    refused("chunks end elsewhere", run([svmsh, "run", "page=16K", "chunks=64K,4K"]), b"", b"svmsh: ")
    refused("chunks end elsewhere", run([svmsh, "run", "page=16K", "chunks=64K"]), b"", b"svmsh: ")
    refused("wrong in the file though overruled", run([svmsh, "run", "ram=1G"], b"machine ram=x\n"), b"", b"-:1: ")


def command_line():
    for arguments in [[], ["frob"], ["--frob"], [""], ["run", "a", "b"], ["run", "--frob"], ["run", "-x"],
                      ["run", "--help=1"], ["run", "--timeline", "x"], ["run", "--map=x"], ["run", "=1"], ["--version", "x"], ["--help", "x"],
                      ["-h", "x"], ["help", "frob"], ["help", "run", "run"]]:  # fmt: skip
        refused(arguments, run([svmsh, *arguments]), b"", b"svmsh: ")
    for arguments in [["--help"], ["-h"], ["help"], *([*words] for verb in VERBS for words in
                      [("help", verb), (verb, "--help"), (verb, "-h"), (verb, "x.svm", "--help")])]:  # fmt: skip
        result = run([svmsh, *arguments])
        lines = result.out.decode().splitlines()
        good = result.status == 0 and not result.err and "svmsh" in lines[0] and max(map(len, lines)) <= 80
        good = good and not any(line.endswith(" ") for line in lines)
        tally.check(good, f"{arguments}: {result}")
    tally.check(run([svmsh, "-h"]).out == run([svmsh, "help"]).out == run([svmsh, "--help"]).out, "three ways to help")
    for verb in VERBS:
        told = run([svmsh, "help", verb]).out
        tally.check(told == run([svmsh, verb, "-h"]).out == run([svmsh, verb, "--help"]).out, f"three ways to help {verb}")
        tally.check(verb.encode() in run([svmsh, "--help"]).out, f"--help names {verb}")
    text = run([svmsh, "run", "--help"]).out.decode()
    for word in ["mmap", "munmap", "mprotect", "madvise", "mremap", "dontunmap", "hugepage", "fork", "exit", "@CHILD",
                 "atomic_add", "reset", "gpus=", "split=", "thp=", "page=", "read", "write", "fill", "check", "prefetch", "evict", "gc",
                 "advise", "faults=", "tick", "fail", "show", "expect", "machine", "ram=", "vram=", "chunks=", "notifier=", "check_pages=",
                 "migrate=", "timeslice=", "readonly=", "evict=", "vm_start=", "vm_size=", "seed="]:  # fmt: skip
        tally.check(word in text, f"run --help names {word}")
    version = run([svmsh, "--version"])
    good = version.status == 0 and re.fullmatch(rb"svmsh \d+\.\d+\.\d+\n", version.out) and not version.err
    tally.check(bool(good), f"--version: {version}")


def suggestions():
    """What is nearly a word is told the word; what is like none is not."""
    for arguments, word in [(["rnu"], "run"), (["rpelay"], "replay"), (["help", "vmbind"], "vm_bind"), (["--hlep"], "--help"),
                            (["run", "vrma=1M"], "vram"), (["run", "RAM=1G"], "ram"), (["run", "notif=1M"], "notifier"),
                            (["replay", "--mpa", "x"], "--map"), (["replay", "--timelin=x"], "--timeline"),
                            (["replay", "prefil=on"], "prefill"), (["replay", "chunk=4K"], "chunks"),
                            (["vm_bind", "strat=1"], "start")]:  # fmt: skip
        refused(arguments, run([svmsh, *arguments]), b"", b"svmsh: ", b"(did you mean '%s'?)" % word.encode())
    for line, word in [(b"mmpa A 4K", b"mmap"), (b"GC", b"gc"), (b"expct ranges 0", b"expect"), (b"gpu raed 8", b"read"),
                       (b"gpu atomic 8 1", b"atomic_add"), (b"cpu chekc 8 8 1", b"check"), (b"madvise 0 4K hugepages", b"hugepage"),
                       (b"show range", b"ranges"), (b"expect notifier 0", b"notifiers"), (b"gc -> EINVALID", b"EINVAL"),
                       (b"expect stat gpu_fault == 0", b"gpu_faults"), (b"fail populte 1", b"populate")]:  # fmt: skip
        refused(line, run([svmsh, "run"], line + b"\n"), b"", b"-:1: ", b"(did you mean '%s'?)" % word)
    refused("unmpa", run([svmsh, "vm_bind"], b"unmpa 0 4K\n"), b"", b"-:1: ", b"(did you mean 'unmap'?)")
    for arguments, text in [(["xylophone"], b""), (["run", "xylophone=1"], b""), (["run"], b"xylophone\n"),
                            (["run"], b"cpu prefetch 0 4K\n"), (["vm_bind"], b"xylophone\n")]:  # fmt: skip
        result = run([svmsh, *arguments], text)
        tally.check(result.status == 2 and b"did you mean" not in result.err, f"no suggestion: {arguments} {text}: {result}")


def scenarios():
    """The tour is in the program: listed, printed, run one by one or all."""
    listed = run([svmsh, "scenarios"])
    lines = listed.out.decode().splitlines()
    good = (listed.status, listed.err) == (0, b"") and max(map(len, lines)) <= 80
    tally.check(good and any("  01-first-touch  " in line for line in lines), f"the list: {listed}")
    here = pathlib.Path(__file__).parent.parent.parent / "examples/scenarios"
    for path in here.rglob("*.svm"):
        name = str(path.relative_to(here).with_suffix(""))
        tally.check(any(line.strip().split("  ")[0] == name for line in lines), f"{name} is not in the list")
    first = (here / "01-first-touch.svm").read_bytes()
    tally.check(run([svmsh, "scenarios", "--text", "1"]).out == first, "--text prints the file")
    told = run([svmsh, "scenarios", "1"])
    answers = run([svmsh, "run"], first).out.splitlines()
    good = (told.status, told.err) == (0, b"") and told.out.endswith(b"\n01-first-touch: ok\n")
    shown = told.out.splitlines()
    good = good and b"cpu fill A 4M 1" in shown and all(line in shown for line in answers) and not any(b"SPDX" in line for line in shown)
    tally.check(good and shown[0] == b"# First touch: memory appears where it is used first, and moves to the GPU when the GPU faults on it.",
                f"one scenario: {told}")  # fmt: skip
    # Each line's answer stands right below it.
    tally.check(shown.index(b"0x40001") == shown.index(b"gpu read A+2M") + 1, f"answers below their lines: {shown}")
    every = run([svmsh, "scenarios", "all"])
    good = every.status == 0 and every.out.count(b": ok\n") == every.out.count(b"\n") == len(list(here.rglob("*.svm")))
    tally.check(good, f"all: {every}")
    broken = run([svmsh, "scenarios", "1", "migrate=off"])
    good = broken.status == 1 and broken.out.endswith(b"01-first-touch: not as expected\n") and b"01-first-touch:" in broken.err
    tally.check(good, f"on another machine: {broken}")
    for arguments, says in [(["01-frist-touch"], b"(did you mean '01-first-touch'?)"), (["xyz"], b"expected one of svmsh scenarios"),
                            (["--frob", "1"], b"no option '--frob'"), (["--text"], b"no NAME"), (["1", "vrma=1M"], b"did you mean 'vram'")]:  # fmt: skip
        refused(arguments, run([svmsh, "scenarios", *arguments]), b"", b"svmsh: ", says)


def outcomes():
    """What is printed, what is reported, and the exit status, where nothing depends on a policy."""
    rows = [
        (b"", 0, b"", 0),
        (b"# nothing\n\n \t\n", 0, b"", 0),
        (b"mmap A 4K\ncpu read A\n", 0, b"0x0\n", 0),
        (b"mmap A 4K\ncpu write A 0xABCDEF\ncpu read A\n", 0, b"0xabcdef\n", 0),
        (b"mmap A 4K\ncpu read A = 0\n", 0, b"", 0),
        (b"mmap A 4K\ncpu read A = 1\n", 1, b"", 1),
        (b"cpu read 8\n", 1, b"error: SIGSEGV\n", 1),
        (b"cpu read 8 -> SIGSEGV\n", 0, b"", 0),
        (b"cpu read 8 = 0 -> SIGSEGV\n", 0, b"", 0),
        (b"cpu read 8 -> EINVAL\n", 1, b"error: SIGSEGV\n", 1),
        (b"cpu read 4 -> EINVAL\n", 0, b"", 0),
        (b"mmap A 4K\ncpu read A = 0 -> SIGSEGV\n", 1, b"", 1),
        (b"mmap A 4K\ncpu write A 1 -> SIGSEGV\ncpu read A\n", 1, b"0x1\n", 1),
        (b"mmap A 4K\ncpu fill A 4K 7\ncpu check A 4K 7\n", 0, b"", 0),
        (b"mmap A 4K\ncpu fill A 4K 7\ncpu check A 4K 8\n", 1, b"", 1),
        (b"mmap A 4K\ncpu fill A 0 7\n", 1, b"error: EINVAL\n", 1),
        (b"mmap A 4K\nshow pages A 4K\n", 0, b"0x100000000-0x100001000 none\n", 0),
        (b"mmap A 4K\nshow pages A 5\n", 1, b"error: EINVAL\n", 1),
        (b"mmap A 4K\nshow vmas\n", 0, b"0x100000000-0x100001000 rw anon\n", 0),
        (b"show ranges\nshow notifiers\nshow vmas\n", 0, b"", 0),
        (b"expect ranges 0\nexpect gpu ranges 0\nexpect gpu0 ranges 0\nexpect notifiers 0\nexpect no range 8\n", 0, b"", 0),
        (b"expect ranges 1\nexpect notifiers 1\nexpect range 0 0 4K none\n", 1, b"", 3),
        (b"mmap A 8K\nexpect pages A 8K none\nexpect pages A+4K 8 none\n", 0, b"", 0),
        (b"mmap A 8K\nexpect pages A 8K ram\nexpect pages A 0 none\n", 1, b"", 2),
        (b"expect pages 0xfffffffffffff000 8K none\n", 1, b"", 1),
        (b"expect gpu1 ranges 0\nexpect pages 0 4K vram1\n", 2, b"", 1),
        (b"machine gpus=2\nexpect gpu1 ranges 0\nexpect gpu1 ranges 1\nshow ranges\n", 1, b"", 1),
        (b"mmap A 64K\nmremap A 64K 32K\nshow vmas\n", 0, b"0x100000000-0x100008000 rw anon\n", 0),
        (b"mmap A 64K\nmremap A 4K 8K to=0x200000000\nshow vmas\n", 0,
         b"0x100001000-0x100010000 rw anon\n0x200000000-0x200002000 rw anon\n", 0),
        (b"mmap A 4K\nmremap A 8K 8K to=0x200000000 -> EFAULT\nmremap A 100 4K -> EINVAL\nmremap A 4K 0 -> EINVAL\n", 0,
         b"", 0),
        (b"mremap 4K 4K 8K -> ENOMEM\n", 1, b"error: EFAULT\n", 1),
        (b"mmap A 2M\nmadvise A 2M hugepage\nmadvise A 1M nohugepage\nshow vmas\n", 0,
         b"0x100000000-0x100200000 rw anon\n", 0),
        (b"machine page=16K\nmmap A 4K -> EINVAL\nmmap A 16K\nshow pages A 4K\nexpect pages A 8 none\nshow pages A 16K\n",
         1, b"error: EINVAL\n0x100000000-0x100004000 none\n", 1),
        (b"machine page=64K\nmmap A 64K\ncpu write A 1\nmunmap A+4K 64K -> EINVAL\nexpect stat ram_used == 64K\n", 0,
         b"", 0),
        (b"gpu atomic_add 4 1 -> EINVAL\ngpu atomic_add 8 1 -> ENOENT\ngpu reset\n", 0, b"", 0),
        (b"expect stat gpu_faults == 0\nexpect stat gpu_faults <= 0\nexpect stat gpu_faults >= 0\n", 0, b"", 0),
        (b"expect stat gpu_faults < 1\nexpect stat gpu_faults != 1\n", 0, b"", 0),
        (b"expect stat gpu_faults != 0\nexpect stat gpu_faults < 0\nexpect stat gpu_faults > 0\n", 1, b"", 3),
        (b"tick 5\ngc\nfail copy 1\ngpu evict all\n", 0, b"", 0),
        (b"tick 5 -> EINVAL\n", 1, b"", 1),
        (b"machine timeslice=4G\nmmap A 4K\ngpu write A 1\ntick 0xffffffffffffffff\ntick 4G\ncpu read A = 1\n", 0, b"", 0),
        (b"gc\r\n\r\n# x\r\ngc", 0, b"", 0),
        (b"# a NUL \0 and \xff are fine in a comment\ngc # \0\n", 0, b"", 0),
        (b"#" + b"x" * 3000000 + b"\ngc\n", 0, b"", 0),
    ]  # fmt: skip
    for text, status, out, complaints in rows:
        result = run([svmsh, "run"], text)
        good = (result.status, result.out, result.err.count(b"\n")) == (status, out, complaints)
        good = good and all(re.match(rb"-:\d+: .", line) for line in result.err.splitlines())
        tally.check(good, f"{text[:100]!r}: {result}")
    stats = run([svmsh, "run"], b"show stats\n").out.splitlines()
    every = run([svmsh, "run"], b"show stats all\n").out.splitlines()
    names = [line.split()[0] for line in every]
    tally.check(stats == every[:15] and len(every) == 18, f"show stats: {every}")
    tally.check(names[0] == b"gpu_faults" and names[14] == b"ram_used" and names[15] == b"cpu_faults", f"order: {names}")


def children():
    """fork, exit and @CHILD: names and processes, where nothing depends on a policy."""
    forked = b"mmap A 4K\ncpu write A 1\nfork C\n"
    rows = [
        (b"@C cpu read A\n", 0, b"0x1\n", 0),
        (b"@C cpu write A 2\ncpu read A\n@C cpu read A\n", 0, b"0x1\n0x2\n", 0),
        (b"cpu write A 2\n@C cpu read A = 1\n", 0, b"", 0),
        (b"@C mmap B 4K\n@C show vmas\nshow vmas\ncpu read B -> SIGSEGV\n@C cpu read B = 0\n", 0,
         b"0x100000000-0x100001000 rw anon\n0x100400000-0x100401000 rw anon\n0x100000000-0x100001000 rw anon\n", 0),
        (b"@C munmap A 4K\n@C cpu read A -> SIGSEGV\ncpu read A = 1\n@C expect pages A 4K none\nexpect pages A 4K ram\n", 0,
         b"", 0),
        (b"@C expect ranges 1\n", 1, b"", 1),
        (b"@C cpu read 8\n", 1, b"error: SIGSEGV\n", 1),
        (b"@C cpu write A 3\n@C fork D\n@D cpu read A = 3\nexit C\n@D cpu write A 4\ncpu read A = 1\n@D cpu read A\n", 0,
         b"0x4\n", 0),
        (b"\t@C\t cpu read A = 1 # the child\r\nexit C", 0, b"", 0),
        (b"fork A\n@A cpu read A = 1\n", 0, b"", 0),
        (b"expect stat ram_used == 4K\n@C cpu write A 2\nexpect stat ram_used == 8K\nexit C\nexpect stat ram_used == 4K\n", 0,
         b"", 0),
    ]  # fmt: skip
    for text, status, out, complaints in rows:
        result = run([svmsh, "run"], forked + text)
        good = (result.status, result.out, result.err.count(b"\n")) == (status, out, complaints)
        tally.check(good, f"{text!r}: {result}")
    for line in [b"fork C", b"@C fork C", b"exit D", b"@D gc", b"@C @C gc", b"@C mmap A 4K", b"@C", b"@C frob", b"@C gpu1 read A",
                 b"@C machine ram=1G"]:  # fmt: skip
        refused(line, run([svmsh, "run"], forked + line + b"\n"), b"", b"-:4: ")
    for line in [b"@C cpu read A", b"exit C", b"fork C", b"@C fork D"]:
        refused(line, run([svmsh, "run"], forked + b"exit C\n" + line + b"\n"), b"", b"-:5: ")


def output_that_cannot_be_written():
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            for arguments in [["run"], ["--help"], ["--version"]]:
                done = subprocess.run([svmsh, *arguments], input=b"show stats\n", stdout=full, stderr=subprocess.PIPE,
                                      timeout=60, check=False)  # fmt: skip
                tally.check(done.returncode == 1 and one_line(done.stderr), f"/dev/full {arguments}: {done}")
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run([svmsh, "run"], input=b"show stats\n", stdout=write_end, stderr=subprocess.PIPE, timeout=60,
                          check=False)  # fmt: skip
    os.close(write_end)
    tally.check(done.returncode == 1, f"nobody reads: {done}")


def lines_run_as_they_are_read():
    """A line is answered before the next one is written."""
    with subprocess.Popen([svmsh, "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        shell.stdin.write(b"mmap A 4K\ncpu write A 9\ncpu read A\n")
        shell.stdin.flush()
        answer = shell.stdout.readline()
        shell.stdin.close()
        status = shell.wait(timeout=60)
    tally.check((answer, status) == (b"0x9\n", 0), f"interactive: {answer!r}, {status}")


def garbage():
    """No input makes the program crash; seeded, so that a failure can be had again."""
    dice = random.Random(1)
    vocabulary = [w for line in BAD_LINES if len(line) < 100 for w in line.split(b" ")] + [
        b"A", b"4K", b"\n", b"\n", b"gc", b"fork", b"C", b"@C", b"exit", b"mremap", b"gpu reset", b"to=A+64K"]  # fmt: skip
    for number in range(150):
        if number % 2:
            text = bytes(dice.randrange(256) for _ in range(dice.randrange(400)))
        else:
            text = b"mmap A 64K\n" + b" ".join(dice.choice(vocabulary) for _ in range(dice.randrange(60)))
        result = run([svmsh, "run"], text)
        tally.check(result.status in (0, 1, 2), f"garbage {number} {text!r}: {result}")


def stops_with_device_memory_in_use():
    """A line that stops the program ends the machine in good order, whatever the GPU has by then."""
    one = b"mmap A 4K\ngpu read A = 0\nexpect pages A 4K vram0\n"
    two = b"mmap A 4M\ncpu fill A 4M 1\ngpu read A = 1\ngpu write A+2M 7\nexpect pages A 4M vram0\n"
    unmapped = two + b"munmap A+1M 1M\n"
    full = b"machine vram=2M\nmmap A 4M\ngpu write A 1\ngpu write A+2M 2\nexpect pages A+2M 2M vram0\n"
    for before in [one, two, unmapped, full]:
        for line in [b"bogus", b"machine ram=1G", b"gpu read A junk", b"mmap A 4K"]:
            for end in [b"", b"\n", b"\nbogus\ngpu read A\n"]:
                for command in [[svmsh, "run"], [svmsh, "run", "-"]]:
                    result = run(command, before + line + end)
                    refused(before + line, result, b"", b"-:%d: " % (before.count(b"\n") + 1))


bad_lines()
a_bad_line_has_no_effect()
with tempfile.TemporaryDirectory() as scratch:
    files(pathlib.Path(scratch))
options()
command_line()
suggestions()
scenarios()
outcomes()
children()
output_that_cannot_be_written()
lines_run_as_they_are_read()
garbage()
stops_with_device_memory_in_use()
tally.close()
