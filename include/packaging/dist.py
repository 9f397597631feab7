#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Run by `meson dist`: gives the top folder of the release the time of its newest file and the mode of the others.

Meson makes that folder itself, now and with the umask of whoever releases, so that no two archives would be the same.
"""

import os
from pathlib import Path

root = Path(os.environ["MESON_PROJECT_DIST_ROOT"])
newest = max(int(path.lstat().st_mtime) for path in root.rglob("*"))
root.chmod(0o755)
os.utime(root, (newest, newest))
