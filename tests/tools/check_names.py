#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that the map says what is public: its faces have what it says, and its names are all that lie in `svm`.

The map is include/svm/README.md, its section "What is public". A row of three cells is a face and the folders whose
headers it has, with the headers that it has not. A row of two cells is a folder and its names. The headers of the core
put their names straight into `svm`; a helper lies in `svm::detail`. No text for users says `using namespace svm`.

Usage: check_names.py ROOT | --names ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from checking import line_of, report, self_test, without_comments, without_comments_and_strings

# Whose folders have a namespace of their own.
APART = {"port", "conformance", "mock", "explore", "placement"}
MAP = "include/svm/README.md"
HEADING = "## What is public"
_TOKEN = re.compile(r"\w+|::|->|&&|\|\||<=>|\S")
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<(svm/[^>\n]*)>", re.MULTILINE)
_CLASSES = {"class", "struct", "enum", "union"}
# What takes parentheses in front of a function's name.
_SPECIFIERS = {"decltype", "alignas", "explicit", "noexcept"}
_OF_USERS = ["README.md", "CHANGELOG.md", "examples", "include", "tests/install"]
_USING = re.compile(r"\busing namespace svm\b(?!\w|::literals\b)")


def _close(tokens: list[str], at: int, left: str, right: str) -> int:
    """Where the bracket that opens at `at` has been closed."""
    depth = 0
    while at < len(tokens):
        depth += (tokens[at] == left) - (tokens[at] == right)
        at += 1
        if depth == 0:
            break
    return at


def _after_constraint(tokens: list[str], at: int) -> int:
    """What follows the expression behind `requires`."""
    while True:
        if tokens[at] == "requires":
            at = _close(tokens, at + 1, "(", ")") if tokens[at + 1] == "(" else at + 1
            at = _close(tokens, at, "{", "}")
        elif tokens[at] == "(":
            at = _close(tokens, at, "(", ")")
        else:
            at += tokens[at] == "!"
            while tokens[at + 1] == "::":
                at += 2
            at = _close(tokens, at + 1, "<", ">") if tokens[at + 1] == "<" else at + 1
            while tokens[at] == "::":
                at += 2
        if tokens[at] not in ("&&", "||"):
            return at
        at += 1


def _head(tokens: list[str]) -> list[str]:
    """A declaration without its template parameters, constraints and attributes."""
    at, kept = 0, []
    while at < len(tokens):
        if tokens[at] == "template" and tokens[at + 1 : at + 2] == ["<"]:
            at = _close(tokens, at + 1, "<", ">")
        elif tokens[at] == "requires" and not kept:
            at = _after_constraint(tokens, at + 1)
        elif tokens[at] == "[" and tokens[at + 1 : at + 2] == ["["]:
            at = _close(tokens, at, "[", "]")
        else:
            kept.append(tokens[at])
            at += 1
    return kept


def _end(tokens: list[str], at: int) -> int:
    """Where the declaration that begins at `at` ends: its semicolon, or the brace that closes a function's body."""
    has_initializer = False
    while tokens[at] != ";":
        if tokens[at] == "template" and tokens[at + 1] == "<":
            at = _close(tokens, at + 1, "<", ">")
        elif tokens[at] == "requires" and not has_initializer:
            at = _after_constraint(tokens, at + 1)
        elif tokens[at] == "operator":
            at = tokens.index("(", at + 2)  # at + 2, for operator()
        elif tokens[at] == "(":
            at = _close(tokens, at, "(", ")")
        elif tokens[at] == "{":
            at = _close(tokens, at, "{", "}")
            if not has_initializer and tokens[at : at + 1] != [";"]:
                return at - 1
        else:
            has_initializer = has_initializer or tokens[at] == "="
            at += 1
    return at


