#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Writes a source file per header, which includes it twice, and all.cpp, which includes every one.

Usage: generate.py FOLDER HEADER...
"""

import re
import sys
from pathlib import Path

folder, *headers = sys.argv[1:]
for header in headers:
    include = f"#include <{header}>\n"
    name = re.sub(r"[^a-zA-Z0-9]", "_", header) + ".cpp"
    Path(folder, name).write_text(include * 2, encoding="utf-8")
everything = "".join(f"#include <{header}>\n" for header in headers)
Path(folder, "all.cpp").write_text(everything + "\nint main() {}\n", encoding="utf-8")
