// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/index/chunk_layout.hpp>

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <doctest/doctest.h>

using namespace svm;

namespace {

/// A layout of a span of 2^bits bytes from 0 on.
chunk_layout of(unsigned bits, std::initializer_list<unsigned> chunks) {
  std::vector<byte_count> sizes;
  for (unsigned const c : chunks) sizes.push_back({std::uint64_t{1} << c});
  std::uint64_t const last = bits == 64 ? UINT64_MAX : (std::uint64_t{1} << bits) - 1;
  return {va_range::from_bounds({last == UINT64_MAX ? 1u : 0u}, {last}).value(), sizes};
}
std::vector<unsigned> levels(chunk_layout const& l) {
  return {l.levels().begin(), l.levels().end()};
}
using list = std::vector<unsigned>;

}  // namespace

TEST_SUITE("index/chunk_layout") {
  TEST_CASE("a level ends where a chunk size does, and the root has what is left") {
    CHECK(levels(of(29, {21, 16, 12})) == list{12, 16, 21});
    CHECK(of(29, {21, 16, 12}).root_shift() == 26);
    CHECK(levels(of(47, {29})) == list{29, 34, 39});
    CHECK(of(47, {29}).root_shift() == 44);
  }

  TEST_CASE("sizes that are close to each other share a level, and far ones have several between them") {
    CHECK(levels(of(29, {17, 16, 15, 14, 13, 12})) == list{12, 17, 22});
    CHECK(levels(of(40, {30, 12})) == list{12, 17, 22, 27, 30, 35});
    CHECK(of(40, {30, 12}).root_shift() == 40);
  }

  TEST_CASE("a span of few chunks has a root and no table, and one of all addresses no shift by 64") {
    for (unsigned const bits : {12u, 13u, 15u}) {
      CHECK(levels(of(bits, {12})).empty());
      CHECK(of(bits, {12}).root_shift() == 12);
    }
    for (unsigned low = 1; low < 20; ++low) {
      CHECK(of(64, {low}).root_shift() < 64);
      CHECK(of(64, {low}).root_shift() >= 61);
      CHECK(of(64, {low}).levels().size() <= chunk_layout::max_levels);
    }
  }

  TEST_CASE("two addresses part in the lowest table that spans both") {
    chunk_layout const l = of(29, {21, 16, 12});
    for (std::uint64_t a = 0; a < std::uint64_t{1} << 26; a += 0x1f3000)
      for (unsigned bit = 12; bit < 26; ++bit) {
        std::uint64_t const b = a ^ std::uint64_t{1} << bit;
        unsigned const shift = l.parting(a, b);
        CHECK((a >> shift) != (b >> shift));
        CHECK((a ^ b) <= l.reach(shift));
        CHECK(((a ^ b) & ~l.reach(shift)) == 0);
        for (std::uint8_t const lower : l.levels())
          if (lower < shift) CHECK(((a ^ b) & ~l.reach(lower)) != 0);
      }
    CHECK(l.base_of(0x1234'5678'9abc) == 0x1234'4000'0000);
    CHECK(l.reach() == (1u << 29) - 1);
  }
}
