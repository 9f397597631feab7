// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/time_source.hpp>

#include <cstdint>

#include <doctest/doctest.h>

#include <svm/mock/machine/virtual_clock.hpp>
#include <svm/std/steady_clock.hpp>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;
namespace suite = svm::conformance::time_source;

struct goes_back : svm::mock::virtual_clock {
  std::uint64_t calls = 0;
  svm::time_point now() noexcept {
    // Far enough apart from the waits, which ask only a few times.
    svm::time_point t = virtual_clock::now();
    if (++calls == 500) t.nanoseconds -= 1;
    return t;
  }
};
struct returns_early : svm::mock::virtual_clock {
  void wait_until(svm::time_point t) noexcept { virtual_clock::wait_until({t.nanoseconds - 1}); }
};

/// Just this promise.
[[nodiscard]] broken_promises broken(int number) {
  return {suite::promises, {number}};
}

}  // namespace

TEST_SUITE("conformance/time_source") {
  TEST_CASE("steady_clock keeps the promises of a clock") {
    svm::steady_clock c;
    CHECK(suite::check_all(c) == kept);
  }

  TEST_CASE("the virtual clock keeps the promises of a clock, also where its counter wraps") {
    for (std::uint64_t const start : {std::uint64_t{0}, UINT64_MAX - 1'000'000}) {
      svm::mock::virtual_clock c{svm::time_point{start}};
      CHECK(suite::check_all(c) == kept);
    }
  }

  TEST_CASE("a clock that is broken in one way is reported with that promise alone") {
    goes_back backwards;
    CHECK(suite::check_all(backwards) == broken(1));
    returns_early early;
    CHECK(suite::check_all(early) == broken(2));
  }
}
