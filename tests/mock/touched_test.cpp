// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/touched.hpp>

using svm::mock::touched;

namespace {

std::vector<std::pair<std::uint64_t, std::uint64_t>> runs_of(touched const& t) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
  t.for_each([&](std::uint64_t first, std::uint64_t last) { runs.emplace_back(first, last); });
  return runs;
}
using runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

}  // namespace

TEST_SUITE("mock/touched") {
  TEST_CASE("neighbours and what overlaps become one run, in any order; what lies apart does not") {
    touched t;
    CHECK(t.empty());
    t.note(10, 19);
    t.note(20, 29);
    t.note(5, 9);
    t.note(12, 13);
    CHECK(runs_of(t) == runs{{5, 29}});
    t.note(31, 31);
    t.note(3, 3);
    CHECK(runs_of(t) == runs{{5, 29}, {31, 31}, {3, 3}});
    CHECK_FALSE(t.overflowed());
    t.clear();
    CHECK(t.empty());
  }

  TEST_CASE("the first and the last number have no neighbours beyond") {
    touched t;
    t.note(0, 0);
    t.note(UINT64_MAX, UINT64_MAX);
    CHECK(runs_of(t) == runs{{0, 0}, {UINT64_MAX, UINT64_MAX}});
    t.note(UINT64_MAX - 1, UINT64_MAX - 1);
    t.note(1, 1);
    CHECK(runs_of(t) == runs{{0, 1}, {UINT64_MAX - 1, UINT64_MAX}});
  }

  TEST_CASE("a run that finds no room is said to be missing, until all is cleared; what joins another still does") {
    touched t;
    for (std::uint64_t n = 0; n < touched::capacity; ++n) t.note(10 * n, 10 * n);
    CHECK_FALSE(t.overflowed());
    t.note(1, 1);
    CHECK_FALSE(t.overflowed());
    t.note(5000, 5000);
    CHECK(t.overflowed());
    CHECK(runs_of(t).size() == touched::capacity);
    CHECK(runs_of(t).front() == std::pair<std::uint64_t, std::uint64_t>{0, 1});

    touched other;
    other.note(2, 3);
    other.note(t);
    CHECK(other.overflowed());
    CHECK(runs_of(other).front() == std::pair<std::uint64_t, std::uint64_t>{0, 3});
    other.clear();
    CHECK_FALSE(other.overflowed());
  }

  TEST_CASE("what is copied from another keeps its runs") {
    touched t;
    t.note({svm::cpu_va{4096}, svm::byte_count{4096}});
    touched const copy = t;
    t.clear();
    t.note(1, 2);
    t.note(copy);
    CHECK(runs_of(t) == runs{{1, 2}, {4096, 8191}});
  }
}
