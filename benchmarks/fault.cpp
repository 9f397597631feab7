// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The fault path, invalidation and migration, on a backend that costs next to nothing; a plain model of the reference
// and a bare memcpy stand beside them in the same run. Only ratios within one run mean anything.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "support/lean_backend.hpp"
#include "support/reference_model.hpp"

#include <svm/mock/machine/random.hpp>

namespace {

using svm::access_kind;
using svm::byte_count;
using svm::cpu_va;

constexpr std::uint64_t base = std::uint64_t{0x7f} << 40;
constexpr std::uint64_t page_bytes = 4096;

svm::driver_options system_only() {
  svm::driver_options o;
  o.migrate = svm::migration_mode::never;
  o.check_pages_threshold = {};
  return o;
}

/// The library with one chunk size, so that the number of pages a range is the benchmark's.
template <svm::lock Lock>
auto make_system(std::uint64_t pages, svm::driver_options const& options) {
  std::vector<byte_count> chunks;
  if (pages > 1) chunks.push_back({pages * page_bytes});
  chunks.push_back({page_bytes});
  return std::make_unique<lean::system<Lock>>(chunks, options);
}

/// Slots of ranges, `live` of which are there at a time: four times as many slots as live ranges, in random order.
std::vector<std::uint64_t> shuffled_slots(std::uint64_t live) {
  std::vector<std::uint64_t> slots(live * 4);
  std::iota(slots.begin(), slots.end(), 0);
  svm::mock::random draw{42};
  for (std::size_t i = slots.size(); i > 1; --i) std::swap(slots[i - 1], slots[draw.below(i)]);
  return slots;
}

/// Faults in new ranges in batches, with `live` ranges around them; removing them again is not timed.
template <class Fault, class Remove>
void measure_new(benchmark::State& state, std::uint64_t live, std::uint64_t chunk, Fault&& fault, Remove&& remove) {
  std::vector<std::uint64_t> const slots = shuffled_slots(live);
  for (std::uint64_t i = 0; i < live; ++i) fault(base + slots[i] * chunk);
  std::uint64_t const batch = live < 4000 ? (live < 200 ? 100 : live / 2) : 2000;
  std::uint64_t next = live;
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < batch; ++i) fault(base + slots[(next + i) % slots.size()] * chunk);
    state.PauseTiming();
    for (std::uint64_t i = 0; i < batch; ++i) remove(base + slots[(next + i) % slots.size()] * chunk);
    next = live + (next + batch - live) % (slots.size() - live - batch);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(batch));
}

template <svm::lock Lock>
void fault_new(benchmark::State& state) {
  auto const pages = static_cast<std::uint64_t>(state.range(0));
  auto const live = static_cast<std::uint64_t>(state.range(1));
  auto const s = make_system<Lock>(pages, system_only());
  auto& svm = s->driver.svm();
  measure_new(
      state, live, pages * page_bytes,
      [&](std::uint64_t a) { benchmark::DoNotOptimize(s->driver.fault(cpu_va{a}, access_kind::write)); },
      [&](std::uint64_t a) {
        if (auto r = svm.find(cpu_va{a})) svm.remove(svm.lock_range(std::move(r)));
      });
}
void baseline_new(benchmark::State& state) {
  auto const pages = static_cast<std::uint64_t>(state.range(0));
  baseline::svm model{pages * page_bytes};
  measure_new(
      state, static_cast<std::uint64_t>(state.range(1)), pages * page_bytes, [&](std::uint64_t a) { model.fault(a); },
      [&](std::uint64_t a) { model.remove(a); });
}

template <class Fault>
void measure_repeated(benchmark::State& state, std::uint64_t live, std::uint64_t chunk, Fault&& fault) {
  std::vector<std::uint64_t> const slots = shuffled_slots(live);
  for (std::uint64_t i = 0; i < live; ++i) fault(base + slots[i] * chunk);
  svm::mock::random draw{7};
  for (auto _ : state) fault(base + slots[draw.below(live)] * chunk);
  state.SetItemsProcessed(state.iterations());
}
template <svm::lock Lock>
void fault_repeated(benchmark::State& state) {
  auto const s = make_system<Lock>(16, system_only());
  measure_repeated(state, static_cast<std::uint64_t>(state.range(0)), 16 * page_bytes,
                   [&](std::uint64_t a) { benchmark::DoNotOptimize(s->driver.fault(cpu_va{a}, access_kind::write)); });
}
void baseline_repeated(benchmark::State& state) {
  baseline::svm model{16 * page_bytes};
  measure_repeated(state, static_cast<std::uint64_t>(state.range(0)), 16 * page_bytes,
                   [&](std::uint64_t a) { model.fault(a); });
}

