// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/steady_clock.hpp>

#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

using namespace svm;

namespace {

[[nodiscard]] std::uint64_t std_now() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(
      duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

TEST_SUITE("std/steady_clock") {
  TEST_CASE("it counts the nanoseconds of std::chrono::steady_clock") {
    svm::steady_clock c;
    std::uint64_t const before = std_now();
    std::uint64_t const now = c.now().nanoseconds;
    std::uint64_t const after = std_now();
    CHECK(before <= now);
    CHECK(now <= after);
  }

  TEST_CASE("waiting ends when the moment has come, and not before") {
    svm::steady_clock c;
    time_point const t = c.now() + milliseconds(2);
    c.wait_until(t);
    CHECK(std_now() >= t.nanoseconds);
  }

  TEST_CASE("waiting for the past returns, also for a moment before the clock began") {
    svm::steady_clock c;
    c.wait_until(time_point{});
    c.wait_until(time_point{c.now().nanoseconds - milliseconds(1000).nanoseconds});
    CHECK(c.now() != time_point{});
  }
}
