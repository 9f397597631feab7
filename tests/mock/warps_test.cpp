// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/mock/gpu/warps.hpp>
#include <svm/mock/machine/random.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using svm::time_point;
using svm::mock::warps;

namespace {

constexpr time_point at(std::uint64_t us) {
  return {us * 1000};
}

}  // namespace

TEST_SUITE("mock/warps") {
  TEST_CASE("a warp makes its accesses in order, and who was ready first goes first, the lowest number of several") {
    warps<char> all;
    all.deal(3, 'a', at(0));
    all.deal(1, 'b', at(0));
    all.deal(3, 'c', at(0));
    all.deal(1, 'd', at(0));
    std::string made;
    for (std::uint64_t now = 1; auto const who = all.next(); ++now) {
      made += all.current(*who);
      all.done(*who, at(now));
    }
    CHECK(made == "badc");
    CHECK(all.kept() == 0);
  }

  TEST_CASE("a warp that waits keeps its accesses while others run on") {
    warps<char> all;
    all.deal(0, 'a', at(0));
    all.stall(0);
    all.deal(0, 'b', at(1));
    all.deal(7, 'c', at(1));
    CHECK(all.waiting() == 1);
    CHECK(all.kept() == 3);
    REQUIRE(all.next() == 7u);
    all.done(7, at(2));
    CHECK_FALSE(all.next());
    all.resume(0, at(3));
    CHECK(all.waiting() == 0);
    REQUIRE(all.next() == 0u);
    CHECK(all.current(0) == 'a');
    all.done(0, at(4));
    CHECK(all.current(0) == 'b');
    all.done(0, at(5));
    CHECK_FALSE(all.next());
  }

  TEST_CASE("an access that is given up is gone, and its warp goes on with the next one") {
    warps<char> all;
    all.deal(2, 'a', at(0));
    all.deal(2, 'b', at(0));
    all.stall(2);
    all.give_up(2, at(1));
    REQUIRE(all.next() == 2u);
    CHECK(all.current(2) == 'b');
    all.stall(2);
    all.give_up(2, at(2));
    CHECK_FALSE(all.next());
    CHECK(all.kept() == 0);
    CHECK(all.waiting() == 0);
  }

  TEST_CASE("random programs make every access once, each warp's in order") {
    constexpr std::uint32_t count = 5;
    svm::mock::random random{11};
    warps<std::uint32_t> all;
    std::vector<std::uint32_t> dealt(count), made(count);
    std::vector<bool> waits(count);
    std::size_t left = 0;
    for (std::uint64_t now = 0; now < 4000; ++now) {
      auto const who = static_cast<std::uint32_t>(random.below(count));
      switch (random.below(3)) {
        case 0:
          all.deal(who, dealt[who]++, at(now));
          ++left;
          break;
        case 1:
          if (waits[who]) {
            all.resume(who, at(now));
            waits[who] = false;
          }
          break;
        default:
          if (auto const next = all.next()) {
            REQUIRE_FALSE(waits[*next]);
            if (random.below(3) == 0) {
              all.stall(*next);
              waits[*next] = true;
            } else {
              REQUIRE(all.current(*next) == made[*next]++);
              all.done(*next, at(now));
              --left;
            }
          } else {
            for (std::uint32_t w = 0; w < count; ++w) REQUIRE((waits[w] || made[w] == dealt[w]));
          }
      }
      REQUIRE(all.kept() == left);
      REQUIRE(all.waiting() == static_cast<std::size_t>(std::ranges::count(waits, true)));
    }
  }
}
