// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The ordered index beside a std::map that keeps the same contract: insertion refuses overlaps, lookup checks that the
// address is inside, erasure starts from the object. Compare ratios within one run only.

#include <svm/index/interval_index.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/std_lock.hpp>
#include <svm/mock/machine/random.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace {

constexpr std::uint64_t base = 0x7f00'0000'0000;
constexpr std::uint64_t stride = 128 << 10;
constexpr std::uint64_t length = 64 << 10;

struct object {
  svm::va_range span{{base}, {length}};
  std::uint64_t payload[22] = {};
};
static_assert(sizeof(object) == 192);

struct traits {
  using entry = object;
  using address = svm::cpu_va;
  static svm::va_range interval_of(object const& o) { return o.span; }
};

std::vector<std::uint32_t> permutation(std::size_t n, svm::mock::random& random) {
  std::vector<std::uint32_t> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

/// Workload R-dense: every second 64 KiB slot, objects in random address order.
struct world {
  explicit world(std::size_t n) : objects(n) {
    shuffle();
    lookups.resize(std::max<std::size_t>(200'000, std::min<std::size_t>(n, 1'000'000)));
    for (std::uint64_t& key : lookups) key = base + random.below(n) * stride + random.below(length);
  }

  /// Gives the objects other addresses and another order of erasure.
  void shuffle() {
    std::vector<std::uint32_t> const slots = permutation(objects.size(), random);
    for (std::size_t i = 0; i < objects.size(); ++i) objects[i].span = {{base + slots[i] * stride}, {length}};
    leaving = permutation(objects.size(), random);
  }

  static world& of(benchmark::State const& state) {
    static std::map<std::int64_t, std::unique_ptr<world>> worlds;
    std::unique_ptr<world>& w = worlds[state.range(0)];
    if (!w) w = std::make_unique<world>(static_cast<std::size_t>(state.range(0)));
    return *w;
  }

  svm::mock::random random{42};
  std::vector<object> objects;
  std::vector<std::uint32_t> leaving;  // the order of erasure
  std::vector<std::uint64_t> lookups;
};

void require(bool good) {
  if (!good) std::abort();
}

template <class LockPolicy, unsigned Fanout, bool KeepReservation>
class tree {
 public:
  void insert(object& o) {
    if constexpr (KeepReservation) {
      require(index_.replenish(reservation_) == svm::errc::ok);
      require(index_.insert(reservation_, o) == nullptr);
    } else {
      auto one = index_.reserve();
      require(one.has_value() && index_.insert(*one, o) == nullptr);
    }
  }
  void erase(object& o) { index_.erase(o); }
  object* find(std::uint64_t key) const { return index_.find({key}); }
  template <class Function>
  void for_each(Function&& function) const {
    index_.for_each(function);
  }

 private:
  using index = svm::interval_index<traits, LockPolicy, svm::heap, Fanout>;
  svm::heap memory_;
  typename index::pool pool_{memory_};
  typename index::reservation reservation_;
  index index_{pool_};
};

class std_map {
 public:
  void insert(object& o) {
    auto const above = map_.lower_bound(o.span.start().value);
    require(above == map_.end() || above->first > o.span.last().value);
    require(above == map_.begin() || std::prev(above)->second->span.last() < o.span.start());
    map_.emplace_hint(above, o.span.start().value, &o);
  }
  void erase(object& o) { map_.erase(o.span.start().value); }
  object* find(std::uint64_t key) const {
    auto const above = map_.upper_bound(key);
    if (above == map_.begin()) return nullptr;
    object* const o = std::prev(above)->second;
    return o->span.contains({key}) ? o : nullptr;
  }
  template <class Function>
  void for_each(Function&& function) const {
    for (auto const& [start, o] : map_) function(*o);
  }

 private:
  std::map<std::uint64_t, object*> map_;
};

template <class Index>
void fill(Index& index, world& w) {
  for (object& o : w.objects) index.insert(o);
}

template <class Index>
void drain(Index& index, world& w) {
  for (std::uint32_t const i : w.leaving) index.erase(w.objects[i]);
}

/// Each address depends on the result before it.
template <class Index>
void find_random(benchmark::State& state) {
  world& w = world::of(state);
  Index index;
  fill(index, w);
  std::size_t i = 0;
  std::uint64_t chain = 0;
  for (auto _ : state) {
    object* const found = index.find(w.lookups[i] + chain);
    require(found != nullptr);
    chain = reinterpret_cast<std::uintptr_t>(found);
    asm("and $0, %0" : "+r"(chain));
    if (++i == w.lookups.size()) i = 0;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  drain(index, w);
}

template <class Index>
void for_each(benchmark::State& state) {
  world& w = world::of(state);
  Index index;
  fill(index, w);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    index.for_each([&](object const& o) { sum += o.span.start().value; });
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
  drain(index, w);
}

enum class timed { insert, erase, both };

template <class Index, timed Timed>
void change(benchmark::State& state) {
  using clock = std::chrono::steady_clock;
  world& w = world::of(state);
  Index index;
  for (auto _ : state) {
    auto const begin = clock::now();
    fill(index, w);
    auto const middle = clock::now();
    drain(index, w);
    auto const end = clock::now();
    auto const spent = Timed == timed::insert ? middle - begin : Timed == timed::erase ? end - middle : end - begin;
    state.SetIterationTime(std::chrono::duration<double>(spent).count());
    w.shuffle();  // the same order again would be an order that the branch predictor knows
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("ranges")->RangeMultiplier(10)->Range(100, 1'000'000);
}
void change_sizes(benchmark::internal::Benchmark* b) {
  sizes(b);
  b->UseManualTime();
}

using fanout16 = tree<svm::null_lock, 16, true>;
using fanout32 = tree<svm::null_lock, 32, true>;
using locked = tree<svm::std_lock, 16, false>;

BENCHMARK(find_random<fanout16>)->Name("index/find/random")->Apply(sizes);
BENCHMARK(find_random<fanout32>)->Name("index/find/random_fanout32")->Apply(sizes);
BENCHMARK(find_random<std_map>)->Name("baseline/std_map/find/random")->Apply(sizes);

BENCHMARK(change<fanout16, timed::insert>)->Name("index/insert/random")->Apply(change_sizes);
BENCHMARK(change<fanout32, timed::insert>)->Name("index/insert/random_fanout32")->Apply(change_sizes);
BENCHMARK(change<locked, timed::insert>)->Name("index/insert/random_std_lock_reserve_each")->Apply(change_sizes);
BENCHMARK(change<std_map, timed::insert>)->Name("baseline/std_map/insert/random")->Apply(change_sizes);

BENCHMARK(change<fanout16, timed::erase>)->Name("index/erase/random")->Apply(change_sizes);
BENCHMARK(change<fanout32, timed::erase>)->Name("index/erase/random_fanout32")->Apply(change_sizes);
BENCHMARK(change<std_map, timed::erase>)->Name("baseline/std_map/erase/random")->Apply(change_sizes);

BENCHMARK(change<fanout16, timed::both>)->Name("index/insert_erase/random")->Apply(change_sizes);
BENCHMARK(change<std_map, timed::both>)->Name("baseline/std_map/insert_erase/random")->Apply(change_sizes);

BENCHMARK(for_each<fanout16>)->Name("index/for_each/ordered")->Apply(sizes);
BENCHMARK(for_each<fanout32>)->Name("index/for_each/ordered_fanout32")->Apply(sizes);
BENCHMARK(for_each<std_map>)->Name("baseline/std_map/for_each/ordered")->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