def declared(tokens: list[str]) -> str | None:
    """The name that a declaration at namespace scope brings in; none for a member's or a specialization."""
    head = [t for t in _head(tokens) if t not in ("inline", "constexpr", "constinit", "extern")]
    if not head or head[0] in ("static_assert", "template", "friend"):
        return None
    if head[0] in ("concept", "using"):
        return head[-2] if head[0] == "using" and "=" not in head else head[1]
    if head[0] in _CLASSES:
        at = 1 + (head[1] in _CLASSES)
        while re.match(r"SVM_|alignas$", head[at]):
            at = _close(head, at + 1, "(", ")") if head[at + 1] == "(" else at + 1
        return None if head[at + 1] in ("<", "::") else head[at]
    at = 0
    while at < len(head):
        token = head[at]
        if token == "operator":
            return None
        if token in _SPECIFIERS and head[at + 1 : at + 2] == ["("]:
            at = _close(head, at + 1, "(", ")")
        elif token == "<":
            at = _close(head, at, "<", ">")
        elif head[at : at + 2] == ["(", "*"]:
            return head[at + 2]
        elif token in ("(", "[", "=", "{", ";"):
            name = at - 1
            return None if name < 1 or head[name - 1] == "::" or head[name] == ">" else head[name]
        else:
            at += 1
    return None


def declarations(text: str) -> list[tuple[str, int, list[str]]]:
    """The names that a header declares at namespace scope, each with its line and its namespaces."""
    code = _DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), without_comments_and_strings(text))
    hits = list(_TOKEN.finditer(code))
    tokens = [hit[0] for hit in hits]
    found: list[tuple[str, int, list[str]]] = []
    inside: list[str] = []
    at = 0
    while at < len(tokens):
        if tokens[at] == "}":
            inside.pop()
            at += 1
            continue
        opens = tokens.index("{", at) if "{" in tokens[at:] else len(tokens)
        start = at + (tokens[at] == "inline")
        if tokens[start] == "namespace":
            inside.append(" ".join(tokens[start + 1 : opens]))
            at = opens + 1
            continue
        end = _end(tokens, at)
        name = declared(tokens[at : end + 1])
        if name and inside:
            found.append((name, line_of(code, hits[at].start()), [*inside]))
        at = end + 1
    return found


def names_of(text: str) -> list[tuple[str, int]]:
    """The names that a header declares in namespace svm, each with its line."""
    return [(name, line) for name, line, inside in declarations(text) if inside == ["svm :: inline v0"]]


def public_names(text: str) -> dict[str, int]:
    """The names of the map's section, each with its line."""
    section, start = _section(text)
    found = {}
    for row in re.finditer(r"^\|[^|\n]*\|([^|\n]*)\|$", section, re.MULTILINE):
        for name in re.finditer(r"`(\w+)`", row[1]):
            found[name[1]] = line_of(text, start + row.start(1) + name.start())
    return found


def _section(text: str) -> tuple[str, int]:
    start = text.find(HEADING)
    end = text.find("\n## ", start + 1)
    return text[start : end if end >= 0 else len(text)] if start >= 0 else "", max(start, 0)


def _reached(root: Path, face: str) -> set[str]:
    """The headers that a face includes, and those that they include."""
    seen: set[str] = set()
    left = [f"svm/{face}"]
    while left:
        path = left.pop()
        if path not in seen and (root / "include" / path).is_file():
            seen.add(path)
            left += _INCLUDE.findall(without_comments((root / "include" / path).read_text(encoding="utf-8")))
    return seen


