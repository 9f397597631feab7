#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that each explanation names what is missing, and nothing else, first.

Each non-model whose name says what it lacks is explained, all in one compilation: the compiler prints their sentences
in the order of the file, and each must name its part and what the non-model was named after.

Usage: sentences.py ROOT COMPILER [ARGUMENT...]
"""

import re
import subprocess
import sys
from pathlib import Path

NAMESPACE = re.compile(r"^namespace (\w+) \{")
ASSERTION = re.compile(r"static_assert\(!agreed::(\w+)<(\w+)([^;]*)>\);")
# The concept, how it is explained, and the part that a sentence is about.
EXPLAINED = {
    "allocator": ("explain_allocator", "allocator"),
    "time_source": ("explain_time_source", "clock"),
    "observer": ("explain_observer", "observer"),
    "lock": ("explain_lock", "lock"),
    "mm": ("explain_mm", "(?:address_space|interval_notifier|page_migration)"),
    "settling_mm": ("explain_settling", "interval_notifier"),
    "write_protecting_mm": ("explain_write_protection", "write_protection"),
    "clearing_mm": ("explain_clearing", "page_migration"),
    "device": ("explain_device", "device"),
    "pagemap": ("explain_pagemap", "pagemap"),
    "policies": ("explain", "policies"),
    "migrating_policies": ("explain_migrating", "policies"),
    "two_pass_device": ("explain_two_pass", "device"),
    "queue_device": ("explain_queues", "device"),
    "iova_device": ("explain_iova", "device"),
    "noncoherent_device": ("explain_noncoherent", "device"),
    "piecewise_pagemap": ("explain_pieces", "pagemap"),
}
# How the names of the non-models begin, where it is not the part.
PREFIX = {"mm": "mm", "settling_mm": "mm", "write_protecting_mm": "mm", "clearing_mm": "mm"}
BY_FUNCTION = {"missing", "throwing", "mistyped"}
# The only function of its part: who lacks it makes no mistake.
UNCLAIMED = {("missing", "pagemap_release_pages"), ("missing", "mm_clear_page")}
MM_PARTS = {
    "page_size_is_a_number": "`static constexpr byte_count page_size`",
    "page_size_varies": "`page_size` that is constexpr",
    "page_size_no_power_of_two": "`page_size` that is a power of two",
    "map_lock_missing": r"`map_lock\(\)`, which",
    "map_lock_by_value": r"`map_lock\(\)`, which returns a reference",
    "map_lock_without_lock": r"`lock_shared\(\)`",
    "map_lock_without_unlock": r"`unlock_shared\(\)`",
}
SENTENCE = re.compile(r'error: .*?\bsvm: ([^"\n]*)')


def named_after(namespace: str, part: str, name: str) -> str | None:
    """What a sentence about this non-model must have in it, as a regular expression."""
    if (namespace, name) in UNCLAIMED:
        return None
    if namespace in BY_FUNCTION:
        return rf"[ `]{name.removeprefix(part + '_')}\("
    if namespace == "mm_parts":
        return MM_PARTS.get(name)
    if namespace == "typeless":
        missing = name.removeprefix(part + "_")
        return rf"(type|class) `?{missing}`"
    if namespace == "lock_parts" and (found := re.fullmatch(r"(shared_mutex|mutex|atomic|read_domain)_without_(?!value|section)(\w+)", name)):
        return rf"[ `]{found[2]}\(.*`{found[1]}"
    return None


def main() -> int:
    root, compiler = Path(sys.argv[1]), sys.argv[2:]
    expected, lines, namespace = [], [], ""
    for line in (root / "tests/static/non_models_test.cpp").read_text(encoding="utf-8").splitlines():
        if found := NAMESPACE.match(line):
            namespace = found[1]
        if found := ASSERTION.match(line):
            concept, name, more = found.groups()
            explanation, part = EXPLAINED[concept]
            prefix = PREFIX.get(concept, part)
            if missing := named_after(namespace, prefix, name):
                expected.append((f"{namespace}::{name}", rf"^{part} needs? .*{missing}"))
                line = f"static_assert(svm::{explanation}<{name}{more}>());"
        lines.append(line)
    limit = ["-ferror-limit=0"] if "clang" in Path(compiler[-1]).name else []
    command = [*compiler, *limit, f"-I{root / 'include'}", f"-I{root / 'tests'}", "-std=c++20", "-fsyntax-only"]
    command += ["-fdiagnostics-color=never", "-x", "c++", "-"]
    run = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True)
    said = SENTENCE.findall(run.stderr)
    if len(said) != len(expected):
        print(f"{len(expected)} non-models, but {len(said)} sentences:\n{run.stderr}")
    wrong = [f"{name}: {is_said}" for (name, right), is_said in zip(expected, said) if not re.search(right, is_said)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    failed = len(wrong) + abs(len(said) - len(expected))
    print(f"{len(expected) - failed} passed, {failed} failed")
    return 1 if failed or not expected else 0


if __name__ == "__main__":
    sys.exit(main())
