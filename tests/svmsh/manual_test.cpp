// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "manual.hpp"

#include "help.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

using svmsh::choices_of;
using words = std::vector<std::string_view>;

}  // namespace

TEST_SUITE("svmsh/manual") {
  TEST_CASE("the name of a row is its first word or its key") {
    CHECK(svmsh::manual_row{"mmap NAME SIZE"}.name() == "mmap");
    CHECK(svmsh::manual_row{"gc"}.name() == "gc");
    CHECK(svmsh::manual_row{"vram=SIZE"}.name() == "vram");
    CHECK(svmsh::manual_row{"--map FILE.svg"}.name() == "--map");
  }

  TEST_CASE("the words of a form are there to choose from, and capitals are not") {
    CHECK(choices_of("migrate=on|off|only") == words{"on", "off", "only"});
    CHECK(choices_of("page=4K|16K|64K") == words{"4K", "16K", "64K"});
    CHECK(choices_of("prefetch=off|density[:PERCENT]") == words{"off", "density"});
    CHECK(choices_of("vram=SIZE").empty());
    CHECK(choices_of("chunks=SIZE,...").empty());
    CHECK(choices_of("show ranges|notifiers|stats [all]|pages ADDR") == words{"ranges", "notifiers", "stats"});
    CHECK(choices_of("mmap NAME SIZE [r|rw]").empty());
    CHECK(choices_of("gc").empty());
  }

  TEST_CASE("every verb says on one line what it does, and what its exit status means") {
    for (svmsh::verb_manual const& verb : svmsh::all_verbs()) {
      CAPTURE(verb.name);
      CHECK_FALSE(verb.summary.empty());
      CHECK_FALSE(verb.text.empty());
      CHECK(verb.statuses.size() == 3);
      CHECK(svmsh::find_verb(verb.name) == &verb);
    }
    CHECK(svmsh::find_verb("frob") == nullptr);
  }

  TEST_CASE("help has every row, and no line of it is wider than a screen") {
    svmsh::palette const none(-1);
    for (svmsh::verb_manual const& verb : svmsh::all_verbs()) {
      std::string const text = svmsh::verb_help(verb, none);
      for (svmsh::manual_section const& section : verb.sections)
        for (svmsh::manual_row const& row : section.rows) {
          CAPTURE(row.form);
          CHECK(text.find("\n  " + std::string(row.form)) != std::string::npos);
        }
      for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
        CHECK(rest.find('\n') <= svmsh::help_width);
    }
  }
}