def check_faces(root: Path, text: str) -> list[str]:
    found = []
    section, start = _section(text)
    described = set()
    for row in re.finditer(r"^\|\s*`(\w+\.hpp)`\s*\|([^|\n]*)\|[^|\n]*\|$", section, re.MULTILINE):
        where = f"{MAP}:{line_of(text, start + row.start())}"
        face, cell = row[1], row[2]
        described.add(face)
        reached = _reached(root, face)
        if not reached:
            found.append(f"{where}: there is no {face}")
            continue
        left_out = {f"svm/{h}" for h in re.findall(r"`([\w/]+\.hpp)`", cell)}
        beyond = set().union(*(_reached(root, h.removeprefix("svm/")) for h in left_out))  # what only these reach
        for folder in re.findall(r"`(\w+)/`", cell):
            base = root / "include/svm" / folder
            of_folder = {h.relative_to(root / "include").as_posix() for h in base.rglob("*.hpp") if "impl" not in h.parts}
            lacking = of_folder - reached
            found += [f"{where}: {face} does not include {h}" for h in sorted(lacking - left_out - beyond)]
            left_out -= lacking
        found += [f"{where}: {face} includes {h} all the same, or there is none" for h in sorted(left_out)]
    faces = {h.name for h in (root / "include/svm").glob("*.hpp")} - {"config.hpp", "version.hpp"}
    return found + [f"{MAP}: no row describes the face {face}" for face in sorted(faces - described)]


def headers(root: Path) -> list[Path]:
    base = root / "include/svm"
    found = [h for h in base.rglob("*.hpp") if h.relative_to(base).parts[0] not in APART]
    return sorted(found)


def names(root: Path) -> dict[str, str]:
    """Every name in namespace svm, with the first place that declares it."""
    found: dict[str, str] = {}
    for header in headers(root):
        for name, line in names_of(header.read_text(encoding="utf-8")):
            found.setdefault(name, f"{header.relative_to(root)}:{line}")
    return found


def check(root: Path) -> list[str]:
    text = (root / MAP).read_text(encoding="utf-8")
    listed, there = public_names(text), names(root)
    found = check_faces(root, text)
    found += [f"{where}: {name} is not in the map; is it a helper, for svm::detail?" for name, where in there.items() if name not in listed]
    found += [f"{MAP}:{line}: nothing in svm is called {name}" for name, line in listed.items() if name not in there]
    for place in _OF_USERS:
        for path in [root / place, *sorted((root / place).rglob("*"))]:
            if path.suffix in (".md", ".hpp", ".cpp") and path.is_file():
                said = path.read_text(encoding="utf-8")
                found += [f"{path.relative_to(root)}:{line_of(said, m.start())}: {m[0]}" for m in _USING.finditer(said)]
    return found


def _plant(code: str, listed: str = "", more: dict[str, str] | None = None) -> dict[str, str]:
    """A header of base/ with `code` in svm, and a map that lists names."""
    rows = "| face | folders | for |\n|---|---|---|\n| `svm.hpp` | `base/` | all |\n\n| folder | names |\n|---|---|\n"
    cell = ", ".join(f"`{name}`" for name in listed.split())
    return {
        "include/svm/base/a.hpp": f"#pragma once\nnamespace svm::inline v0 {{\n{code}\n}}  // namespace svm::inline v0\n",
        "include/svm/svm.hpp": "#include <svm/base/a.hpp>\n",
        MAP: f"# Map\n\n{HEADING}\n\n{rows}| `base/` | {cell} |\n\n## Next\n\n| `x` | `unread` |\n",
    } | (more or {})


