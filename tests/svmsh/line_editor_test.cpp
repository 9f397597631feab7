// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "prompt.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace {

using svmsh::line_editor;
using outcome = line_editor::outcome;

/// Types `keys`; what the last of them led to.
outcome type(line_editor& editor, std::string_view keys) {
  outcome last = outcome::typing;
  for (char const key : keys) last = editor.take(key);
  return last;
}

std::string typed(std::string_view keys) {
  line_editor editor;
  type(editor, keys);
  std::string line = editor.line();
  return line.insert(editor.cursor(), "|");
}

constexpr std::string_view up = "\033[A", down = "\033[B";

}  // namespace

TEST_SUITE("svmsh/line_editor") {
  TEST_CASE("what is typed stands where the cursor is") {
    CHECK(typed("gc") == "gc|");
    CHECK(typed("ac\033[Db") == "ab|c");
    CHECK(typed("bc\001a") == "a|bc");
    CHECK(typed("ab\001\005c") == "abc|");
    CHECK(typed("ab\033[D\033[D\033[D\033[C") == "a|b");
    CHECK(typed("ab\033[H") == "|ab");
    CHECK(typed("ab\033OH\033OF") == "ab|");
  }

  TEST_CASE("letters, words and parts of the line are erased") {
    CHECK(typed("abc\177") == "ab|");
    CHECK(typed("abc\001\177") == "|abc");
    CHECK(typed("abc\001\033[3~") == "|bc");
    CHECK(typed("abc\001\004") == "|bc");
    CHECK(typed("one two  \027") == "one |");
    CHECK(typed("one two\033[D\033[D\013") == "one t|");
    CHECK(typed("one two\033[D\033[D\025") == "|wo");
  }

  TEST_CASE("sequences that mean nothing here leave no letters behind") {
    CHECK(typed("a\033[1;5Cb") == "ab|");
    CHECK(typed("a\033[15~b") == "ab|");
    CHECK(typed("a\033xb") == "ab|");
    CHECK(typed("a\xc3\xa9"
                "b") == "ab|");
    CHECK(typed(std::string("a\0b", 3)) == "ab|");
  }

  TEST_CASE("a line ends with return, is thrown away with control C, and control D ends all where nothing is typed") {
    line_editor editor;
    CHECK(type(editor, "gc\r") == outcome::done);
    CHECK(editor.line() == "gc");
    editor.next();
    CHECK(editor.line().empty());
    CHECK(type(editor, "x\003") == outcome::cancelled);
    editor.next();
    CHECK(type(editor, "x\004") == outcome::typing);
    CHECK(type(editor, "\177\004") == outcome::end);
    CHECK(type(editor, "\014") == outcome::clear);
  }

  TEST_CASE("earlier lines come back, the last first, and the new one is not lost") {
    line_editor editor;
    for (std::string_view const line : {"one", "two", "two", "  ", "three"}) {
      type(editor, line);
      editor.next();
    }
    type(editor, "new");
    type(editor, up);
    CHECK(editor.line() == "three");
    type(editor, up);
    CHECK(editor.line() == "two");
    type(editor, up);
    CHECK(editor.line() == "one");
    type(editor, up);
    CHECK(editor.line() == "one");
    type(editor, down);
    CHECK(editor.line() == "two");
    type(editor, down);
    type(editor, down);
    CHECK(editor.line() == "new");
    type(editor, down);
    CHECK(editor.line() == "new");
  }

  TEST_CASE("tab completes a word as far as there is one way, and lists the ways where there are several") {
    CHECK(typed("mpro\t") == "mprotect |");
    CHECK(typed("machine mig\t") == "machine migrate=|");
    CHECK(typed("machine migrate=\t") == "machine migrate=o|");
    CHECK(typed("xyz\t") == "xyz|");
    line_editor editor;
    CHECK(type(editor, "gpu a\t") == outcome::candidates);
    CHECK(editor.candidates().size() == 2);
    CHECK(editor.line() == "gpu a");
  }

  TEST_CASE("a line that never ends does not take all memory") {
    line_editor editor;
    type(editor, std::string(200000, 'x'));
    CHECK(editor.line().size() == 65536);
  }
}