/// One event over `count` mapped neighbours; mapping them again is not timed.
template <class Fault, class Invalidate>
void measure_invalidation(benchmark::State& state, Fault&& fault, Invalidate&& invalidate) {
  auto const count = static_cast<std::uint64_t>(state.range(0));
  constexpr std::uint64_t chunk = 16 * page_bytes;
  for (auto _ : state) {
    state.PauseTiming();
    for (std::uint64_t i = 0; i < count; ++i) fault(base + i * chunk);
    state.ResumeTiming();
    invalidate(base, count * chunk);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
template <svm::lock Lock>
void invalidate_ranges(benchmark::State& state) {
  auto const s = make_system<Lock>(16, system_only());
  measure_invalidation(
      state, [&](std::uint64_t a) { benchmark::DoNotOptimize(s->driver.fault(cpu_va{a}, access_kind::write)); },
      [&](std::uint64_t a, std::uint64_t size) {
        s->mm.invalidate({cpu_va{a}, byte_count{size}}, svm::invalidation_cause::clear);
      });
}
void baseline_invalidate(benchmark::State& state) {
  baseline::svm model{16 * page_bytes};
  measure_invalidation(
      state, [&](std::uint64_t a) { model.fault(a); },
      [&](std::uint64_t a, std::uint64_t size) { model.invalidate(a, a + size - 1); });
}

/// Migration of a span to the device and back, beside the same bytes copied by memcpy, page by page.
void migrate(benchmark::State& state) {
  auto const size = static_cast<std::uint64_t>(state.range(0));
  auto const s = make_system<svm::null_lock>(1, system_only());
  std::vector<std::byte> system_bytes(size);
  std::vector<std::byte> device_bytes(size);
  s->vram.system_bytes = system_bytes.data();
  s->vram.device_bytes = device_bytes.data();
  for (auto _ : state) {
    benchmark::DoNotOptimize(s->mover.migrate_to_device(s->mm, {cpu_va{}, byte_count{size}}, {}));
    benchmark::DoNotOptimize(s->mover.evict_all());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * 2 * state.range(0));
}
void baseline_memcpy(benchmark::State& state) {
  auto const size = static_cast<std::uint64_t>(state.range(0));
  std::vector<std::byte> system_bytes(size);
  std::vector<std::byte> device_bytes(size);
  for (auto _ : state) {
    for (std::uint64_t done = 0; done < size; done += page_bytes) {
      std::memcpy(device_bytes.data() + done, system_bytes.data() + done, page_bytes);
      benchmark::ClobberMemory();
    }
    for (std::uint64_t done = 0; done < size; done += page_bytes) {
      std::memcpy(system_bytes.data() + done, device_bytes.data() + done, page_bytes);
      benchmark::ClobberMemory();
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * 2 * state.range(0));
}

void pages_and_live(benchmark::internal::Benchmark* b) {
  b->ArgNames({"pages", "live"});
  for (int const pages : {1, 16, 512})
    for (int const live : {100, 1000, 10000})
      if (pages * live <= 1'000'000) b->Args({pages, live});
}

}  // namespace

BENCHMARK(baseline_new)->Name("fault/new/baseline:one_lock")->Apply(pages_and_live);
BENCHMARK(fault_new<svm::null_lock>)->Name("fault/new/null_lock")->Apply(pages_and_live);
BENCHMARK(fault_new<svm::std_lock>)->Name("fault/new/std_lock")->Apply(pages_and_live);
BENCHMARK(baseline_repeated)
    ->Name("fault/repeated/baseline:one_lock")
    ->ArgName("live")
    ->RangeMultiplier(10)
    ->Range(100, 100000);
BENCHMARK(fault_repeated<svm::null_lock>)
    ->Name("fault/repeated/null_lock")
    ->ArgName("live")
    ->RangeMultiplier(10)
    ->Range(100, 100000);
BENCHMARK(fault_repeated<svm::std_lock>)
    ->Name("fault/repeated/std_lock")
    ->ArgName("live")
    ->RangeMultiplier(10)
    ->Range(100, 100000);
BENCHMARK(baseline_invalidate)
    ->Name("invalidate/baseline:one_lock")
    ->ArgName("ranges")
    ->RangeMultiplier(10)
    ->Range(1, 1000);
BENCHMARK(invalidate_ranges<svm::null_lock>)
    ->Name("invalidate/null_lock")
    ->ArgName("ranges")
    ->RangeMultiplier(10)
    ->Range(1, 1000);
BENCHMARK(invalidate_ranges<svm::std_lock>)
    ->Name("invalidate/std_lock")
    ->ArgName("ranges")
    ->RangeMultiplier(10)
    ->Range(1, 1000);
BENCHMARK(baseline_memcpy)
    ->Name("migrate/round_trip/baseline:memcpy")
    ->ArgName("bytes")
    ->Arg(4 << 10)
    ->Arg(64 << 10)
    ->Arg(2 << 20);
BENCHMARK(migrate)->Name("migrate/round_trip/null_lock")->ArgName("bytes")->Arg(4 << 10)->Arg(64 << 10)->Arg(2 << 20);

BENCHMARK_MAIN();
