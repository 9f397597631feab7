// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What the pages of a new range cost: as one contiguous run of more and more pages, and scattered, with an entry each; the
// latter beside the same two loops by hand, and beside the bare fill of an array of 16 bytes a page.

#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/live_slots.hpp"
#include "support/measure.hpp"
#include "support/reference_model.hpp"

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t live = 100;  // so that all is in the cache

template <svm::lock Lock>
void map_new(benchmark::State& state, std::uint64_t pages, lean::placement lie) {
  bench::live_slots slots{live, pages * page_bytes};
  lean::system<Lock> system{pages};
  system.mm.lie = lie;
  for (std::uint64_t const a : slots.live()) bench::require(system.fault(a), "a fault failed");
  lean::tally const before = lean::done;
  std::uint64_t allocations = 0;
  bool good = true;
  {
    bench::meter meter{state, bench::backend::costless};
    for (auto _ : state) {
      std::vector<std::uint64_t> const& batch = slots.fresh();
      std::uint64_t const calls = lean::done.allocations;
      meter.time(batch.size(), [&] {
        for (std::uint64_t const a : batch) good = system.fault(a) && good;
      });
      allocations += lean::done.allocations - calls;
      for (std::uint64_t const a : batch) good = system.is_bound(a) && system.remove(a) && good;
    }
    std::uint64_t const blocks = lie == lean::placement::run ? 1 : pages;
    good = good && lean::done.bound_pages - before.bound_pages == meter.operations() * pages;
    good = good && lean::done.bound_blocks - before.bound_blocks == meter.operations() * blocks;
    meter.count("allocations", static_cast<double>(allocations) / static_cast<double>(meter.operations()));
  }
  if (!good) state.SkipWithError("a fault did not bind a block a run");
  // What a range keeps on the heap, beside the range itself.
  std::int64_t const bytes = lean::done.heap_bytes;
  bench::require(system.fault(slots.fresh().front()), "a fault failed");
  state.counters["heap_bytes"] =
      static_cast<double>(lean::done.heap_bytes - bytes) - static_cast<double>(lean::system<Lock>::range_size);
}

void map_model(benchmark::State& state, std::uint64_t pages) {
  bench::live_slots slots{live, pages * page_bytes};
  baseline::svm model{pages};
  bool good = true;
  for (std::uint64_t const a : slots.live()) good = model.fault(a) && good;
  bench::meter meter{state, bench::backend::none};
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = slots.fresh();
    meter.time(batch.size(), [&] {
      for (std::uint64_t const a : batch) good = model.fault(a) && good;
    });
    for (std::uint64_t const a : batch) good = model.is_bound(a) && model.remove(a) && good;
  }
  if (!good) state.SkipWithError("a fault did not map its range");
}

/// The same walk and the same mapping, without a library around them.
void map_by_hand(benchmark::State& state, std::uint64_t pages) {
  bench::live_slots slots{live, pages * page_bytes};
  lean::by_hand loops{pages};
  std::vector<lean::by_hand::blocks> ranges(100, lean::by_hand::blocks(pages));
  bench::meter meter{state, bench::backend::costless};
  bool good = true;
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = slots.fresh();
    bench::require(batch.size() == ranges.size(), "not as many places as addresses");
    meter.time(batch.size(), [&] {
      for (std::size_t i = 0; i < batch.size(); ++i) {
        loops.map(batch[i], ranges[i]);
        benchmark::ClobberMemory();
      }
    });
    for (std::size_t i = 0; i < batch.size(); ++i) good = loops.is_right(batch[i], ranges[i]) && good;
  }
  if (!good) state.SkipWithError("the loops made other blocks");
}

/// The least that an array of an address a page costs.
void fill(benchmark::State& state, std::uint64_t pages) {
  struct entry {
    std::uint64_t address, attributes;
  };
  bench::live_slots slots{live, pages * page_bytes};
  std::vector<std::vector<entry>> ranges(100, std::vector<entry>(pages));
  bench::meter meter{state, bench::backend::none};
  bool good = true;
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = slots.fresh();
    meter.time(batch.size(), [&] {
      for (std::size_t i = 0; i < batch.size(); ++i) {
        for (std::uint64_t n = 0; n < pages; ++n) ranges[i][n] = {batch[i] + n * page_bytes, 0};
        benchmark::ClobberMemory();
      }
    });
    for (std::size_t i = 0; i < batch.size(); ++i)
      good = good && ranges[i].back().address == batch[i] + (pages - 1) * page_bytes;
  }
  if (!good) state.SkipWithError("the loop wrote something else");
}

template <svm::lock Lock>
void rows(bench::suite& s, std::string const& lock, std::uint64_t pages) {
  std::string const arguments = '/' + lock + bench::argument("pages", pages);
  s.row("mapping/run" + arguments, [=](benchmark::State& state) { map_new<Lock>(state, pages, lean::placement::run); });
  if (pages > 1)
    s.row("mapping/scattered" + arguments,
          [=](benchmark::State& state) { map_new<Lock>(state, pages, lean::placement::scattered); });
}

}  // namespace

int main(int argc, char** argv) {
#ifdef __GLIBC__
  // The loops by hand have their arrays from the beginning. So malloc keeps what removed ranges free: to hand it to the system,
  // and to take it back page by page, would cost more than the mapping.
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
  bench::suite s{argc, argv};
  s.group([&] {
    for (std::uint64_t const pages : {1U, 16U, 512U}) {
      std::string const argument = bench::argument("pages", pages);
      rows<svm::null_lock>(s, "null_lock", pages);
      rows<svm::std_lock>(s, "std_lock", pages);
      rows<svm::distributed_lock>(s, "distributed_lock", pages);
      s.row("mapping/run/model" + argument, [=](benchmark::State& state) { map_model(state, pages); });
      if (pages == 1) continue;
      s.row("mapping/scattered/by_hand" + argument, [=](benchmark::State& state) { map_by_hand(state, pages); });
      s.row("mapping/fill/bare_loop" + argument, [=](benchmark::State& state) { fill(state, pages); });
    }
  });
  return s.run();
}
