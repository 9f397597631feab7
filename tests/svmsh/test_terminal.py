#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_terminal.py SVMSH - the prompt, and colours, on a terminal of our own; and none of both elsewhere."""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile

from harness import Tally, run

svmsh = sys.argv[1]
tally = Tally()
PROMPT = b"svmsh> "
COLOUR = re.compile(rb"\033\[[0-9;]*m")
LONGEST_WAIT = 60


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    return kept | {"TERM": "xterm"} | more


class Terminal:
    """A program with a terminal of its own; with `apart`, only its standard input is one."""

    def __init__(self, *arguments, apart=False, **variables):
        self.master, slave = pty.openpty()
        other = subprocess.PIPE if apart else slave
        self.program = subprocess.Popen([svmsh, *arguments], stdin=slave, stdout=other, stderr=other, close_fds=True,
                                        env=environment(**variables))  # fmt: skip
        os.close(slave)
        self.seen = b""

    def wait_for(self, what):
        """Reads until `what` is there; returns what came up to its end."""
        while what not in self.seen:
            if not select.select([self.master], [], [], LONGEST_WAIT)[0]:
                break
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:  # the other end is closed
                break
        before, found, self.seen = self.seen.partition(what)
        return before + found if found else before + b"<" + what + b" never came>"

    def type(self, keys):
        os.write(self.master, keys)

    def close(self):
        """What comes until the program ends, and its status."""
        rest = self.wait_for(b"<nothing ends so>").removesuffix(b"<<nothing ends so> never came>")
        status = self.program.wait(timeout=LONGEST_WAIT)
        os.close(self.master)
        return rest, status


def plain(screen):
    """What a screen shows, without what moves the cursor."""
    return re.sub(rb"\033\[[0-9;?]*[A-Za-z]", b"", screen).replace(b"\r", b"")


def session(lines, *arguments, **variables):
    """What was printed below each line, and the exit status."""
    terminal = Terminal("run", *arguments, **variables)
    terminal.wait_for(PROMPT)
    answers = []
    for line in lines:
        terminal.type(line + b"\r")
        terminal.wait_for(b"\n")  # the end of the line that was typed
        answers.append(plain(terminal.wait_for(PROMPT)).removesuffix(PROMPT).rstrip(b"\n"))
    terminal.type(b"\004")
    _, status = terminal.close()
    return answers, status


def prompt():
    answers, status = session([b"mmap A 4K", b"cpu write A 5", b"gpu read A", b"show ranges"])
    tally.check(answers == [b"", b"", b"0x5", b"gpu0 0x100000000-0x100001000 vram"] and status == 0, f"a session: {answers} {status}")
    answers, status = session([b"mmpa A 4K", b"mmap A 4K", b"cpu read A = 0"])
    good = answers[0].startswith(b"-:1: there is no command 'mmpa' (did you mean 'mmap'?)") and answers[1:] == [b"", b""]
    tally.check(good and status == 0, f"a line that is wrong is told and forgotten: {answers} {status}")
    answers, status = session([b"cpu read 8", b"gc"])
    tally.check(answers[0].startswith(b"error: SIGSEGV") and status == 1, f"a broken expectation: {answers} {status}")
    answers, status = session([b"machine vram=2M", b"machine vram=4M"])
    tally.check(answers[0] == b"" and b"-:2: machine after" in answers[1] and status == 0, f"machine twice: {answers} {status}")
    answers, status = session([b"help", b"help prefetch", b"help xyz"])
    good = b"mmap NAME SIZE" in answers[0] and b"mmap" not in answers[1] and b"gpuN prefetch" in answers[1]
    tally.check(good and b"no command" in answers[2] and status == 0, f"help: {answers} {status}")
    answers, status = session([], "gpus=0")
    tally.check(status == 2, f"a wrong command line: {status}")


def editing():
    terminal = Terminal("run")
    terminal.wait_for(PROMPT)
    for keys, answer in [(b"mmap A 4K\r", b""), (b"cpu write A 6\r", b""), (b"cpu raed A\r", b"did you mean 'read'?"),
                         (b"\033[A\033[D\033[D\177\177\177ead\r", b"0x6"),  # the last line, mended
                         (b"\033[A\r", b"0x6"), (b"xyz\003cpu read A\r", b"0x6"), (b"sho\tran\t\r", b"")]:  # fmt: skip
        terminal.type(keys)
        terminal.wait_for(b"\r\n")
        if b"\003" in keys:
            terminal.wait_for(b"\r\n")
        said = plain(terminal.wait_for(COLOURED_PROMPT))
        tally.check(answer in said if answer else said == PROMPT, f"{keys!r}: {said!r}")
    terminal.type(b"quit\r")
    _, status = terminal.close()
    tally.check(status == 0, f"quit: {status}")


COLOURED_PROMPT = b"\033[32msvmsh> \033[0m"


def plain_prompt():
    """Where the cursor does not move, lines are read as the terminal gives them."""
    terminal = Terminal("run", TERM="dumb")
    terminal.wait_for(PROMPT)
    terminal.type(b"mmap A 4K\n")
    terminal.wait_for(PROMPT)
    terminal.type(b"cpu read A\n")
    said = terminal.wait_for(PROMPT)
    tally.check(b"0x0\r\n" in said and b"\033" not in said, f"a dumb terminal: {said!r}")
    terminal.type(b"\004")
    rest, status = terminal.close()
    tally.check(status == 0 and b"\033" not in rest, f"its end: {rest!r} {status}")
    # Standard output has the values and nothing else, also when lines are typed.
    terminal = Terminal("run", apart=True)
    terminal.type(b"mmap A 4K\ncpu read A\n\004")
    out, err = terminal.program.communicate(timeout=LONGEST_WAIT)
    os.close(terminal.master)
    tally.check((out, err) == (b"0x0\n", PROMPT * 3 + b"\n") and terminal.program.returncode == 0, f"apart: {out} {err}")


def no_prompt():
    text = b"mmap A 4K\ncpu read A\n"
    result = run([svmsh, "run"], text)
    tally.check((result.status, result.out, result.err) == (0, b"0x0\n", b""), f"a pipe has no prompt: {result}")
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        terminal = Terminal("run", file.name)
        rest, status = terminal.close()
    tally.check((rest, status) == (b"0x0\r\n", 0), f"a file on a terminal has no prompt: {rest!r} {status}")


def colours():
    for arguments in [["help"], ["help", "run"], ["scenarios"], ["scenarios", "1"], ["run", "/none"], ["rnu"]]:
        for variables, wanted in [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]:
            rest, _ = Terminal(*arguments, **variables).close()
            good = bool(rest) and bool(COLOUR.search(rest)) == wanted and (wanted or b"\033" not in rest)
            tally.check(good, f"{arguments} {variables}: colour {not wanted}: {rest[-200:]!r}")
        elsewhere = subprocess.run([svmsh, *arguments], capture_output=True, env=environment(), check=False)
        tally.check(b"\033" not in elsewhere.stdout + elsewhere.stderr, f"{arguments} elsewhere: {elsewhere}")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"cpu read 8\n")
        file.flush()
        rest, status = Terminal("run", file.name).close()
        tally.check(b"\033[31merror: SIGSEGV\033[0m" in rest and status == 1, f"an error is red: {rest!r}")


prompt()
editing()
plain_prompt()
no_prompt()
colours()
tally.close()
