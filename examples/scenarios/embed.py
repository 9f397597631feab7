#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""usage: embed.py FOLDER OUT.cpp OUT.d - the scenarios of a folder as a source of svmsh, and what it depends on."""

import pathlib
import sys

HEAD = """// Written by examples/scenarios/embed.py.
#include "tour.hpp"

namespace svmsh {

namespace {

constexpr tour_stop stops[] = {
"""
TAIL = """};

}  // namespace

std::span<tour_stop const> tour() {
  return stops;
}

}  // namespace svmsh
"""


def main():
    folder, out, depends = (pathlib.Path(word) for word in sys.argv[1:])
    # Those of the tour first, then those of the folders in it.
    files = sorted(folder.rglob("*.svm"), key=lambda path: (len(path.parts), path))
    rows = ""
    for path in files:
        text = path.read_text(encoding="utf-8")
        if ')scenario"' in text:
            sys.exit(f"{path}: holds what ends a literal")
        rows += f'    {{"{path.relative_to(folder).with_suffix("")}", R"scenario({text})scenario"}},\n'
    out.write_text(HEAD + rows + TAIL, encoding="utf-8")
    # A folder changes when a file comes or goes.
    folders = sorted({path.parent for path in files})
    depends.write_text(f"{out}: {' '.join(str(path) for path in files + folders)}\n", encoding="utf-8")


main()
