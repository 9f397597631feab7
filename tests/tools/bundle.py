#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Puts many test files into few, so that the headers that all of them include are compiled a few times, not a hundred.

Usage: bundle.py OUTPUT... -- INPUT...

An output has the includes of all its inputs first, each once, and then each input in a namespace of its own, with the
lines and the name that it has on disk for the compiler's messages. An input must not define a macro that a header reads.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'#include (?:<([^>]+)>|"([^"]+)")')


def resolved(include: re.Match, source: Path) -> str:
    """An include directive that means the same from another folder."""
    beside = include[2] and source.parent / include[2]
    return f'#include "{beside.resolve()}"' if beside and beside.exists() else include[0]


def shares(sources: list[Path], count: int) -> list[list[Path]]:
    """Neighbours stay together, and no share is much larger than another."""
    total = sum(source.stat().st_size for source in sources)
    result, before = [[] for _ in range(count)], 0
    for source in sources:
        result[min(before * count // max(total, 1), count - 1)].append(source)
        before += source.stat().st_size
    return result


def bundle(sources: list[Path]) -> str:
    includes, bodies = {}, []
    for n, source in enumerate(sources):
        body = []
        for line in source.read_text().splitlines():
            include = INCLUDE.match(line)
            if include:
                includes[resolved(include, source)] = None
            body.append("" if include else line)
        bodies += [f"namespace file_{n} {{", f'#line 1 "{source}"', *body, f"}}  // namespace file_{n}"]
    return "\n".join([*includes, *bodies]) + "\n"


def main() -> int:
    split = sys.argv.index("--")
    outputs = [Path(name) for name in sys.argv[1:split]]
    sources = [Path(name).resolve() for name in sys.argv[split + 1 :]]
    for output, share in zip(outputs, shares(sources, len(outputs))):
        output.write_text(bundle(share))
    return 0


if __name__ == "__main__":
    sys.exit(main())
