// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <svm/mock/machine/callback.hpp>
#include <svm/mock/machine/report.hpp>

using svm::mock::callback;

TEST_SUITE("mock/callback") {
  TEST_CASE("what was set last is called with its arguments, and keeps what it counts") {
    callback<int> c;
    CHECK_FALSE(c);
    int sum = 0;
    c = [&sum, calls = 0](int n) mutable { sum += n * ++calls; };
    REQUIRE(c);
    c(1);
    c(10);
    CHECK(sum == 21);
    c = [&sum](int n) { sum = -n; };
    c(4);
    CHECK(sum == -4);
    c = nullptr;
    CHECK_FALSE(c);
  }

  TEST_CASE("a callback that clears or replaces itself lives until it returns") {
    std::string said;
    callback<> c;
    c = [&c, &said, word = std::string(100, 'a')] {
      c = [&said] { said += "second"; };
      said += word;
    };
    c();
    CHECK(said == std::string(100, 'a'));
    c();
    CHECK(said == std::string(100, 'a') + "second");
    c = [&c, &said, word = std::string(100, 'b')] {
      c = nullptr;
      said = word;
    };
    c();
    CHECK(said == std::string(100, 'b'));
    CHECK_FALSE(c);
  }

  TEST_CASE("a copy calls the same") {
    int calls = 0;
    callback<> one = [&calls] { ++calls; };
    callback<> const other = one;
    one = nullptr;
    other();
    CHECK(calls == 1);
  }
}

TEST_SUITE("mock/report") {
  TEST_CASE("a line is the rule and the pieces of the text, and a hundred lines are kept") {
    svm::mock::report broken;
    CHECK(broken.empty());
    broken.violation("O-01", "text");
    broken.violation("O-02", {"a ", "", "piece"});
    CHECK_FALSE(broken.empty());
    for (int i = 0; i < 120; ++i) broken.violation("O-03", "again");
    auto const lines = broken.take();
    REQUIRE(lines.size() == svm::mock::report::kept + 1);
    CHECK(lines[0] == "O-01: text");
    CHECK(lines[1] == "O-02: a piece");
    CHECK(lines[99] == "O-03: again");
    CHECK(lines[100] == "and 22 more");
    CHECK(broken.empty());
    CHECK(broken.take().empty());
  }
}
