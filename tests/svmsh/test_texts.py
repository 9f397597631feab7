#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: test_texts.py [--require-all] SVMSH MAN_PAGE BASH_COMPLETION ZSH_COMPLETION BUILD - what is made of the help.

A check whose tool (mandoc, bash, zsh, shellcheck) is not installed is left out, unless --require-all is given.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Tally, run

options = [word for word in sys.argv[1:] if word.startswith("--")]
svmsh, man, bash, zsh, build = [str(pathlib.Path(word).resolve()) for word in sys.argv[1:] if not word.startswith("--")]
tally = Tally()
VERBS = ["run", "replay", "vm_bind", "scenarios"]


def there(tool):
    if shutil.which(tool) or "--require-all" in options:
        return True
    print(f"{tool} is not installed: left out")
    return False


def said_by(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def forms(text):
    """The rows of a help text: what stands at the beginning of a line behind two blanks."""
    return [line.strip().split("  ")[0] for line in text.splitlines() if re.match(r"  \S", line)]


def man_page():
    text = pathlib.Path(man).read_text(encoding="utf-8")
    plain = text.replace("\\-", "-").replace("\\e", "\\").replace("\\fB", "").replace("\\fR", "").replace("\\&", "")
    lines = plain.splitlines()
    for verb in VERBS:
        told = forms(run([svmsh, "help", verb]).out.decode())
        missing = [form for form in told if form not in lines]
        tally.check(len(told) > 3 and not missing, f"the man page lacks of {verb}: {missing}")
    tally.check(run([svmsh, "--version"]).out.decode().split()[1] in lines[2], f"no version in {lines[2]!r}")
    if there("mandoc"):
        tally.check(said_by("mandoc", "-Tlint", "-Wstyle", man) == (0, ""), f"mandoc: {said_by('mandoc', '-Tlint', man)}")
        status, shown = said_by("mandoc", "-Tascii", "-Owidth=78", man)
        shown = re.sub(".\b", "", shown)
        tally.check(status == 0 and "gpuN prefetch ADDR SIZE" in shown and "svmsh vm_bind" in shown, f"mandoc: {shown[:300]}")


def completed(line):
    """What bash offers behind `line`."""
    script = f"source '{bash}'; COMP_LINE=$1; COMP_POINT=${{#1}}; _svmsh; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", line], capture_output=True, text=True, cwd=empty, check=False)
    return set(done.stdout.split()) if done.returncode == 0 and not done.stderr else {f"bash: {done.stderr}"}


def bash_completion():
    if not there("bash"):
        return
    for line, wanted in [
        ("svmsh re", {"replay"}), ("svmsh --v", {"--version"}), ("svmsh help vm", {"vm_bind"}),
        ("svmsh run vr", {"vram="}), ("svmsh run migrate=", {"on", "off", "only"}), ("svmsh run gpus=2 page=1", {"16K"}),
        ("svmsh replay --ti", {"--title", "--timeline"}), ("svmsh replay ag", {"agent="}), ("svmsh vm_bind reserve_s", {"reserve_start=", "reserve_size="}),
        ("svmsh run ag", set()), ("svmsh scenarios 01", {"01-first-touch"}), ("svmsh scenarios al", {"all"}), ("svmsh replay --map ", set()),
        ("svmsh run vram=", set()), ("svmsh frob ", set()),
    ]:  # fmt: skip
        tally.check(completed(line) == wanted, f"bash completes {line!r} to {completed(line)}")
    tally.check(set(VERBS) | {"help", "--help", "--version"} == completed("svmsh "), f"verbs: {completed('svmsh ')}")
    if there("shellcheck"):
        tally.check(said_by("shellcheck", "-s", "bash", bash) == (0, ""), f"shellcheck: {said_by('shellcheck', '-s', 'bash', bash)}")


def zsh_completion():
    text = pathlib.Path(zsh).read_text(encoding="utf-8")
    tally.check(text.startswith("#compdef svmsh\n"), "what zsh looks for stands first")
    for word in [*VERBS, "'vram:device memory", "compset -P 'migrate='", "compadd -- on off only"]:
        tally.check(word in text, f"zsh: no {word}")
    if there("zsh"):
        tally.check(said_by("zsh", "-n", zsh) == (0, ""), f"zsh -n: {said_by('zsh', '-n', zsh)}")
        # The function with the functions of zsh replaced by ones that print what they are given.
        stubs = """
            _describe() { print -r -- describe ${(P)4} }
            _files() { print files }
            _message() { print message }
            compadd() { print -r -- compadd $@ }
            compset() { [[ $word == ${~2}* ]] }
            word=$1; shift; words=("$@"); CURRENT=${#words}; source """
        for line, wanted in [(["svmsh", "r"], "run:run a scenario"), (["svmsh", "run", "migrate=o"], "compadd -- on off only"),
                             (["svmsh", "run", "v"], "vram:device memory of each GPU"), (["svmsh", "replay", "--map", ""], "files"),
                             (["svmsh", "scenarios", "0"], "01-first-touch:First touch"), (["svmsh", "run", "vram=1"], "message")]:  # fmt: skip
            status, shown = said_by("zsh", "-f", "-c", stubs + zsh, "zsh", line[-1], *line)
            tally.check(status == 0 and wanted in shown, f"zsh completes {line} to {shown[:300]!r}")


def installed():
    where = json.loads((pathlib.Path(build) / "meson-info/intro-installed.json").read_text(encoding="utf-8")).values()
    for end in ["/bin/svmsh", "/man/man1/svmsh.1", "/bash-completion/completions/svmsh.bash", "/zsh/site-functions/_svmsh"]:
        tally.check(sum(path.endswith(end) for path in where) == 1, f"{end} is not installed: {sorted(where)[-5:]}")


man_page()
bash_completion()
zsh_completion()
installed()
tally.close()
