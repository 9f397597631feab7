// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A fault that makes a range, and one that meets a valid range, beside a plain model of the reference; and what a look-up in
// a std::map of as many ranges costs, by which one sees whether the model is a fair one.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/live_slots.hpp"
#include "support/measure.hpp"
#include "support/ordered_map.hpp"
#include "support/reference_model.hpp"

namespace {

constexpr std::uint64_t page_bytes = 4096;

/// A `System` with live ranges.
template <class System>
struct world {
  world(std::uint64_t pages, std::uint64_t live) : slots(live, pages * page_bytes), system(pages) {
    for (std::uint64_t const a : slots.live()) bench::require(system.fault(a), "a fault failed");
    for (std::uint64_t const a : slots.live()) bench::require(system.is_bound(a), "a fault bound nothing");
  }
  bench::live_slots slots;
  System system;
};

template <class System>
constexpr bench::backend runs_on = bench::backend::costless;
template <>
constexpr bench::backend runs_on<baseline::svm> = bench::backend::none;

/// Faults that make ranges, in batches; each is checked and removed again, which is not timed.
template <class System>
void fault_new(benchmark::State& state, std::uint64_t pages, std::uint64_t live) {
  auto& w = bench::kept<world<System>>(pages, live);
  bench::meter meter{state, runs_on<System>};
  lean::tally const before = lean::done;
  std::uint64_t allocations = 0;
  bool good = true;
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = w.slots.fresh();
    std::uint64_t const calls = lean::done.allocations;
    meter.time(batch.size(), [&] {
      for (std::uint64_t const a : batch) good = w.system.fault(a) && good;
    });
    allocations += lean::done.allocations - calls;
    for (std::uint64_t const a : batch) good = w.system.is_bound(a) && w.system.remove(a) && good;
  }
  if constexpr (runs_on<System> == bench::backend::costless) {
    good = good && lean::done.bound_pages - before.bound_pages == meter.operations() * pages;
    good = good && lean::done.bound_blocks - before.bound_blocks == meter.operations();
    meter.count("allocations", static_cast<double>(allocations) / static_cast<double>(meter.operations()));
  }
  if (!good) state.SkipWithError("a fault did not make and bind one range");
}

/// Faults on valid ranges: nothing is bound again.
template <class System>
void fault_repeated(benchmark::State& state, std::uint64_t pages, std::uint64_t live) {
  auto& w = bench::kept<world<System>>(pages, live);
  bench::meter meter{state, runs_on<System>};
  lean::tally const before = lean::done;
  bool good = true;
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = w.slots.hits();
    meter.time(batch.size(), [&] {
      for (std::uint64_t const a : batch) good = w.system.fault(a) && good;
    });
  }
  if (!good || lean::done.bound_pages != before.bound_pages || lean::done.allocations != before.allocations)
    state.SkipWithError("a fault did not find its range valid");
}

/// The same faults, told `size` at a time: beside those told one by one.
template <class System>
void fault_batch(benchmark::State& state, bool is_new, std::uint64_t live, std::size_t size) {
  auto& w = bench::kept<world<System>>(std::uint64_t{1}, live);
  bench::meter meter{state, runs_on<System>};
  std::vector<svm::fault_request> requests;
  std::vector<svm::errc> results;
  bool good = true;
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = is_new ? w.slots.fresh() : w.slots.hits();
    requests.clear();
    for (std::uint64_t const a : batch) requests.push_back({svm::cpu_va{a}, svm::access_kind::write});
    results.assign(requests.size(), svm::errc::lost);
    meter.time(batch.size(), [&] {
      for (std::size_t done = 0; done < requests.size(); done += size) {
        std::size_t const count = std::min(size, requests.size() - done);
        good =
            w.system.fault_batch(std::span{requests}.subspan(done, count), std::span{results}.subspan(done, count)) &&
            good;
      }
    });
    for (std::uint64_t const a : batch) good = w.system.is_bound(a) && (!is_new || w.system.remove(a)) && good;
  }
  if (!good) state.SkipWithError("a fault of a batch did not bind its range");
}

/// As many ranges in a std::map.
struct mapped {
  explicit mapped(std::uint64_t live) : slots(live, page_bytes) {
    for (std::uint64_t const a : slots.live()) map->emplace(a, object{a + page_bytes});
  }
  struct object {
    std::uint64_t end;
    std::uint64_t payload[23] = {};  // as large as a range
  };
  /// The object around an address, or null.
  [[nodiscard]] object const* find(std::uint64_t address) const {
    auto const above = map->upper_bound(address);
    if (above == map->begin()) return nullptr;
    object const& below = std::prev(above)->second;
    return address < below.end ? &below : nullptr;
  }
  bench::live_slots slots;
  baseline::pooled_map<object> map;
};

/// The yardstick: a look-up whose address depends on the one before, since the locks of a fault let nothing overlap.
void look_up(benchmark::State& state, std::uint64_t live) {
  auto& w = bench::kept<mapped>(live);
  bench::meter meter{state, bench::backend::none};
  std::uint64_t wrong = 0;
  for (auto _ : state) {
    std::vector<std::uint64_t> const& batch = w.slots.hits();
    meter.time(batch.size(), [&] {
      std::uint64_t nothing = 0;
      for (std::uint64_t const a : batch) {
        mapped::object const* const found = w.find(a + nothing);
        wrong += found == nullptr || found->end != a + page_bytes;
        nothing = bench::zero_of(found);
      }
    });
  }
  if (wrong != 0) state.SkipWithError("a look-up found something else");
}

template <class System>
void rows(bench::suite& s, std::string const& name, std::uint64_t pages, std::uint64_t live) {
  std::string const arguments = '/' + name + bench::argument("pages", pages) + bench::argument("live", live);
  s.row("fault/new" + arguments, [=](benchmark::State& state) { fault_new<System>(state, pages, live); });
  s.row("fault/repeated" + arguments, [=](benchmark::State& state) { fault_repeated<System>(state, pages, live); });
}

template <class System>
void batch_rows(bench::suite& s, std::string const& name, std::uint64_t live) {
  constexpr std::size_t size = 64;
  std::string const arguments = '/' + name + bench::argument("batch", size) + bench::argument("live", live);
  s.row("fault/batch_new" + arguments, [=](benchmark::State& state) { fault_batch<System>(state, true, live, size); });
  s.row("fault/batch_repeated" + arguments,
        [=](benchmark::State& state) { fault_batch<System>(state, false, live, size); });
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  for (std::uint64_t const live : {100U, 1'000U, 10'000U, 100'000U, 1'000'000U})
    for (std::uint64_t const pages : {1U, 16U})
      s.group([&] {
        if (pages == 1)
          s.row("fault/look_up/std_map" + bench::argument("live", live),
                [=](benchmark::State& state) { look_up(state, live); });
        rows<baseline::svm>(s, "model", pages, live);
        rows<lean::system<svm::null_lock>>(s, "null_lock", pages, live);
        rows<lean::system<svm::std_lock>>(s, "std_lock", pages, live);
        rows<lean::system<svm::distributed_lock>>(s, "distributed_lock", pages, live);
        if (pages == 1) batch_rows<lean::system<svm::null_lock>>(s, "null_lock", live);
        if (pages == 1) batch_rows<lean::system<svm::distributed_lock>>(s, "distributed_lock", live);
      });
  return s.run();
}
