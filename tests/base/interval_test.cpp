// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/interval.hpp>

#include <cstdint>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

using namespace svm;
using namespace svm::literals;
using support::failed_expression;

namespace {

constexpr std::uint64_t top = UINT64_MAX;

constexpr va_range bytes(std::uint64_t start, std::uint64_t size) {
  return {cpu_va{start}, byte_count{size}};
}

static_assert(va_range::make(cpu_va{0x1000}, 4_KiB).value().last() == cpu_va{0x1fff}, "usable in constant expressions");

}  // namespace

TEST_SUITE("base/interval") {
  TEST_CASE("make refuses no bytes anywhere") {
    CHECK(va_range::make(cpu_va{0}, 0_B).error() == errc::empty_interval);
    CHECK(va_range::make(cpu_va{0x1000}, 0_B).error() == errc::empty_interval);
    CHECK(va_range::make(cpu_va{top}, 0_B).error() == errc::empty_interval);
  }

  TEST_CASE("make accepts an end of 2^64 and refuses one byte more") {
    CHECK(*va_range::make(cpu_va{top}, 1_B) == bytes(top, 1));
    CHECK(va_range::make(cpu_va{top}, 2_B).error() == errc::interval_wraps);
    CHECK(*va_range::make(cpu_va{1}, byte_count{top}) == bytes(1, top));
    CHECK(va_range::make(cpu_va{2}, byte_count{top}).error() == errc::interval_wraps);
    CHECK(*va_range::make(cpu_va{0}, byte_count{top}) == bytes(0, top));
    CHECK(va_range::make(cpu_va{top - 4095}, 4_KiB).has_value());
    CHECK(va_range::make(cpu_va{top - 4094}, 4_KiB).error() == errc::interval_wraps);
  }

  TEST_CASE("from_bounds takes both ends inside") {
    CHECK(*va_range::from_bounds(cpu_va{0x1000}, cpu_va{0x1fff}) == bytes(0x1000, 0x1000));
    CHECK(*va_range::from_bounds(cpu_va{7}, cpu_va{7}) == bytes(7, 1));
    CHECK(*va_range::from_bounds(cpu_va{top}, cpu_va{top}) == bytes(top, 1));
    CHECK(va_range::from_bounds(cpu_va{8}, cpu_va{7}).error() == errc::empty_interval);
    CHECK(va_range::from_bounds(cpu_va{top}, cpu_va{0}).error() == errc::empty_interval);
  }

  TEST_CASE("from_bounds refuses all 2^64 bytes and takes one fewer") {
    CHECK(va_range::from_bounds(cpu_va{0}, cpu_va{top}).error() == errc::interval_wraps);
    CHECK(*va_range::from_bounds(cpu_va{0}, cpu_va{top - 1}) == bytes(0, top));
    CHECK(*va_range::from_bounds(cpu_va{1}, cpu_va{top}) == bytes(1, top));
  }

  TEST_CASE("the constructor asserts its precondition") {
    CHECK(failed_expression([] { (void)bytes(0x1000, 0); }) == "size.value != 0u");
    CHECK(failed_expression([] { (void)bytes(top, 2); }) == "size.value - 1 <= UINT64_MAX - start.value");
    CHECK(failed_expression([] { (void)bytes(top, 1); }) == "no assertion failed");
  }

  TEST_CASE("start, size and last describe the bytes") {
    va_range const r = bytes(0x1000, 0x2000);
    CHECK(r.start() == cpu_va{0x1000});
    CHECK(r.size() == 8_KiB);
    CHECK(r.last() == cpu_va{0x2fff});
    CHECK(bytes(5, 1).last() == cpu_va{5});
    CHECK(bytes(0, top).last() == cpu_va{top - 1});
  }

  TEST_CASE("only an interval that ends at 2^64 reaches the top") {
    CHECK(bytes(top, 1).reaches_top());
    CHECK(bytes(1, top).reaches_top());
    CHECK_FALSE(bytes(0, top).reaches_top());
    CHECK_FALSE(bytes(top - 1, 1).reaches_top());
  }

  TEST_CASE("an interval contains start to end - 1 and no more") {
    va_range const r = bytes(0x1000, 0x1000);
    CHECK_FALSE(r.contains(cpu_va{0x0fff}));
    CHECK(r.contains(cpu_va{0x1000}));
    CHECK(r.contains(cpu_va{0x1800}));
    CHECK(r.contains(cpu_va{0x1fff}));
    CHECK_FALSE(r.contains(cpu_va{0x2000}));
    CHECK_FALSE(r.contains(cpu_va{0}));
    CHECK_FALSE(r.contains(cpu_va{top}));
  }

  TEST_CASE("an interval at the top contains the last address and not the first") {
    CHECK(bytes(top - 4095, 4096).contains(cpu_va{top}));
    CHECK(bytes(top - 4095, 4096).contains(cpu_va{top - 4095}));
    CHECK_FALSE(bytes(top - 4095, 4096).contains(cpu_va{top - 4096}));
    CHECK_FALSE(bytes(top - 4095, 4096).contains(cpu_va{0}));
    CHECK_FALSE(bytes(0, top).contains(cpu_va{top}));
    CHECK_FALSE(bytes(1, top).contains(cpu_va{0}));
  }

  TEST_CASE("an interval contains itself and what lies inside it") {
    va_range const r = bytes(0x1000, 0x3000);
    CHECK(r.contains(r));
    CHECK(r.contains(bytes(0x1000, 1)));
    CHECK(r.contains(bytes(0x3fff, 1)));
    CHECK_FALSE(r.contains(bytes(0x0fff, 2)));
    CHECK_FALSE(r.contains(bytes(0x3fff, 2)));
    CHECK_FALSE(r.contains(bytes(0x4000, 1)));
    CHECK_FALSE(bytes(0x2000, 0x1000).contains(r));
    CHECK(bytes(1, top).contains(bytes(top, 1)));
  }

  TEST_CASE("neighbours that touch do not overlap") {
    va_range const r = bytes(0x1000, 0x1000);
    CHECK_FALSE(r.overlaps(bytes(0x0000, 0x1000)));
    CHECK(r.overlaps(bytes(0x0000, 0x1001)));
    CHECK_FALSE(r.overlaps(bytes(0x2000, 0x1000)));
    CHECK(r.overlaps(bytes(0x1fff, 0x1000)));
    CHECK(r.overlaps(r));
    CHECK(r.overlaps(bytes(0, top)));
    CHECK(bytes(top, 1).overlaps(bytes(1, top)));
    CHECK_FALSE(bytes(top, 1).overlaps(bytes(0, top)));
  }

  TEST_CASE("the intersection is the shared part") {
    va_range const r = bytes(0x1000, 0x2000);
    CHECK(r.intersection(r) == r);
    CHECK(r.intersection(bytes(0, 0x1001)) == bytes(0x1000, 1));
    CHECK(r.intersection(bytes(0x2fff, 0x1000)) == bytes(0x2fff, 1));
    CHECK(r.intersection(bytes(0x1800, 0x10)) == bytes(0x1800, 0x10));
    CHECK(bytes(1, top).intersection(bytes(top - 9, 10)) == bytes(top - 9, 10));
  }

  TEST_CASE("the intersection of intervals apart is refused") {
    CHECK(failed_expression([] { (void)bytes(0x1000, 0x1000).intersection(bytes(0x2000, 0x1000)); }) ==
          "size.value != 0u");
  }

  TEST_CASE("the hull spans both and the gap between them") {
    CHECK(bytes(0x1000, 0x1000).hull(bytes(0x5000, 0x1000)) == bytes(0x1000, 0x5000));
    CHECK(bytes(0x5000, 0x1000).hull(bytes(0x1000, 0x1000)) == bytes(0x1000, 0x5000));
    CHECK(bytes(0x1000, 0x5000).hull(bytes(0x2000, 1)) == bytes(0x1000, 0x5000));
    CHECK(bytes(1, 1).hull(bytes(top, 1)) == bytes(1, top));
    CHECK(failed_expression([] { (void)bytes(0, 1).hull(bytes(top, 1)); }) == "size.value != 0u");
  }

  TEST_CASE("an interval is aligned when both its ends are") {
    CHECK(bytes(0x2000, 0x3000).is_aligned(4_KiB));
    CHECK_FALSE(bytes(0x2001, 0x1000).is_aligned(4_KiB));
    CHECK_FALSE(bytes(0x2000, 0x1001).is_aligned(4_KiB));
    CHECK_FALSE(bytes(0x2001, 0x0fff).is_aligned(4_KiB));
    CHECK(bytes(top - 4095, 4096).is_aligned(4_KiB));
    CHECK(bytes(3, 5).is_aligned(1_B));
  }

  TEST_CASE("aligned_block is the block around an address, up to the top") {
    CHECK(aligned_block(cpu_va{0x1234'5678}, 64_KiB) == bytes(0x1234'0000, 0x1'0000));
    CHECK(aligned_block(cpu_va{0}, 4_KiB) == bytes(0, 0x1000));
    CHECK(aligned_block(cpu_va{0x0fff}, 4_KiB) == bytes(0, 0x1000));
    CHECK(aligned_block(cpu_va{0x1000}, 4_KiB) == bytes(0x1000, 0x1000));
    CHECK(aligned_block(cpu_va{top}, 2_MiB) == bytes(0xffff'ffff'ffe0'0000, 0x20'0000));
  }

  TEST_CASE("contains, overlaps and intersection agree with a walk over every byte") {
    // Small intervals at the bottom and at the top, so that each byte can be asked one by one.
    for (std::uint64_t const base : {std::uint64_t{0}, top - 7}) {
      for (std::uint64_t a = 0; a < 8; ++a)
        for (std::uint64_t a_last = a; a_last < 8; ++a_last)
          for (std::uint64_t b = 0; b < 8; ++b)
            for (std::uint64_t b_last = b; b_last < 8; ++b_last) {
              CAPTURE(base);
              CAPTURE(a);
              CAPTURE(a_last);
              CAPTURE(b);
              CAPTURE(b_last);
              va_range const x = bytes(base + a, a_last - a + 1);
              va_range const y = bytes(base + b, b_last - b + 1);
              std::uint64_t shared = 0;
              for (std::uint64_t i = 0; i < 8; ++i) {
                bool const in_x = a <= i && i <= a_last;
                bool const in_y = b <= i && i <= b_last;
                REQUIRE(x.contains(cpu_va{base + i}) == in_x);
                if (in_x && in_y) ++shared;
              }
              REQUIRE(x.overlaps(y) == (shared != 0));
              REQUIRE(x.contains(y) == (shared == b_last - b + 1));
              if (shared != 0) REQUIRE(x.intersection(y).size().value == shared);
            }
    }
  }
}
