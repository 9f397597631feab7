// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "tour.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

namespace {

constexpr std::array<svmsh::tour_stop, 3> stops = {{{"01-one", "# SPDX-X\n#\n# About one.\ngc\n# Later.\n"},
                                                    {"02-two", "gc"},
                                                    {"upstream/some-fault", "# A fault.\n"}}};

std::string found(std::string_view name) {
  auto const stop = svmsh::find_stop(stops, name);
  return stop ? std::string((*stop)->name) : stop.error();
}

}  // namespace

TEST_SUITE("svmsh/tour") {
  TEST_CASE("a scenario is found by its name, by its number and by what follows the number") {
    CHECK(found("01-one") == "01-one");
    CHECK(found("01") == "01-one");
    CHECK(found("2") == "02-two");
    CHECK(found("two") == "02-two");
    CHECK(found("upstream/some-fault") == "upstream/some-fault");
  }

  TEST_CASE("one that is not there is told, with what is most like it") {
    CHECK(found("02-tow") == "there is no scenario '02-tow' (did you mean '02-two'?)");
    CHECK(found("7") == "there is no scenario '7', expected one of svmsh scenarios");
    CHECK(found("") == "there is no scenario '', expected one of svmsh scenarios");
    CHECK(found("fault").starts_with("there is no scenario"));
  }

  TEST_CASE("what a scenario is about stands first in it, behind whose it is") {
    CHECK(stops[0].about() == "About one.");
    CHECK(stops[1].about().empty());
    CHECK(stops[2].about() == "A fault.");
  }

  TEST_CASE("the tour comes in its order, says of each scenario what it is about, and ends with the faults of others") {
    std::string_view last;
    bool upstream = false;
    for (svmsh::tour_stop const& stop : svmsh::tour()) {
      CAPTURE(stop.name);
      CHECK_FALSE(stop.about().empty());
      bool const is_upstream = stop.name.starts_with("upstream/");
      CHECK(is_upstream >= upstream);
      if (is_upstream == upstream) CHECK(last < stop.name);
      upstream = is_upstream;
      last = stop.name;
    }
    CHECK(upstream);
    CHECK(svmsh::tour().front().name == "01-first-touch");
  }
}
