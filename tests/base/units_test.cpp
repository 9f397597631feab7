// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/units.hpp>

#include <concepts>
#include <cstdint>

#include <doctest/doctest.h>

using namespace svm;
using namespace svm::literals;

namespace {

template <class A, class B>
concept addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept subtractable = requires(A a, B b) {
  a - b;
};

static_assert(addable<cpu_va, byte_count> && subtractable<cpu_va, cpu_va>);
static_assert(!addable<cpu_va, cpu_va>, "the sum of two addresses means nothing");
static_assert(!addable<cpu_va, page_count>, "pages have no size of their own");
static_assert(!addable<byte_count, page_count>);
static_assert(!subtractable<cpu_va, gpu_va>, "addresses of two spaces have no distance");
static_assert(!std::equality_comparable_with<cpu_va, gpu_va>);
static_assert(!std::equality_comparable_with<byte_count, page_count>);
static_assert(!std::convertible_to<std::uint64_t, cpu_va> && !std::convertible_to<cpu_va, std::uint64_t>);
static_assert(sizeof(cpu_va) == 8 && sizeof(byte_count) == 8 && sizeof(page_order) == 1);

constexpr std::uint64_t top = UINT64_MAX;

}  // namespace

TEST_SUITE("base/units") {
  TEST_CASE("a literal counts bytes in powers of 1024") {
    CHECK((0_B).value == 0);
    CHECK((3_B).value == 3);
    CHECK((4_KiB).value == 4096);
    CHECK((2_MiB).value == 2097152);
    CHECK((1_GiB).value == 1073741824);
    CHECK((128_TiB).value == 140737488355328);
  }

  TEST_CASE("a value without an initialiser is zero") {
    CHECK(byte_count{}.value == 0);
    CHECK(page_count{}.value == 0);
    CHECK(page_order{}.value == 0);
    CHECK(cpu_va{}.value == 0);
  }

  TEST_CASE("byte counts add, subtract, scale and compare") {
    CHECK(4_KiB + 4_KiB == 8_KiB);
    CHECK(8_KiB - 4_KiB == 4_KiB);
    CHECK(4_KiB * 3 == 12_KiB);
    CHECK(4_KiB < 4097_B);
    byte_count n = 1_KiB;
    n += 1_KiB;
    CHECK(n == 2_KiB);
    n -= 2_KiB;
    CHECK(n == 0_B);
  }

  TEST_CASE("only a single set bit is a power of two") {
    CHECK_FALSE((0_B).is_power_of_two());
    CHECK((1_B).is_power_of_two());
    CHECK((2_B).is_power_of_two());
    CHECK_FALSE((3_B).is_power_of_two());
    CHECK(byte_count{top / 2 + 1}.is_power_of_two());
    CHECK_FALSE(byte_count{top / 2}.is_power_of_two());
    CHECK_FALSE(byte_count{top}.is_power_of_two());
  }

  TEST_CASE("a page count times the page size is a byte count") {
    CHECK(page_count{512} * 4_KiB == 2_MiB);
    CHECK(page_count{32} * 64_KiB == 2_MiB);
    CHECK(page_count{0} * 4_KiB == 0_B);
    page_count n{1};
    n += page_count{2};
    CHECK(n == page_count{3});
    CHECK(n - page_count{3} == page_count{0});
    CHECK(page_count{1} + page_count{1} < page_count{3});
  }

  TEST_CASE("pages_in undoes the product, up to the largest count") {
    CHECK(pages_in(2_MiB, 4_KiB) == page_count{512});
    CHECK(pages_in(64_KiB, 64_KiB) == page_count{1});
    CHECK(pages_in(0_B, 4_KiB) == page_count{0});
    CHECK(pages_in(byte_count{top - 4095}, 4_KiB) == page_count{(std::uint64_t{1} << 52) - 1});
    CHECK(pages_in(7_B, 1_B) == page_count{7});
  }

  TEST_CASE("an order is the logarithm of a number of pages") {
    CHECK(page_order{0}.pages() == page_count{1});
    CHECK(page_order{9}.pages() == page_count{512});
    CHECK(page_order{63}.pages() == page_count{top / 2 + 1});
    CHECK(page_order{8} < page_order{9});
  }

  TEST_CASE("addresses of one space move by bytes and compare") {
    CHECK(cpu_va{0x1000} + 4_KiB == cpu_va{0x2000});
    CHECK(cpu_va{0x2000} - 4_KiB == cpu_va{0x1000});
    CHECK(cpu_va{0x3000} - cpu_va{0x1000} == 8_KiB);
    CHECK(cpu_va{0x1000} < cpu_va{0x1001});
    CHECK(cpu_va{top} - cpu_va{0} == byte_count{top});
    CHECK(cpu_va{top} + 1_B == cpu_va{0});
  }

  TEST_CASE("align_down rounds to the block that holds the address") {
    CHECK(cpu_va{0x1fff}.align_down(4_KiB) == cpu_va{0x1000});
    CHECK(cpu_va{0x1000}.align_down(4_KiB) == cpu_va{0x1000});
    CHECK(cpu_va{0x0fff}.align_down(4_KiB) == cpu_va{0});
    CHECK(cpu_va{top}.align_down(2_MiB) == cpu_va{0xffff'ffff'ffe0'0000});
    CHECK(cpu_va{top}.align_down(1_B) == cpu_va{top});
    CHECK(cpu_va{top}.align_down(byte_count{top / 2 + 1}) == cpu_va{top / 2 + 1});
  }

  TEST_CASE("is_aligned holds for multiples only, and for zero") {
    CHECK(cpu_va{0}.is_aligned(2_MiB));
    CHECK(cpu_va{0x2000}.is_aligned(4_KiB));
    CHECK_FALSE(cpu_va{0x2001}.is_aligned(4_KiB));
    CHECK_FALSE(cpu_va{0x2800}.is_aligned(4_KiB));
    CHECK_FALSE(cpu_va{top}.is_aligned(2_B));
    CHECK(cpu_va{top}.is_aligned(1_B));
  }
}
