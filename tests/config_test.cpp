// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/config.hpp>

#include <cstdint>
#include <string_view>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

using support::failed_assertion;

TEST_SUITE("config") {
  TEST_CASE("an assertion that holds calls no handler") {
    CHECK_FALSE(failed_assertion([] { SVM_ASSERT(1 + 1 == 2); }));
    CHECK_FALSE(failed_assertion([] { SVM_ASSERT_OP(1, <=, 1); }));
  }

  TEST_CASE("a failed assertion reports its text and its place") {
    int const line = __LINE__ + 1;
    auto const failure = failed_assertion([] { SVM_ASSERT(1 + 1 == 3); });
    REQUIRE(failure);
    CHECK(std::string_view{failure->expression} == "1 + 1 == 3");
    CHECK(std::string_view{failure->file}.ends_with("config_test.cpp"));
    CHECK(failure->line == line);
    CHECK(failure->left == 0);
    CHECK(failure->right == 0);
  }

  TEST_CASE("a failed comparison reports both values") {
    std::uint64_t const size = UINT64_MAX;
    std::uint32_t const limit = 7;
    auto const failure = failed_assertion([&] { SVM_ASSERT_OP(size, <, limit); });
    REQUIRE(failure);
    CHECK(std::string_view{failure->expression} == "size < limit");
    CHECK(failure->left == UINT64_MAX);
    CHECK(failure->right == 7);
  }

  TEST_CASE("an assertion that holds evaluates its operands once") {
    int evaluations = 0;
    SVM_ASSERT(++evaluations == 1);
    CHECK(evaluations == 1);
    SVM_ASSERT_OP(++evaluations, ==, 2);
    CHECK(evaluations == 2);
  }
}
