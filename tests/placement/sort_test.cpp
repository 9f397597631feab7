// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/sort.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"

using namespace svm;

TEST_SUITE("placement/sort") {
  TEST_CASE("lists of every length up to 70 are sorted, and what is equal stays in its order") {
    using item = std::pair<unsigned, unsigned>;  // what is compared, and what is not
    auto const before = [](item const& a, item const& b) { return a.first < b.first; };
    masks::random random{17};
    for (unsigned n = 0; n <= 70; ++n)
      for (unsigned const kinds : {1u, 2u, 5u, 1000u}) {
        std::vector<item> items;
        for (unsigned i = 0; i < n; ++i) items.emplace_back(random.below(kinds), i);
        std::vector<item> expected = items;
        std::stable_sort(expected.begin(), expected.end(), before);
        std::vector<item> scratch(n);
        detail::sort<item>(items, scratch, before);
        REQUIRE(items == expected);
      }
  }
}
