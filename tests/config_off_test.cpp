// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// Overrides what the build says. Only config.hpp may be included here: with any other header this file would hold a
// second definition of its inline functions.
#undef SVM_ASSERTIONS
#define SVM_ASSERTIONS 0
#include <svm/config.hpp>

#include <doctest/doctest.h>

TEST_SUITE("config") {
  TEST_CASE("an assertion that is compiled out evaluates nothing") {
    int evaluations = 0;
    SVM_ASSERT(++evaluations == 7);
    SVM_ASSERT_OP(++evaluations, ==, 7);
    CHECK(evaluations == 0);
  }
}
