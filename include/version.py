#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Prints the version that version.hpp states, after checking that its numbers and its string agree."""

import re
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text(encoding="utf-8")
numbers = [re.search(rf"\bversion_{part} = (\d+);", text) for part in ("major", "minor", "patch")]
string = re.search(r'\bversion_string\[\] = "([^"]+)";', text)
if string is None or None in numbers or string[1] != ".".join(n[1] for n in numbers):
    sys.exit(f"{sys.argv[1]}: version_string does not say version_major.version_minor.version_patch")
print(string[1])
