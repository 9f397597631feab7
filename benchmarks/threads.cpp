// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What a second thread brings: faults and removals in notifiers of their own, and hits there and in one notifier, beside the
// model's one lock; and a lock-free loop of the same length, by which one sees whether the machine has two processors to
// give. The wall's nanoseconds are those of all operations together: twice the threads, half of them.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <svm/mock/machine/random.hpp>
#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/live_slots.hpp"
#include "support/measure.hpp"
#include "support/reference_model.hpp"

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t notifier_bytes = 512 << 20;
constexpr std::uint64_t live = 1000;          // ranges a notifier
constexpr std::uint64_t operations = 10'000;  // a round of a thread
constexpr std::uint64_t rounds = 10;          // a batch: longer than a thread waits for its turn

/// Runs `work(thread)` on some threads at once.
///
/// \return their CPU time, and the time from the first beginning to the last end
template <class Work>
[[nodiscard]] bench::nanoseconds run_together(unsigned threads, Work&& work) {
  struct alignas(128) span {
    bench::nanoseconds begin, end;
  };
  std::vector<span> spans(threads);
  std::atomic<unsigned> ready{0};
  {
    std::vector<std::jthread> running;
    for (unsigned t = 0; t < threads; ++t)
      running.emplace_back([&, t] {
        ready.fetch_add(1);
        while (ready.load() != threads) std::this_thread::yield();
        spans[t].begin = bench::nanoseconds::now();
        work(t);
        spans[t].end = bench::nanoseconds::now();
      });
  }
  bench::nanoseconds all{};
  double first = spans[0].begin.wall;
  double last = spans[0].end.wall;
  for (span const& s : spans) {
    all.cpu += s.end.cpu - s.begin.cpu;
    first = std::min(first, s.begin.wall);
    last = std::max(last, s.end.wall);
  }
  all.wall = last - first;
  return all;
}

enum class workload : std::uint8_t {
  fault_remove,  ///< a new range and its removal, each thread in a notifier of its own
  hit_apart,     ///< faults on valid ranges, each thread in a notifier of its own
  hit_together,  ///< faults on the valid ranges of one notifier
};
constexpr std::uint64_t notifier_start(std::uint64_t n) {
  return bench::fault_base + n * notifier_bytes;
}

/// Two notifiers with valid ranges in every second page, and the pages that each thread works on, in random order.
template <class System>
struct world {
  world() : system(1) {
    svm::mock::random random{42};
    for (std::uint64_t n = 0; n < 2; ++n)
      for (std::uint64_t i = 0; i < live; ++i)
        bench::require(system.fault(notifier_start(n) + 2 * i * page_bytes), "a fault failed");
    for (std::vector<std::uint64_t>& o : order)
      for (std::uint64_t i = 0; i < operations; ++i) o.push_back(2 * random.below(live) * page_bytes);
  }
  System system;
  std::vector<std::uint64_t> order[2];  // offsets in a notifier
};

template <class System>
bool fault_and_remove(System& system, std::uint64_t address) {
  bool const served = system.fault(address);
  return system.remove(address) && served;
}

template <class System>
void run(benchmark::State& state, workload what, unsigned threads, bench::backend on) {
  auto& w = bench::kept<world<System>>();
  std::atomic<std::uint64_t> failed{0};
  bench::meter meter{state, on};
  for (auto _ : state) {
    bench::nanoseconds const spent = run_together(threads, [&](unsigned thread) {
      std::uint64_t const home = notifier_start(what == workload::hit_together ? 0 : thread);
      std::uint64_t bad = 0;
      lean::tally const before = lean::done;
      for (std::uint64_t round = 0; round < rounds; ++round)
        for (std::uint64_t const offset : w.order[thread])
          bad += what == workload::fault_remove ? !fault_and_remove(w.system, home + offset + page_bytes)
                                                : !w.system.fault(home + offset);
      std::uint64_t const bound = what == workload::fault_remove ? rounds * operations : 0;
      if (on == bench::backend::costless) bad += lean::done.bound_pages - before.bound_pages != bound;
      failed.fetch_add(bad);
    });
    meter.add(threads * rounds * operations, spent);
  }
  for (std::uint64_t n = 0; n < 2; ++n)
    for (std::uint64_t i = 0; i < live; ++i) failed += !w.system.is_bound(notifier_start(n) + 2 * i * page_bytes);
  if (failed.load() != 0) state.SkipWithError("a fault or a removal did not do what it is for");
}

/// Takes as long as a fault, and shares nothing.
void lock_free_loop(benchmark::State& state, unsigned threads) {
  bench::meter meter{state, bench::backend::none};
  std::atomic<std::uint64_t> sum{0};
  for (auto _ : state) {
    bench::nanoseconds const spent = run_together(threads, [&](unsigned thread) {
      svm::mock::random random{thread};
      std::uint64_t mine = 0;
      for (std::uint64_t i = 0; i < 100 * rounds * operations; ++i) mine ^= random.next();
      sum.fetch_xor(mine);
    });
    meter.add(threads * rounds * operations, spent);
  }
  benchmark::DoNotOptimize(sum.load());
}

template <class System>
void rows(bench::suite& s, std::string const& name, unsigned threads, bench::backend on) {
  std::string const arguments = '/' + name + bench::argument("threads", threads);
  s.row("threads/fault_remove" + arguments,
        [=](benchmark::State& state) { run<System>(state, workload::fault_remove, threads, on); });
  s.row("threads/hit_apart" + arguments,
        [=](benchmark::State& state) { run<System>(state, workload::hit_apart, threads, on); });
  s.row("threads/hit_together" + arguments,
        [=](benchmark::State& state) { run<System>(state, workload::hit_together, threads, on); });
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  s.group([&] {
    for (unsigned const threads : {1U, 2U}) {
      s.row("threads/lock_free_loop/none" + bench::argument("threads", threads),
            [=](benchmark::State& state) { lock_free_loop(state, threads); });
      rows<baseline::svm>(s, "model", threads, bench::backend::none);
      rows<lean::system<svm::std_lock>>(s, "std_lock", threads, bench::backend::costless);
      rows<lean::system<svm::distributed_lock>>(s, "distributed_lock", threads, bench::backend::costless);
    }
  });
  return s.run();
}
