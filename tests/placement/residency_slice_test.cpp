// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/residency_slice.hpp>

#include <cstdint>

#include <doctest/doctest.h>

using svm::duration;
using svm::page_mask;
using svm::page_span;
using svm::time_point;
using svm::placement::cpu;
using svm::placement::gpu;
using svm::placement::residency_slice;
namespace defaults = svm::placement::defaults;

namespace {

page_mask pages(unsigned first, unsigned end) {
  return page_mask{page_span{first, end}};
}
constexpr std::uint64_t slice = defaults::slice.nanoseconds;

}  // namespace

TEST_SUITE("placement/residency_slice") {
  TEST_CASE("THR-16 nothing stays before something moved") {
    residency_slice s;
    CHECK(s.held({}).none());
    s.moved({}, gpu(0), {});
    CHECK(s.held({}).none());
    CHECK_FALSE(s.holder().is_some());
  }

  TEST_CASE("THR-16 what moved stays until the slice ends, and what follows joins it") {
    residency_slice s;
    s.moved(pages(0, 4), gpu(0), {100});
    CHECK(s.holder() == gpu(0));
    s.moved(pages(8, 9), gpu(0), {100 + slice - 1});
    CHECK(s.held({100 + slice - 1}) == (pages(0, 4) | pages(8, 9)));
    CHECK(s.held({100 + slice}).none());
    s.moved(pages(3, 5), gpu(0), {100 + slice});  // of the same processor: a new one, no longer than the first
    CHECK(s.held({100 + slice}) == pages(3, 5));
    CHECK(s.length() == defaults::slice);
    s.forget(pages(4, 6));
    CHECK(s.held({100 + slice}) == pages(3, 4));
  }

  TEST_CASE("THR-16 a slice that takes pages soon from another is twice as long, up to a bound") {
    residency_slice s;
    time_point now{};
    std::uint64_t expected = slice;
    for (int n = 0; n < 8; ++n) {
      s.moved(pages(0, 4), n % 2 == 0 ? gpu(0) : cpu, now);
      CHECK(s.length().nanoseconds == expected);
      CHECK(s.end() == now + duration{expected});
      now = s.end();
      expected = expected * 2 < defaults::slice_most.nanoseconds ? expected * 2 : defaults::slice_most.nanoseconds;
    }
    CHECK(s.length() == defaults::slice_most);
    // So long after the end as it was long is not soon.
    s.moved(pages(0, 4), gpu(0), {s.end().nanoseconds + s.length().nanoseconds});
    CHECK(s.length() == defaults::slice);
    s.moved(pages(0, 4), cpu, {s.end().nanoseconds + slice - 1});
    CHECK(s.length().nanoseconds == 2 * slice);
    s.moved(pages(4, 8), gpu(0), s.end());  // takes nothing
    CHECK(s.length() == defaults::slice);
  }

  TEST_CASE("THR-16 what another processor gets meanwhile is not held, unless nothing else is") {
    residency_slice s;
    s.moved(pages(0, 4), gpu(0), {100});
    s.moved(pages(8, 12), cpu, {200});
    CHECK(s.holder() == gpu(0));
    CHECK(s.held({200}) == pages(0, 4));
    s.moved(pages(0, 3), cpu, {300});
    CHECK(s.held({300}) == pages(3, 4));
    s.moved(pages(3, 5), cpu, {400});
    CHECK(s.holder() == cpu);
    CHECK(s.held({400}) == pages(3, 5));
    CHECK(s.length().nanoseconds == 2 * slice);
  }
}
