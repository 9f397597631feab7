// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/gpu/frame_runs.hpp>
#include <svm/mock/machine/random.hpp>

using svm::mock::frame_runs;

namespace {

/// Places by frames.
using model = std::map<std::uint32_t, std::uint32_t>;

bool agree(frame_runs const& runs, model const& expected) {
  model found;
  for (frame_runs::run const& r : runs.all())
    for (std::uint32_t i = 0; i < r.count; ++i) found[r.first + i] = r.place + i;
  std::vector<std::uint32_t> visited;
  runs.for_each([&](std::uint32_t n) { visited.push_back(n); });
  return found == expected && runs.count() == expected.size() && visited.size() == expected.size() &&
         std::ranges::is_sorted(visited);
}

}  // namespace

TEST_SUITE("mock/frame_runs") {
  TEST_CASE("frames that lie together are one run, and others are one each") {
    CHECK(frame_runs{}.count() == 0);
    CHECK_FALSE(frame_runs{}.remove(0));
    std::vector<std::uint32_t> const together{8, 9, 10, 11};
    CHECK(frame_runs{together}.all().size() == 1);
    std::vector<std::uint32_t> const apart{8, 9, 4, 6, 7};
    frame_runs const runs{apart};
    REQUIRE(runs.all().size() == 3);
    CHECK(runs.all()[0].first == 4);
    CHECK(runs.all()[1].place == 3);
    CHECK(runs.all()[2].count == 2);
  }

  TEST_CASE("random frames are found once each, with their places, until they are taken out") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      svm::mock::random draw{seed};
      std::vector<std::uint32_t> frames;
      model expected;
      std::string program;  // the reproducer
      for (std::uint64_t n = 1 + draw.below(seed % 4 == 0 ? 1 : 6); n > 0; --n) {
        auto const first = static_cast<std::uint32_t>(1 + draw.below(60));
        auto const count = static_cast<std::uint32_t>(1 + draw.below(12));
        for (std::uint32_t i = first; i < first + count; ++i)
          if (expected.emplace(i, static_cast<std::uint32_t>(frames.size())).second) {
            frames.push_back(i);
            program += std::to_string(i) + " ";
          }
      }
      frame_runs runs{frames};
      if (!agree(runs, expected)) FAIL("seed " << seed << ": " << program);
      while (!expected.empty()) {
        auto const n = static_cast<std::uint32_t>(draw.below(75));
        program += "-" + std::to_string(n) + " ";
        bool const was_there = expected.erase(n) != 0;
        if (runs.remove(n) != was_there || !agree(runs, expected)) FAIL("seed " << seed << ": " << program);
      }
    }
  }
}
