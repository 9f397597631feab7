// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "placement/replay_loop.hpp"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"

using namespace svm;
using replays::eviction;
using replays::loop;

namespace {

constexpr std::uint64_t page_bytes = 4096;

std::uint64_t address_of(std::uint64_t block, unsigned page) {
  return (block * 512 + page) * page_bytes;
}

/// Faults as a Fourier transform of 2 GiB leaves them on a real GPU, as far as a block goes: each block is swept once, up or
/// down, and faults in each part that the prefetcher has left to the sweep; eight blocks at a time, by turns. A few faults
/// come late, on pages that have moved meanwhile; one of them right behind the fault that moved its page.
std::vector<std::uint64_t> swept_blocks(unsigned blocks, std::uint64_t seed) {
  constexpr std::array<page_span, 6> parts{{{0, 16}, {16, 32}, {32, 64}, {64, 128}, {128, 256}, {256, 512}}};
  masks::random random{seed};
  std::vector<std::uint64_t> faults;
  for (unsigned first = 0; first < blocks; first += 8) {
    std::array<unsigned, 8> next{};
    std::array<bool, 8> down{};
    for (bool& d : down) d = random.below(2) != 0;
    for (unsigned left = 8 * 6; left != 0;) {
      unsigned const b = random.below(8);
      if (next[b] == 6) continue;
      page_span const part = parts[next[b]++];
      unsigned const page = part.first + random.below(part.size());
      faults.push_back(address_of(first + b, down[b] ? 511 - page : page));
      --left;
    }
  }
  std::size_t const middle = faults.size() / 2;
  faults.insert(faults.begin() + static_cast<long>(middle), faults[middle - 1]);
  for (unsigned n = 0; n < 4; ++n) faults.push_back(faults[n]);
  return faults;
}

/// Every page of so many blocks, in order, so many times.
std::vector<std::uint64_t> sweeps(unsigned blocks, unsigned times) {
  std::vector<std::uint64_t> all;
  for (unsigned t = 0; t < times; ++t)
    for (unsigned b = 0; b < blocks; ++b)
      for (unsigned p = 0; p < 512; ++p) all.push_back(address_of(b, p));
  return all;
}

}  // namespace

TEST_SUITE("placement/replay_loop") {
  TEST_CASE("blocks that are swept once take six services each, whatever is interleaved") {
    for (std::uint64_t const seed : {1u, 2u, 3u}) {
      std::vector<std::uint64_t> const faults = swept_blocks(256, seed);
      for (std::size_t const batch : {1u, 256u}) {
        INFO("seed " << seed << " batch " << batch);
        auto const r = loop{{.batch = batch}}.run(faults);
        CHECK(r.resident + r.duplicates == 5);
        CHECK(r.fault_pages == 6 * 256);
        CHECK(r.refaults == 0);
        if (batch != 1) {
          CHECK(r.duplicates >= 1);
          CHECK(r.batches < faults.size());
          continue;
        }
        CHECK(r.services == 6 * 256);
        CHECK(r.fault_pages + r.prefetched == 512 * 256);
        CHECK(r.duplicates == 0);
        CHECK(r.batches == faults.size());
        for (auto const& [block, n] : r.services_of) CHECK(n == 6);
      }
    }
  }

  TEST_CASE("a batch ends where an address falls and at its size, duplicates counted") {
    auto const batches = [](std::vector<std::uint64_t> const& v, std::size_t size) {
      return loop{{.batch = size}}.run(v).batches;
    };
    std::vector<std::uint64_t> const v{address_of(0, 5), address_of(0, 5), address_of(0, 9), address_of(0, 8),
                                       address_of(1, 0)};
    CHECK(batches(v, 1) == 5);
    CHECK(batches(v, 2) == 3);
    CHECK(batches(v, 256) == 2);
    auto const r = loop{{.batch = 256}}.run(v);
    CHECK(r.duplicates == 1);
    CHECK(r.resident == 1);  // page 8 came with the first batch
    CHECK(r.services == 2);
  }

  TEST_CASE("a sweep that does not fit refaults wholly under every order by recency") {
    for (eviction const e : {eviction::oldest, eviction::touched, eviction::uvm}) {
      INFO(static_cast<int>(e));
      auto const r = loop{{.evict = e, .capacity = 3 * 512}}.run(sweeps(4, 3));
      CHECK(r.services == 3 * 4 * 6);
      CHECK(r.refaults == 2 * 4 * 6);
      CHECK(r.fault_pages + r.prefetched - r.evicted_pages == 3 * 512);
    }
  }

  TEST_CASE("a block that is used stays when blocks go by recency, and goes when they go by age") {
    std::vector<std::uint64_t> v = sweeps(3, 1);
    for (unsigned p = 0; p < 512; ++p) v.push_back(address_of(0, p));  // all there: touches alone
    for (unsigned p = 0; p < 512; ++p) v.push_back(address_of(9, p));
    v.push_back(address_of(0, 0));
    v.push_back(address_of(1, 0));
    auto const by = [&](eviction e) { return loop{{.evict = e, .capacity = 3 * 512}}.run(v).refaults; };
    CHECK(by(eviction::oldest) == 2);   // block 0, whose first group drives out that of block 1
    CHECK(by(eviction::touched) == 1);  // block 1
    CHECK(by(eviction::uvm) == 1);
    std::vector<std::uint64_t> const first(v.begin(), v.end() - 1);  // without block 1
    CHECK(loop{{.evict = eviction::oldest, .capacity = 3 * 512}}.run(first).refaults == 1);
    CHECK(loop{{.evict = eviction::touched, .capacity = 3 * 512}}.run(first).refaults == 0);
    CHECK(loop{{.evict = eviction::uvm, .capacity = 3 * 512}}.run(first).refaults == 0);
  }

  TEST_CASE("nothing ever takes more than there is, and what left is what came less what is there") {
    masks::random random{5};
    for (unsigned round = 0; round < 60; ++round) {
      std::vector<std::uint64_t> faults;
      for (unsigned n = 0; n < 400; ++n) faults.push_back(address_of(random.below(6), random.below(512)));
      replays::options const o{.batch = std::array<std::size_t, 3>{1, 8, 256}[random.below(3)],
                               .evict = static_cast<eviction>(round % 4),
                               .capacity = 1024 + random.below(2048)};
      auto const r = loop{o}.run(faults);
      CHECK(r.fault_pages + r.prefetched - r.evicted_pages <= o.capacity);
    }
  }

  TEST_CASE("what exceeds all of the memory is not moved, and its groups are before") {
    auto const r = loop{{.batch = 256, .capacity = 2}}.run({address_of(0, 0), address_of(0, 1), address_of(0, 2)});
    CHECK(r.services == 0);
    auto const cut = loop{{.batch = 256, .capacity = 60}}.run(
        {address_of(0, 0), address_of(0, 16), address_of(0, 32), address_of(0, 48)});
    CHECK(cut.services == 1);
    CHECK(cut.prefetched == 0);
  }
}
