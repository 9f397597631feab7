// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/observer.hpp>

#include <new>

#include <doctest/doctest.h>

#include <svm/mock/machine/statistics.hpp>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;
namespace suite = svm::conformance::observer;

struct allocates {
  void record(svm::event const&) noexcept { ::operator delete(::operator new(8)); }
};

/// Just this promise.
[[nodiscard]] broken_promises broken(int number) {
  return {suite::promises, {number}};
}

}  // namespace

TEST_SUITE("conformance/observer") {
  TEST_CASE("the null observer keeps the promises of an observer") {
    svm::null_observer o;
    CHECK(suite::check_all(o) == kept);
  }

  TEST_CASE("the simulated machine's statistics keep the promises of an observer") {
    svm::mock::statistics o;
    CHECK(suite::check_all(o) == kept);
    CHECK(o.count(svm::event_kind::range_created) == 2);
  }

  TEST_CASE("an observer that allocates is reported") {
    allocates o;
    CHECK(suite::check_all(o) == broken(1));
  }
}
