// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/owned.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/mock/machine/steady_list.hpp>

using svm::mock::owned_array;
using svm::mock::plain_list;
using svm::mock::steady_list;

namespace {

struct counted {
  counted() { ++alive; }
  explicit counted(int n) : number(n) { ++alive; }
  counted(counted const&) = delete;
  counted& operator=(counted const&) = delete;
  ~counted() { --alive; }
  int number = 0;
  static inline int alive = 0;
};

}  // namespace

TEST_SUITE("mock/plain_list") {
  TEST_CASE("a random program leaves what std::vector has") {
    constexpr std::uint64_t seed = 2;
    CAPTURE(seed);
    svm::mock::random draw{seed};
    plain_list<std::uint64_t> list;
    std::vector<std::uint64_t> model;
    for (int i = 0; i < 3000; ++i) {
      CAPTURE(i);
      std::uint64_t const value = draw.below(50);
      std::size_t const place = model.empty() ? 0 : draw.below(model.size());
      switch (draw.below(8)) {
        case 0:
        case 1:
          list.push_back(value);
          model.push_back(value);
          break;
        case 2:
          list.insert(place, value);
          model.insert(model.begin() + static_cast<std::ptrdiff_t>(place), value);
          break;
        case 3:
          if (model.empty()) break;
          list.erase(place);
          model.erase(model.begin() + static_cast<std::ptrdiff_t>(place));
          break;
        case 4: {
          auto const known = std::ranges::find(model, value);
          CHECK(list.contains(value) == (known != model.end()));
          CHECK(list.remove(value) == (known != model.end()));
          if (known != model.end()) model.erase(known);
          break;
        }
        case 5:
          if (model.empty()) break;
          CHECK(list.back() == model.back());
          list.pop_back();
          model.pop_back();
          break;
        case 6:
          list.resize(model.size() + draw.below(3));
          model.resize(list.size());
          break;
        default:
          if (draw.below(40) != 0) break;
          list.clear();
          model.clear();
      }
      REQUIRE(std::ranges::equal(list, model));
      CHECK(list.empty() == model.empty());
    }
  }

  TEST_CASE("a copy is its own, and what was moved from is empty") {
    plain_list<int> one{1, 2, 3};
    plain_list<int> copy = one;
    copy[0] = 9;
    CHECK(one[0] == 1);
    plain_list<int> const moved = std::move(one);
    CHECK(one.empty());
    CHECK(std::ranges::equal(moved, std::vector{1, 2, 3}));
    one.push_back(4);
    copy = std::exchange(one, {});
    CHECK(std::ranges::equal(copy, std::vector{4}));
    CHECK(one.empty());
  }
}

TEST_SUITE("mock/owned") {
  TEST_CASE("an array ends with its owner, and goes from one to the other") {
    {
      owned_array<counted> a;
      CHECK_FALSE(a);
      a = owned_array<counted>{new counted[3]};
      a[2].number = 5;
      owned_array<counted> const b = std::move(a);
      CHECK_FALSE(a);
      CHECK(b[2].number == 5);
      CHECK(counted::alive == 3);
    }
    CHECK(counted::alive == 0);
  }

  TEST_CASE("an object ends with its owner, or once that has another one") {
    {
      svm::mock::owned<counted> a{new counted{1}};
      a = svm::mock::owned<counted>{new counted{2}};
      CHECK(counted::alive == 1);
      svm::mock::owned<counted> const b = std::move(a);
      CHECK_FALSE(a);
      CHECK(b->number == 2);
    }
    CHECK(counted::alive == 0);
  }
}

TEST_SUITE("mock/steady_list") {
  TEST_CASE("objects never move, come in the order of their making, and end with the list") {
    {
      steady_list<counted> list;
      counted const* const first = &list.emplace_back(0);
      for (int i = 1; i < 100; ++i) list.emplace_back(i);
      CHECK(&list.front() == first);
      CHECK(list[42].number == 42);
      int next = 0;
      for (counted const& c : list) CHECK(c.number == next++);
      CHECK(list.size() == 100);
      CHECK(counted::alive == 100);
    }
    CHECK(counted::alive == 0);
  }
}
