# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Puts many mutants into one copy of the headers, each behind a switch of its own.

A line OLD with the mutants 7 (NEW) and 8 (deleted) becomes `{ if (is(7)) { NEW } else if (is(8)) { } else { OLD } }`; a
guard becomes an object that takes it or not; a condition chooses between two. What does not fit these forms, or does not
compile in them, is left to a compilation of its own.
"""

import re
from pathlib import Path

SWITCH = """#pragma once
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>
namespace svm_mutants {
inline int chosen() {
  char const* const number = std::getenv("SVM_MUTANT");
  return number == nullptr ? 0 : std::atoi(number);
}
inline int const number = chosen();
inline bool is_chosen(int n) { return number == n; }
/// What the compiler computes has no mutant in it.
constexpr bool is(int n) { return std::is_constant_evaluated() ? false : is_chosen(n); }
/// A guard that is taken only if no mutant has taken it away, or only for one mutant.
template <class Make>
class guarded {
 public:
  guarded(bool taken, Make make) : taken_(taken) {
    if (taken) new (at_) held(make());
  }
  guarded(guarded const&) = delete;
  ~guarded() {
    if (taken_) reinterpret_cast<held*>(at_)->~held();
  }
 private:
  using held = decltype(std::declval<Make&>()());
  bool taken_;
  alignas(held) unsigned char at_[sizeof(held)];
};
}
"""
GUARD = re.compile(r"(exclusive_guard|shared_guard|scope_guard) const (\w+)([{(].*[)}]);")
UNDO = re.compile(r"(scope_guard \w+\{\[)(.*)\] \{(.*)\}\};")
CONDITION = re.compile(r"((?:\} else )?if )\((.*)\)( \{)?")
LOOP = re.compile(r"for \(([^;]*); ([^;]*); ([^;]*)\) \{")
DECLARATION = re.compile(r"(?!return\b)[\w:<>]+(?: const)?[ *&]+(?:const )?\w+(?: = |\{|\().*;")
VARIABLE = re.compile(r"((?:[\w:<>]+ )+(?:const )?\w+(?: = |\{))(.*?)(\}?);")


def choice(news: list, old: str) -> str:
    for number, new in news:
        old = f"svm_mutants::is({number}) ? ({new.replace('; ', ', ')}) : ({old})"
    return old


def is_whole(text: str) -> bool:
    pairs = ("{}", "()")
    return not text or text.endswith((";", "}")) and all(text.count(a) == text.count(b) for a, b in pairs)


def switched(old: str, news: list[tuple[int, str]], next_line: str) -> str | None:
    """The line `old` with a switch to each of its mutants, or nothing where no form fits."""
    old = old.split("  //")[0]
    texts = [new.split("  //")[0].strip() for _, new in news]
    numbers = [number for number, _ in news]
    if guard := GUARD.fullmatch(old):
        before = after = ""
        for number, text in zip(numbers, texts):
            if other := GUARD.fullmatch(text):
                after += f" svm_mutants::guarded const {other[2]}_{number}{{svm_mutants::is({number}), [&] {{ return {other[1]}{other[3]}; }}}};"
            elif is_whole(text):
                before += f"if (svm_mutants::is({number})) {{ {text} }} "
            else:
                return None
        untouched = " && ".join(f"!svm_mutants::is({n})" for n in numbers)
        return f"{before}svm_mutants::guarded const {guard[2]}{{{untouched}, [&] {{ return {guard[1]}{guard[3]}; }}}};{after}"
    if (undo := UNDO.fullmatch(old)) and all(UNDO.fullmatch(text) for text in texts):
        cases = "".join(f"if (svm_mutants::is({n})) {{ {UNDO.fullmatch(text)[3]} }} else " for n, text in zip(numbers, texts))
        return f"{undo[1]}{undo[2]}] {{ {cases}{{ {undo[3]} }} }}}};"
    for form in (CONDITION, LOOP, VARIABLE):
        one, others = form.fullmatch(old), [form.fullmatch(text) for text in texts]
        if not one or not all(others):
            continue
        chosen = choice([(n, o[2]) for n, o in zip(numbers, others)], one[2])
        if form is LOOP and all((o[1], o[3]) == (one[1], one[3]) for o in others):
            return f"for ({one[1]}; {chosen}; {one[3]}) {{"
        if form is VARIABLE and all((o[1], o[3]) == (one[1], one[3]) for o in others):
            return f"{one[1]}{chosen}{one[3]};"
        if form is CONDITION and ";" not in one[2] and all((o[1], o[3]) == (one[1], one[3]) for o in others):
            return f"{one[1]}({chosen}){one[3] or ''}"
    if not is_whole(old) or DECLARATION.fullmatch(old) or (old.startswith("if ") and next_line.startswith("else")):
        return None
    if not all(map(is_whole, texts)):
        return None
    cases = "".join(f"if (svm_mutants::is({n})) {{ {text} }} else " for n, text in zip(numbers, texts))
    return f"{{ {cases}{{ {old} }} }}"


def put_together(mutants: list, include: Path, overlay: Path) -> dict[tuple[str, int], list]:
    """Writes the headers with all mutants that fit; which mutants stand in which line of which header."""
    placed: dict[tuple[str, int], list] = {}
    for header in {m.header for m in mutants}:
        old_lines = (include / header).read_text().splitlines()
        lines = list(old_lines)
        at: dict[int, list] = {}
        for m in mutants:
            if m.header == header:
                at.setdefault(m.line(old_lines), []).append(m)
        inserted: dict[int, str] = {}
        for i, group in at.items():
            old = old_lines[i].strip()
            text = switched(old, [(m.number, "" if m.before else m.new) for m in group], old_lines[i + 1].strip())
            moved = [m for m in group if m.before]
            if text is None or (moved and GUARD.fullmatch(old)):
                continue
            for m in moved:
                to = m.destination(old_lines)
                inserted[to] = inserted.get(to, "") + f"if (svm_mutants::is({m.number})) {{ {old} }} "
            lines[i] = text
            placed[header, i + 1] = group
        for i, text in inserted.items():
            lines[i] = text + lines[i].strip()
        (overlay / header).parent.mkdir(parents=True, exist_ok=True)
        (overlay / header).write_text("\n".join(lines) + "\n")
    return placed


def culprits(errors: str, placed: dict, overlay: Path) -> list:
    """The mutants that stand at the places of a compiler's errors, or before them."""
    found = []
    for header, line in re.findall(rf"{re.escape(str(overlay))}/(\S+?):(\d+):\d+: error", errors):
        before = [n for h, n in placed if h == header and n <= int(line)]
        if before:
            found += placed[header, max(before)]
    return found
