// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/random.hpp>

using svm::mock::number_map;
using svm::mock::number_set;

namespace {

struct counted {
  explicit counted(int& alive) : alive_(alive) { ++alive_; }
  counted(counted const&) = delete;
  counted& operator=(counted const&) = delete;
  ~counted() { --alive_; }
  int& alive_;
};

}  // namespace

TEST_SUITE("mock/number_map") {
  TEST_CASE("a random program leaves what std::map has, in its order, from every place on") {
    constexpr std::uint64_t seed = 1;
    CAPTURE(seed);
    svm::mock::random draw{seed};
    number_map<std::string> m;
    std::map<std::uint64_t, std::string> model;
    for (int i = 0; i < 4000; ++i) {
      CAPTURE(i);
      std::uint64_t const n = draw.below(64) == 0 ? UINT64_MAX - draw.below(2) : draw.below(200);
      switch (draw.below(4)) {
        case 0: {
          auto const [at, is_new] = m.emplace(n, std::to_string(i));
          CHECK(is_new == model.try_emplace(n, std::to_string(i)).second);
          CHECK(at->first == n);
          break;
        }
        case 1:
          m[n] += "+";
          model[n] += "+";
          break;
        case 2:
          CHECK(m.erase(n) == (model.erase(n) != 0));
          break;
        default:
          if (auto const known = m.find(n); known != m.end()) {
            auto const next = m.erase(known);
            auto const expected = model.erase(model.find(n));
            CHECK((next == m.end()) == (expected == model.end()));
            if (next != m.end()) CHECK(next->first == expected->first);
          }
      }
      REQUIRE(m.size() == model.size());
      auto const low = m.lower_bound(n);
      auto const high = m.upper_bound(n);
      CHECK((low == m.end()) == (model.lower_bound(n) == model.end()));
      CHECK((high == m.end()) == (model.upper_bound(n) == model.end()));
      if (low != m.end()) CHECK(low->first == model.lower_bound(n)->first);
      if (high != m.end()) CHECK(high->first == model.upper_bound(n)->first);
      if (high != m.begin()) CHECK(m.before(high)->first == std::prev(model.upper_bound(n))->first);
    }
    auto expected = model.begin();
    for (auto const& [n, value] : m) {
      REQUIRE(expected != model.end());
      CHECK(n == expected->first);
      CHECK(value == expected->second);
      ++expected;
    }
    CHECK(expected == model.end());
  }

  TEST_CASE("values end with their numbers, and with the map") {
    int alive = 0;
    {
      number_map<counted> m;
      for (std::uint64_t n : {5u, 3u, 9u}) m.emplace(n, alive);
      CHECK_FALSE(m.emplace(3, alive).second);
      CHECK(alive == 3);
      m.erase(5);
      CHECK(alive == 2);
      CHECK(m.begin()->first == 3);
    }
    CHECK(alive == 0);
  }

  TEST_CASE("a value stays where it is while others come and go") {
    number_map<int> m;
    int const* const there = &(m[100] = 7);
    for (std::uint64_t n = 0; n < 200; ++n) m[n] += 0;
    for (std::uint64_t n = 0; n < 200; n += 3) m.erase(n);
    CHECK(&m.find(100)->second == there);
    CHECK(*there == 7);
  }

  TEST_CASE("a set gives its numbers ascending") {
    number_set s;
    for (std::uint64_t n : {7u, 1u, 4u, 1u}) s.emplace(n);
    std::string all;
    for (auto const& one : s) all += std::to_string(one.first) + " ";
    CHECK(all == "1 4 7 ");
    s.clear();
    CHECK(s.empty());
    CHECK(s.begin() == s.end());
  }
}
