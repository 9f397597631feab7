// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/prefetch_feedback.hpp>

#include <doctest/doctest.h>

using svm::page_mask;
using svm::page_span;
using svm::placement::prefetch_feedback;

namespace {

constexpr unsigned group = 16;

page_mask pages(unsigned first, unsigned end) {
  return page_mask{page_span{first, end}};
}
/// Pages came along and are evicted, the first `used` of them after an access.
void judge(prefetch_feedback& f, unsigned all, unsigned used) {
  f.came(pages(0, all));
  f.evicted(pages(0, all), pages(0, used));
}

}  // namespace

TEST_SUITE("placement/prefetch_feedback") {
  TEST_CASE("PLC-22 half of it unused halves the reach, down to a group") {
    prefetch_feedback f;
    CHECK(f.reach(group) == 512);
    judge(f, 9, 5);
    CHECK(f.reach(group) == 512);
    judge(f, 9, 4);
    CHECK(f.reach(group) == 256);
    for (unsigned const expected : {128u, 64u, 32u, 16u, 16u}) {
      judge(f, 8, 4);
      CHECK(f.reach(group) == expected);
    }
    CHECK(prefetch_feedback{f}.reach(64) == 64);  // of larger groups
  }

  TEST_CASE("PLC-22 an eighth of it unused doubles the reach again, up to the block") {
    prefetch_feedback f;
    judge(f, 8, 0);
    judge(f, 8, 0);
    REQUIRE(f.reach(group) == 128);
    judge(f, 16, 13);
    CHECK(f.reach(group) == 128);
    judge(f, 16, 14);
    CHECK(f.reach(group) == 256);
    judge(f, 16, 16);
    judge(f, 16, 16);
    CHECK(f.reach(group) == 512);
  }

  TEST_CASE("PLC-22 only what came along is judged, and only once") {
    prefetch_feedback f;
    f.came(pages(0, 8));
    f.gone(pages(0, 4));
    CHECK(f.along() == pages(4, 8));
    f.evicted(pages(8, 64), {});
    CHECK(f.reach(group) == 512);
    f.evicted(pages(0, 64), pages(4, 8));
    CHECK(f.along().none());
    CHECK(f.reach(group) == 512);
    f.evicted(pages(0, 64), {});
    CHECK(f.reach(group) == 512);
  }

  TEST_CASE("PLC-22 what comes along is cut to the pieces of the faulted pages") {
    prefetch_feedback f;
    page_mask const all = pages(0, 512), faulted = pages(3, 4) | pages(130, 131) | pages(511, 512);
    CHECK(f.cut(all, faulted, group) == all);
    judge(f, 8, 0);
    judge(f, 8, 0);
    judge(f, 8, 0);
    CHECK(f.cut(all, faulted, group) == (pages(0, 64) | pages(128, 192) | pages(448, 512)));
    CHECK(f.cut(pages(5, 70), faulted, group) == pages(5, 64));
  }
}
