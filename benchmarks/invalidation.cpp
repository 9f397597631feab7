// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// One event over neighbours that are mapped, beside a plain model of the reference. The time is that of a range. Where an
// event meets few ranges, many events at different places are timed together, so that no clock is measured.

#include <cstdint>
#include <string>
#include <vector>

#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/live_slots.hpp"
#include "support/measure.hpp"
#include "support/reference_model.hpp"

namespace {

constexpr std::uint64_t pages = 16;
constexpr std::uint64_t chunk = pages * 4096;
constexpr std::uint64_t all = 1000;  // ranges, in one notifier

template <class System>
void invalidate(benchmark::State& state, std::uint64_t count, bench::backend on) {
  System system{pages};
  bench::meter meter{state, on};
  std::uint64_t const size = count * chunk;
  bool good = true;
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < all; ++i)
      good = system.fault(bench::fault_base + i * chunk) && system.is_bound(bench::fault_base + i * chunk) && good;
    std::uint64_t const flushed = lean::done.flushed_bytes;
    meter.time(all, [&] {
      for (std::uint64_t done = 0; done < all * chunk; done += size) system.invalidate(bench::fault_base + done, size);
    });
    if (on == bench::backend::costless) good = good && lean::done.flushed_bytes - flushed == all * chunk;
    for (std::uint64_t i = 0; i < all; ++i) good = system.is_forgotten(bench::fault_base + i * chunk) && good;
  }
  if (!good) state.SkipWithError("a range was not bound before the event, or not forgotten after it");
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  for (std::uint64_t const count : {1U, 10U, 100U, 1000U}) {
    std::string const argument = bench::argument("ranges", count);
    s.group([&] {
      s.row("invalidation/event/model" + argument,
            [=](benchmark::State& state) { invalidate<baseline::svm>(state, count, bench::backend::none); });
      s.row("invalidation/event/null_lock" + argument, [=](benchmark::State& state) {
        invalidate<lean::system<svm::null_lock>>(state, count, bench::backend::costless);
      });
      s.row("invalidation/event/std_lock" + argument, [=](benchmark::State& state) {
        invalidate<lean::system<svm::std_lock>>(state, count, bench::backend::costless);
      });
      s.row("invalidation/event/distributed_lock" + argument, [=](benchmark::State& state) {
        invalidate<lean::system<svm::distributed_lock>>(state, count, bench::backend::costless);
      });
    });
  }
  return s.run();
}
