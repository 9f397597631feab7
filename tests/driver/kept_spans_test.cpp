// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/driver/kept_spans.hpp>

#include <bitset>
#include <cstdint>
#include <string>

#include <support/world.hpp>
#include <svm/mock/machine/random.hpp>

using namespace support;

namespace {

constexpr std::uint64_t count = 48;

/// Spans of pages, beside a bit for each.
struct scene {
  world w;
  svm::detail::kept_spans<policies> spans{w.memory};
  std::bitset<count> expected;

  [[nodiscard]] static va_range pages(std::uint64_t first, std::uint64_t size) {
    return span(at(first * page_bytes), size * page_bytes);
  }
  void mark(std::uint64_t first, std::uint64_t size, bool kept) {
    for (std::uint64_t i = first; i < first + size; ++i) expected[i] = kept;
  }
  void add(std::uint64_t first, std::uint64_t size) {
    CHECK(spans.add(pages(first, size)) == errc::ok);
    mark(first, size, true);
  }
  void remove(std::uint64_t first, std::uint64_t size) {
    CHECK(spans.remove(pages(first, size)) == errc::ok);
    mark(first, size, false);
  }
  /// The bits as the spans have them, by walking over them.
  [[nodiscard]] std::bitset<count> walked() {
    std::bitset<count> found;
    va_range rest = pages(0, count);
    while (auto const next = spans.first_in(rest)) {
      for (std::uint64_t a = next->start().value; a <= next->last().value; a += page_bytes)
        found[(a - base.value) / page_bytes] = true;
      if (next->last() >= rest.last()) break;
      rest = *va_range::from_bounds(next->last() + byte_count{1}, rest.last());
    }
    return found;
  }
  [[nodiscard]] bool is_right() { return walked() == expected && spans.check(); }
};

}  // namespace

TEST_SUITE("driver/kept_spans") {
  TEST_CASE("spans that touch or overlap are one, and a piece taken out leaves its two sides") {
    scene s;
    s.add(2, 2);
    s.add(6, 2);
    CHECK(s.is_right());
    CHECK_FALSE(s.spans.contains(scene::pages(2, 6)));
    s.add(4, 2);  // touches both
    CHECK(s.spans.contains(scene::pages(2, 6)));
    s.add(0, 10);  // holds all
    CHECK(s.spans.contains(scene::pages(0, 10)));
    s.remove(3, 2);
    CHECK(s.is_right());
    CHECK(s.spans.contains(scene::pages(0, 3)));
    CHECK(s.spans.contains(scene::pages(5, 5)));
    CHECK_FALSE(s.spans.contains(scene::pages(2, 2)));
    s.remove(2, 4);  // cuts both
    CHECK(s.is_right());
    s.remove(20, 2);  // nothing is there
    CHECK(s.is_right());
    CHECK(s.spans.first_in(scene::pages(2, 4)).error() == errc::not_found);
    CHECK(*s.spans.first_in(scene::pages(1, 6)) == scene::pages(1, 1));
    s.spans.clear();
    CHECK(s.spans.first_in(scene::pages(0, count)).error() == errc::not_found);
  }

  TEST_CASE("spans at either end of the address space") {
    scene s;
    va_range const first = span(cpu_va{}, page_bytes);
    va_range const last{cpu_va{0 - page_bytes}, byte_count{page_bytes}};
    CHECK(s.spans.add(first) == errc::ok);
    CHECK(s.spans.add(last) == errc::ok);
    CHECK(s.spans.contains(first));
    CHECK(s.spans.contains(last));
    CHECK(s.spans.check());
    CHECK(s.spans.remove(last) == errc::ok);
    CHECK_FALSE(s.spans.contains(last));
    CHECK(s.spans.contains(first));
  }

  TEST_CASE("want of memory changes nothing, and what is kept already needs none") {
    scene s;
    s.add(4, 8);
    for (std::uint64_t nth = 1;; ++nth) {
      s.w.failures.arm(svm::mock::failure::alloc, nth);
      errc const e = s.spans.add(scene::pages(20, 2));
      bool const failed = !s.w.failures.is_armed();
      s.w.failures.disarm();
      CHECK(e == (failed ? errc::no_memory : errc::ok));
      if (!failed) break;
      CHECK(s.is_right());
    }
    s.mark(20, 2, true);
    CHECK(s.is_right());
    s.w.failures.arm(svm::mock::failure::alloc, 1, svm::mock::failure_plan::repeat::from_then_on);
    CHECK(s.spans.add(scene::pages(5, 3)) == errc::ok);
    CHECK(s.spans.remove(scene::pages(6, 2)) == errc::no_memory);  // would make two of one
    s.w.failures.disarm();
    CHECK(s.is_right());
    s.spans.clear();
    CHECK(s.w.memory.live_blocks() == 0);
  }

  TEST_CASE("random spans are kept and forgotten as in a map of pages") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      svm::mock::random draw{seed};
      scene s;
      std::string done = "seed " + std::to_string(seed) + ":";
      for (int i = 0; i < 60; ++i) {
        std::uint64_t const first = draw.below(count);
        std::uint64_t const size = 1 + draw.below(count - first);
        bool const adds = draw.below(2) == 0;
        done += (adds ? " +" : " -") + std::to_string(first) + "," + std::to_string(size);
        adds ? s.add(first, size) : s.remove(first, size);
        CAPTURE(done);
        REQUIRE(s.is_right());
      }
    }
  }
}
