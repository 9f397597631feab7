// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/augmented_tree.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>

namespace {

constexpr std::uint64_t top = UINT64_MAX;

struct interval : svm::tree_hook<interval> {
  std::uint64_t start = 0;
  std::uint64_t last = 0;

  std::uint64_t key() const { return start; }
  std::uint64_t weight() const { return last; }
};

struct counted {
  inline static std::uint64_t nodes = 0;
  static void looked() { ++nodes; }
};
using tree = svm::augmented_tree<interval, interval, counted>;
using sequence = std::vector<interval*>;

/// What overlaps `[first, last]`, as the tree finds it.
sequence overlapping(tree const& t, std::uint64_t first, std::uint64_t last) {
  sequence found;
  for (interval* i = t.first_reaching(first); i != nullptr && i->start <= last; i = tree::next_reaching(*i, first))
    found.push_back(i);
  return found;
}

/// The same by a look at each: a plain list in the order of the starts, then of insertion.
class model {
 public:
  void insert(interval& i) {
    auto const is_before = [](auto start, interval const* x) { return start < x->start; };
    all_.insert(std::upper_bound(all_.begin(), all_.end(), i.start, is_before), &i);
  }
  void erase(interval& i) { std::erase(all_, &i); }
  sequence overlapping(std::uint64_t first, std::uint64_t last) const {
    sequence found;
    for (interval* const i : all_)
      if (i->start <= last && first <= i->last) found.push_back(i);
    return found;
  }
  sequence const& all() const { return all_; }

 private:
  sequence all_;
};

/// Fills a tree with `n` neighbours of 16 bytes.
std::unique_ptr<interval[]> fill(tree& t, std::size_t n) {
  auto all = std::make_unique<interval[]>(n);
  for (std::size_t i = 0; i < n; ++i) {
    all[i].start = i * 16;
    all[i].last = i * 16 + 15;
    t.insert(all[i]);
  }
  return all;
}
void clear(tree& t) {
  while (interval* const i = t.first()) t.erase(*i);
}

}  // namespace

TEST_SUITE("base/augmented_tree") {
  TEST_CASE("an empty tree finds nothing") {
    tree t;
    CHECK(t.empty());
    CHECK(t.first() == nullptr);
    CHECK(t.first_reaching(top) == nullptr);
    CHECK(t.check());
  }

  TEST_CASE("equal keys stand in the order of insertion, whatever is rotated") {
    tree t;
    std::vector<interval> same(100);
    sequence expected;
    for (interval& i : same) {
      i.start = 7;
      i.last = 7;
      t.insert(i);
      expected.push_back(&i);
      REQUIRE(t.check());
    }
    CHECK(overlapping(t, 7, 7) == expected);
    for (std::size_t i = 0; i < same.size(); i += 3) {
      t.erase(same[i]);
      std::erase(expected, &same[i]);
      REQUIRE(t.check());
    }
    CHECK(overlapping(t, 0, top) == expected);
    clear(t);
  }

  TEST_CASE("an interval is found at its start, at its last address, and nowhere beside it") {
    tree t;
    interval low, high;
    low.start = 100;
    low.last = 199;
    high.start = 300;
    high.last = top;
    t.insert(low);
    t.insert(high);
    CHECK(overlapping(t, 100, 100) == sequence{&low});
    CHECK(overlapping(t, 199, 199) == sequence{&low});
    CHECK(overlapping(t, 0, 99).empty());
    CHECK(overlapping(t, 200, 299).empty());
    CHECK(overlapping(t, 199, 300) == sequence{&low, &high});
    CHECK(overlapping(t, top, top) == sequence{&high});
    CHECK(overlapping(t, 0, top) == sequence{&low, &high});
    clear(t);
  }

  TEST_CASE("random programs agree with a plain list") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      CAPTURE(seed);
      svm::mock::random draw{seed};
      // Few addresses make equal intervals and ones that end at 2^64; many make a deep tree.
      std::uint64_t const universe = std::uint64_t{1} << (3 + draw.below(8));
      std::uint64_t const base = draw.below(2) == 0 ? 0 : top - universe + 1;
      auto const objects = std::make_unique<interval[]>(300);
      tree t;
      model plain;
      std::string program;  // the reproducer
      for (int step = 0; step < 600; ++step) {
        std::size_t const which = draw.below(300);
        interval& i = objects[which];
        if (i.is_linked()) {
          program += "-" + std::to_string(which) + " ";
          t.erase(i);
          plain.erase(i);
        } else {
          i.start = base + draw.below(universe);
          i.last = i.start + draw.below(std::min(universe, top - i.start) | 1);
          if (i.last < i.start || i.last - base >= universe) i.last = base + (universe - 1);
          program += "+" + std::to_string(which) + ":" + std::to_string(i.start - base) + ".." +
                     std::to_string(i.last - base) + " ";
          t.insert(i);
          plain.insert(i);
        }
        std::uint64_t const a = base + draw.below(universe);
        std::uint64_t const z = a + draw.below(universe - (a - base));
        bool const same =
            t.check() && overlapping(t, a, z) == plain.overlapping(a, z) && overlapping(t, 0, top) == plain.all();
        if (same) continue;
        FAIL("seed " << seed << ", [" << a - base << ", " << z - base << "] after " << program);
      }
      clear(t);
    }
  }

  TEST_CASE("a search looks at O(log n + hits) nodes among neighbours, and O(log n) for each hit among any") {
    for (std::size_t const n : {std::size_t{100}, std::size_t{3000}, std::size_t{100000}}) {
      std::uint64_t const depth = 3 * std::uint64_t(std::bit_width(n)) / 2;  // an AVL tree is not higher
      tree t;
      auto const all = fill(t, n);
      for (std::uint64_t const hits : {std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{90}}) {
        counted::nodes = 0;
        CHECK(overlapping(t, 16 * (n / 2 - hits / 2), 16 * (n / 2 - hits / 2 + hits) - 1).size() == hits);
        CHECK(counted::nodes <= 8 * depth + 4 * hits);
      }
      clear(t);

      // Long ones that lie far apart among short ones.
      for (std::size_t i = 0; i < n; ++i) {
        all[i].last = i % 10 == 0 ? 16 * n : 16 * i;
        t.insert(all[i]);
      }
      counted::nodes = 0;
      std::size_t const hits = overlapping(t, 16 * n, 16 * n).size();
      CHECK(hits == n / 10);
      CHECK(counted::nodes <= 4 * depth * (hits + 1));
      clear(t);
    }
  }
}
