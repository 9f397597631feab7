// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <array>
#include <cstdint>
#include <optional>

#include <doctest/doctest.h>

#include <svm/gpusvm/chunk.hpp>

using namespace svm::literals;
using svm::byte_count;
using svm::cpu_va;
using svm::va_range;
using svm::detail::choose_chunk;

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::array sizes{2_MiB, 64_KiB, 4_KiB};
constexpr std::uint64_t block_start = std::uint64_t{6} << 30;

constexpr auto anything = [](va_range) { return true; };

struct pages {
  std::uint64_t first;
  std::uint64_t count;
  friend bool operator==(pages, pages) = default;
};

/// The largest legal chunk in page numbers: of 512, 16 and 1 pages the first that has a multiple at or below `wanted`
/// from which it stays inside [first, first + count).
pages largest_legal(std::uint64_t wanted, pages bounds) {
  for (std::uint64_t const size : {std::uint64_t{512}, std::uint64_t{16}}) {
    std::uint64_t const start = wanted / size * size;
    if (start >= bounds.first && start + size <= bounds.first + bounds.count) return {start, size};
  }
  return {wanted, 1};
}

}  // namespace

TEST_SUITE("gpusvm/chunk") {
  TEST_CASE("RNG-17 of all starts and lengths in a 512-page block the chosen chunk is the largest legal one") {
    std::uint64_t wrong = 0;
    std::uint64_t pairs = 0;
    std::optional<pages> first_wrong;
    for (std::uint64_t first = 0; first < 512; ++first)
      for (std::uint64_t count = 1; first + count <= 512; ++count, ++pairs) {
        va_range const bounds{cpu_va{block_start + first * page}, byte_count{count * page}};
        // Both ends, what lies beside the first and last 64 KiB boundary inside, and a page that wanders.
        std::uint64_t const end = first + count;
        std::array const candidates{first, end - 1, (first + 15) / 16 * 16, end / 16 * 16 - (end >= 16 ? 1 : 0),
                                    first + (first * 31 + count * 17) % count};
        for (std::uint64_t const wanted : candidates) {
          if (wanted < first || wanted >= end) continue;
          cpu_va const fault{block_start + wanted * page + (wanted * 97) % page};
          va_range const got = choose_chunk(sizes, fault, bounds, anything);
          pages const in_pages{(got.start().value - block_start) / page, got.size().value / page};
          if (in_pages == largest_legal(wanted, {first, count})) continue;
          ++wrong;
          first_wrong = first_wrong.value_or(pages{first, count});
        }
      }
    CHECK(pairs == 131328);
    CAPTURE(first_wrong.value_or(pages{}).first);
    CAPTURE(first_wrong.value_or(pages{}).count);
    CHECK(wrong == 0);
  }

  TEST_CASE("a candidate that is refused gives way to the next smaller one, and no candidate comes twice") {
    va_range const bounds{cpu_va{block_start}, 8_MiB};
    cpu_va const fault{block_start + (2 << 20) + 5 * page + 17};
    for (int refused = 0; refused <= 2; ++refused) {
      int asked = 0;
      byte_count last{UINT64_MAX};
      va_range const got = choose_chunk(sizes, fault, bounds, [&](va_range candidate) {
        CHECK(candidate.contains(fault));
        CHECK(candidate.size() < last);
        last = candidate.size();
        return asked++ >= refused;
      });
      CHECK(got == svm::aligned_block(fault, sizes[static_cast<std::size_t>(refused)]));
      // One page needs nobody's acceptance.
      CHECK(asked == (refused == 2 ? 2 : refused + 1));
    }
  }

  TEST_CASE("a candidate outside the bounds is not asked about") {
    va_range const bounds{cpu_va{block_start + page}, 4_MiB - 4_KiB};
    int asked = 0;
    va_range const got = choose_chunk(sizes, cpu_va{block_start + page}, bounds, [&](va_range) {
      ++asked;
      return true;
    });
    CHECK(got == va_range{cpu_va{block_start + page}, 4_KiB});
    CHECK(asked == 0);
  }

  TEST_CASE("a table of one size always gives that size, whatever it is (RNG-16)") {
    constexpr std::array only_64k{64_KiB};
    va_range const bounds{cpu_va{block_start}, 64_KiB};
    CHECK(choose_chunk(only_64k, cpu_va{block_start + 77}, bounds, anything) == bounds);
    constexpr std::array only_4k{4_KiB};
    CHECK(choose_chunk(only_4k, cpu_va{block_start + page + 1}, bounds, anything) ==
          va_range{cpu_va{block_start + page}, 4_KiB});
  }

  TEST_CASE("the last page of the address space gets a chunk that ends at the top (NOT-19)") {
    va_range const bounds{cpu_va{0 - (std::uint64_t{4} << 20)}, 4_MiB};
    va_range const got = choose_chunk(sizes, cpu_va{UINT64_MAX}, bounds, anything);
    CHECK(got == va_range{cpu_va{0 - (std::uint64_t{2} << 20)}, 2_MiB});
    CHECK(got.reaches_top());
  }
}
