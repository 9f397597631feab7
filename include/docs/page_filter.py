#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Writes a text of the tree as Doxygen has to read it: with names for its headings, and links by these names.

Usage: page_filter.py ROOT FILE.md
"""

import re
import sys
from pathlib import Path

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.*)$")
_CODE = re.compile(r"(`+[^`]*`+)")


def page_name(path: str) -> str:
    """The name of a text, by its path in the tree."""
    return "mainpage" if path == "README.md" else "page_" + re.sub(r"\W+", "_", path.removesuffix(".md"))


def slug(title: str) -> str:
    """The name that a heading has on the web, in its page."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")


class Filter:
    def __init__(self, root: Path, path: Path):
        self.root, self.path = root, path.resolve()
        self.name = page_name(self.path.relative_to(root).as_posix())
        self.level = 0

    def link(self, found: re.Match[str]) -> str:
        picture, text, target = found.groups()
        if picture:
            return f"![{text}]({Path(target).name})"
        if re.match(r"[a-z]+:", target):
            return found[0]
        file, _, anchor = target.partition("#")
        path = (self.path.parent / file).resolve() if file else self.path
        path = path / "README.md" if path.is_dir() else path
        if path.suffix == ".md":
            page = page_name(path.relative_to(self.root).as_posix())
            page = "index" if page == "mainpage" and not anchor else page
            return f"[{text}](@ref {page}{'_' + anchor if anchor else ''})"
        return text

    def line(self, line: str) -> str:
        heading = _HEADING.match(line)
        if heading:
            name = self.name if len(heading[1]) == 1 else f"{self.name}_{slug(heading[2])}"
            return f"{heading[1]} {heading[2].replace('`', '')} {{#{name}}}"
        # What Doxygen would take for its own words.
        parts = _CODE.split(line)
        for i in range(0, len(parts), 2):
            parts[i] = re.sub(r"(?<!\()@(?!ref )", r"\\@", parts[i])
            parts[i] = re.sub(r"(?<![\w(])#(?=\w)", r"\\#", parts[i])
        return "".join(parts)

    def prose(self, lines: list[str]) -> list[str]:
        """Lines that follow each other: a link may begin on one and end on the next."""
        return [self.line(line) for line in _LINK.sub(self.link, "\n".join(lines)).split("\n")] if lines else []

    def run(self, text: str) -> str:
        out: list[str] = []
        prose: list[str] = []
        fence = False
        for line in text.splitlines():
            if not fence and not line.startswith(("```", "    ")):
                prose.append(line)
                continue
            out += self.prose(prose)
            prose = []
            if line.startswith("```"):
                fence = not fence
                # Languages that Doxygen has no colours for.
                line = line if line in ("```", "```cpp") else "```{.txt}"
            out.append(line)
        return "\n".join(out + self.prose(prose)) + "\n"


def main() -> int:
    root, path = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    print(Filter(root, path).run(path.read_text(encoding="utf-8")), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
