// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <svm/mock/cpu/holes.hpp>
#include <svm/mock/machine/random.hpp>

using svm::byte_count;
using svm::cpu_va;
using svm::va_range;
using svm::mock::holes;

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t huge = 2 << 20;
constexpr std::uint64_t low = std::uint64_t{4} << 30;
constexpr std::uint64_t user_end = svm::mock::user_end;

va_range span(std::uint64_t start, std::uint64_t end) {
  return {cpu_va{start}, byte_count{end - start}};
}

/// The definition, by a look at each mapping; `taken` has their ends by their starts.
std::optional<cpu_va> lowest(std::map<std::uint64_t, std::uint64_t> const& taken, std::uint64_t size) {
  std::uint64_t candidate = low;
  for (auto const& [start, end] : taken)
    if (start < candidate + size + huge && candidate < end + huge) candidate = (end + huge + huge - 1) / huge * huge;
  if (candidate > user_end || size > user_end - candidate) return std::nullopt;
  return cpu_va{candidate};
}

}  // namespace

TEST_SUITE("mock/holes") {
  TEST_CASE("the first place is 4 GiB, the last ends with the user's addresses") {
    holes h;
    CHECK(h.lowest({page}) == cpu_va{low});
    CHECK(h.lowest({user_end - low}) == cpu_va{low});
    CHECK_FALSE(h.lowest({user_end - low + page}));
  }

  TEST_CASE("2 MiB stay free on both sides, and what is given back is used again") {
    holes h;
    h.fill(span(low, low + page));
    CHECK(h.lowest({page}) == cpu_va{low + 2 * huge});
    h.fill(span(low + 3 * huge, low + 4 * huge));
    CHECK(h.lowest({page}) == cpu_va{low + 6 * huge - huge});
    h.clear(span(low, low + page));
    CHECK(h.lowest({2 * huge}) == cpu_va{low});
    CHECK(h.lowest({2 * huge + page}) == cpu_va{low + 5 * huge});
    h.clear(span(low + 3 * huge, low + 4 * huge));
    CHECK(h.lowest({user_end - low}) == cpu_va{low});
  }

  TEST_CASE("a mapping below 4 GiB keeps its distance only from what comes near") {
    holes h;
    h.fill(span(0, low - huge));
    CHECK(h.lowest({page}) == cpu_va{low});
    h.fill(span(low - huge, low - huge + page));
    CHECK(h.lowest({page}) == cpu_va{low + huge});
    h.fill(span(user_end - page, user_end));
    CHECK_FALSE(h.lowest({user_end - low - 2 * huge}));
  }

  TEST_CASE("random mappings leave the room that a look at each of them finds") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      svm::mock::random draw{seed};
      std::uint64_t const base = seed % 3 == 0 ? user_end - 64 * huge : seed % 3 == 1 ? low - 8 * huge : low;
      std::uint64_t const grain = seed % 2 == 0 ? page : huge;
      holes h;
      std::map<std::uint64_t, std::uint64_t> taken;
      std::string program;  // the reproducer
      if (seed % 3 == 0) {
        h.fill(span(low, base));
        taken[low] = base;
      }
      for (int step = 0; step < 300; ++step) {
        std::uint64_t const start = base + draw.below(64 * huge / grain) * grain;
        std::uint64_t const end =
            std::min(start + (1 + draw.below(draw.below(4) == 0 ? 5 * huge / grain : 3)) * grain, user_end);
        auto const next = taken.lower_bound(end);
        bool const is_free = next == taken.begin() || std::prev(next)->second <= start;
        if (is_free) {
          program += "+" + std::to_string((start - base) / grain) + ".." + std::to_string((end - base) / grain) + " ";
          h.fill(span(start, end));
          taken[start] = end;
        } else if (auto const victim = std::prev(next); victim->first >= base) {
          program += "-" + std::to_string((victim->first - base) / grain) + " ";
          h.clear(span(victim->first, victim->second));
          taken.erase(victim);
        }
        for (std::uint64_t const size : {page, huge, 3 * huge + page, 9 * huge, 70 * huge})
          if (auto const found = h.lowest({size}); found != lowest(taken, size))
            FAIL("seed " << seed << ", size " << size << ": " << (found ? found->value : 0) << " after " << program);
      }
    }
  }
}
