// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/lock.hpp>

#include <doctest/doctest.h>

#include <svm/explore/lock_policy.hpp>

TEST_SUITE("explore/conformance") {
  TEST_CASE("outside of a scenario the policy keeps what a lock policy promises to one thread") {
    CHECK(svm::conformance::lock::check_one_thread<svm::explore::lock_policy>() == svm::conformance::kept);
  }
}
