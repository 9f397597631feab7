// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/page_mask.hpp>

#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "placement/masks.hpp"

using namespace svm;

namespace {

/// A set of pages without words.
using flat = std::array<bool, page_mask::pages>;

flat flat_of(page_mask const& m) {
  flat f{};
  for (unsigned p = 0; p < page_mask::pages; ++p) f[p] = m.test(p);
  return f;
}

template <class Keep>
flat filtered(Keep keep) {
  flat f{};
  for (unsigned p = 0; p < page_mask::pages; ++p) f[p] = keep(p);
  return f;
}

}  // namespace

TEST_SUITE("base/page_mask") {
  TEST_CASE("every run of pages is set and no page beside it") {
    for (unsigned const first : {0u, 1u, 63u, 64u, 65u, 127u, 300u, 448u, 511u})
      for (unsigned end = first; end <= page_mask::pages; ++end) {
        page_span const span{first, end};
        page_mask const m{span};
        REQUIRE(m.count() == span.size());
        REQUIRE(m.hull() == (span.empty() ? page_span{} : span));
        page_mask rest{page_span{0, page_mask::pages}};
        rest.reset(span);
        REQUIRE_FALSE(rest.meets(m));
        REQUIRE((rest | m).count() == page_mask::pages);
      }
  }

  TEST_CASE("a page can be set and reset alone") {
    page_mask m;
    m.set(64);
    CHECK(m.test(64));
    CHECK_FALSE(m.test(63));
    CHECK_FALSE(m.test(65));
    m.reset(64);
    CHECK(m.none());
  }

  TEST_CASE("a run that is empty sets nothing, also at the end of the block") {
    CHECK(page_mask{page_span{512, 512}}.none());
    CHECK(page_mask{page_span{7, 7}}.none());
    CHECK(page_mask{page_span{9, 3}}.none());
    CHECK(page_mask{}.hull().empty());
  }

  TEST_CASE("runs are found in order, and the end is found") {
    page_mask const m = masks::of({{0, 1}, {3, 64}, {65, 130}, {511, 512}});
    CHECK(m.next_run(0) == page_span{0, 1});
    CHECK(m.next_run(1) == page_span{3, 64});
    CHECK(m.next_run(64) == page_span{65, 130});
    CHECK(m.next_run(130) == page_span{511, 512});
    CHECK(m.next_run(512).empty());
    CHECK(m.next(131) == 511);
    CHECK(m.next_absent(65) == 130);
    CHECK(m.next_absent(511) == 512);
  }

  TEST_CASE("operators agree with a set without words on random masks") {
    std::uint64_t const seed = 1;
    masks::random random{seed};
    for (unsigned round = 0; round < 400; ++round) {
      page_mask const a = random.mask();
      page_mask const b = random.mask();
      flat const x = flat_of(a);
      flat const y = flat_of(b);
      unsigned const n = random.below(512);
      INFO("seed " << seed << " round " << round << " a " << masks::text(a) << " b " << masks::text(b) << " n " << n);
      REQUIRE(flat_of(a | b) == filtered([&](unsigned p) { return x[p] || y[p]; }));
      REQUIRE(flat_of(a & b) == filtered([&](unsigned p) { return x[p] && y[p]; }));
      REQUIRE(flat_of(a - b) == filtered([&](unsigned p) { return x[p] && !y[p]; }));
      REQUIRE(flat_of(a.lowered(n)) == filtered([&](unsigned p) { return p + n < 512 && x[p + n]; }));
      REQUIRE(flat_of(a.raised(n)) == filtered([&](unsigned p) { return p >= n && x[p - n]; }));
      unsigned count = 0;
      bool meets = false;
      bool contains = true;
      for (unsigned p = 0; p < 512; ++p) {
        count += x[p];
        meets |= x[p] && y[p];
        contains &= x[p] || !y[p];
      }
      REQUIRE(a.count() == count);
      REQUIRE(a.any() == (count != 0));
      REQUIRE(a.meets(b) == meets);
      REQUIRE(a.contains(b) == contains);
    }
  }
}