PLANTS = [
    ("a class", _plant("class lamp {\n  int hidden;\n  void f() { struct inner {}; }\n};", "lamp"), []),
    ("a class that is not listed", _plant("template <class T>\nclass [[nodiscard]] lamp final : public T {};"), ["a.hpp:3: lamp is not"]),
    ("one in detail", _plant("namespace detail {\nclass lamp {};\n}"), []),
    ("one behind detail", _plant("namespace detail {\nstruct x { int y; };\n}\nstruct lamp;"), ["lamp is not"]),
    ("a class with attributes", _plant('struct alignas(64) lamp {};\nclass SVM_CAPABILITY("x") bulb {};', "lamp bulb"), []),
    ("an enumeration", _plant("enum class lamp : unsigned char { on, off };", "lamp"), []),
    ("a specialization", _plant("template <class T>\nstruct lamp {};\ntemplate <>\nstruct lamp<int> {};", "lamp"), []),
    ("a function", _plant("template <class T>\n[[nodiscard]] constexpr T glow(T a) { return a + f(1); }"), ["glow is not"]),
    ("two functions", _plant("inline void glow() {}\ninline void shine() {}"), ["glow is not", "shine is not"]),
    ("a constrained function", _plant("template <class T>\nrequires(T::n > 1) && lit<T>\nvoid glow(T a) {}"), ["glow is not"]),
    ("a requires-expression", _plant("template <class T>\nrequires requires(T t) { t.on(); }\nvoid glow(T a) {}"), ["glow is not"]),
    ("what a function returns", _plant("template <class T>\nauto glow(T a) -> result<T>;\ndecltype(1 + 1) shine();"), ["glow is not", "shine is not"]),
    ("a member's definition", _plant("class lamp {};\ntemplate <class P>\nvoid lamp<P>::glow() {}\nvoid lamp::shine() {}", "lamp"), []),
    ("an operator", _plant("constexpr bool operator==(int a, int b) { return true; }\nvoid glow();"), ["a.hpp:4: glow is not"]),
    ("a concept", _plant("template <class T>\nconcept lamp = requires(T t) { t.on(); } && sizeof(T) < 4;", "lamp"), []),
    ("an alias", _plant("template <class T>\nusing lamp = bulb<T>;\nusing other::candle;", "lamp candle"), []),
    ("constants", _plant('inline constexpr int one = f(1);\nconstexpr char two[] = "2; {";\nconstexpr three<int> four{3};', "one two four"), []),
    ("a pointer to a function", _plant("inline void (*lamp)(int) = nullptr;", "lamp"), []),
    ("what is no name", _plant("static_assert(f(1));\nextern template class lamp<int>;\n#define X(a) \\\n  void a();"), []),
    ("a deduction guide", _plant("template <class T>\nstruct lamp {};\ntemplate <class T>\nlamp(T) -> lamp<T>;", "lamp"), []),
    ("a name that is gone", _plant("class lamp;", "lamp candle"), ["README.md:11: nothing in svm is called candle"]),
    ("a namespace of its own", _plant("", "", {"include/svm/mock/b.hpp": "namespace svm::inline v0 {\nclass lamp;\n}\n"}), []),
    ("a face that lacks a header", _plant("", "", {"include/svm/base/b.hpp": ""}), ["svm.hpp does not include svm/base/b.hpp"]),
    ("a body is nobody's to include", _plant("", "", {"include/svm/base/impl/b.hpp": ""}), []),
    ("a face without a row", _plant("", "", {"include/svm/std.hpp": ""}), ["no row describes the face std.hpp"]),
    ("a row without a face", {MAP: f"{HEADING}\n\n| `std.hpp` | `std/` | x |\n"}, ["there is no std.hpp"]),
    ("a header left out", {MAP: f"{HEADING}\n\n| `std.hpp` | `std/`, but `std/a.hpp` | x |\n", "include/svm/std.hpp": "//", "include/svm/std/a.hpp": ""}, []),
    ("a header left out for nothing", {MAP: f"{HEADING}\n\n| `std.hpp` | `std/`, but `std/b.hpp` | x |\n", "include/svm/std.hpp": ""}, ["std.hpp includes svm/std/b.hpp all the same"]),
    ("a text for users", _plant("", "", {"examples/a.cpp": "using namespace svm;\n", "README.md": "using namespace svm::mock;\n"}),
        ["README.md:1: using namespace svm", "examples/a.cpp:1: using namespace svm"]),
    ("literals", _plant("", "", {"examples/a.cpp": "using namespace svm::literals;\nusing namespace svmsh;\n"}), []),
    ("a test of ours", _plant("", "", {"tests/base/a_test.cpp": "using namespace svm;\n"}), []),
]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, PLANTS)
    root = Path(sys.argv[-1])
    if sys.argv[1] == "--names":
        print(*sorted(names(root)), sep="\n")
        return 0
    findings = check(root)
    print(*findings, sep="\n", end="\n" if findings else "")
    return report(max(len(names(root)) - len(findings), 0), len(findings))


if __name__ == "__main__":
    sys.exit(main())
