// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/verdict.hpp>

#include <sstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;

constexpr svm::conformance::promise_table<2> lamp{"lamp", {{{1, "it glows"}, {2, "it stays cool"}}}};
constexpr svm::conformance::promise_table<1> kettle{"kettle", {{{1, "it boils"}}}};

[[nodiscard]] broken_promises glows_at_night() {
  svm::conformance::verdict v{lamp};
  CHECK(!v.expect(2, false));
  CHECK(v.expect(1, true));
  CHECK(!v.expect(2, false));
  return v.result();
}
template <class Lamp>
[[nodiscard]] broken_promises glows_at_noon(Lamp holds) {
  svm::conformance::verdict v{lamp};
  v.expect(1, holds);
  return v.result();
}

/// Not a stream of the standard library, and no formats but these.
class tape {
 public:
  std::string text;
  tape& operator<<(std::string_view more) {
    text += more;
    return *this;
  }
  tape& operator<<(int number) {
    text += std::to_string(number);
    return *this;
  }
};

[[nodiscard]] std::string printed(broken_promises const& broken) {
  tape out;
  out << broken;
  std::ostringstream standard;
  standard << broken;
  CHECK(standard.str() == out.text);
  return out.text;
}

}  // namespace

TEST_SUITE("conformance/verdict") {
  TEST_CASE("a promise that broke is printed once: its concept, number and sentence, and the check that saw it") {
    broken_promises all;
    all.add(glows_at_night());
    all.add(glows_at_night());
    CHECK(printed(all) == "lamp 2: it stays cool (glows_at_night)\n");
    all.add(glows_at_noon(false));
    CHECK(printed(all) == "lamp 2: it stays cool (glows_at_night)\nlamp 1: it glows (glows_at_noon)\n");
  }

  TEST_CASE("a model that keeps its promises has nothing broken, and that is printed too") {
    CHECK(glows_at_noon(true) == kept);
    CHECK(printed(kept) == "every promise is kept\n");
  }

  TEST_CASE("results are equal when the same promises of the same concepts broke, in whatever order") {
    broken_promises ours{lamp, {2, 1}};
    CHECK(ours == broken_promises{lamp, {1, 2}});
    CHECK(ours != broken_promises{lamp, {1}});
    CHECK(ours != kept);
    CHECK(glows_at_night() == broken_promises{lamp, {2}});
    CHECK(broken_promises{lamp, {1}} != broken_promises{kettle, {1}});
    ours.add(broken_promises{kettle, {1}});
    CHECK(printed(ours) == "lamp 2: it stays cool\nlamp 1: it glows\nkettle 1: it boils\n");
  }
}
