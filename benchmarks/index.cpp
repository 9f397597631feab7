// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The ordered indexes beside a std::map that keeps the same contract: insertion refuses overlaps, a look-up checks that the
// address is inside, erasure starts from the object. Three are measured: the index alone, gpusvm's way from an address to
// its range (notifiers, then ranges), and the mappings of a gpuvm, which may lie anywhere.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <svm/index/chunk_index.hpp>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/vm_bo.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/measure.hpp"
#include "support/ordered_map.hpp"

namespace {

using bench::backend;
using bench::require;

constexpr std::uint64_t base = 0x7f00'0000'0000;
constexpr std::uint64_t length = 64 << 10;

/// Where the objects are.
enum class layout : std::uint8_t {
  dense,    ///< in every second slot of 64 KiB
  sparse,   ///< in slots of 64 KiB anywhere in 1 TiB
  unequal,  ///< a mapping of 32 to 64 pages in every slot of 64
};

std::vector<std::uint32_t> permutation(std::size_t n, svm::mock::random& random) {
  std::vector<std::uint32_t> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

/// Intervals in random order, and an order in which they leave.
class places {
 public:
  places(layout how, std::uint64_t n) : random_(how == layout::sparse ? 44 : 42) {
    if (how == layout::sparse) {
      std::unordered_set<std::uint64_t> taken;
      while (taken.size() < n)
        if (std::uint64_t const slot = random_.below(std::uint64_t{1} << 24); taken.insert(slot).second)
          spans_.push_back({{base + slot * length}, {length}});
    } else {
      bool const dense = how == layout::dense;
      for (std::uint64_t i = 0; i < n; ++i)
        spans_.push_back(
            {{base + i * (dense ? 2 * length : 4 * length)}, {dense ? length : (32 + random_.below(33)) * 4096}});
    }
    shuffle();
  }

  /// Another order: the same again would be one that the branch predictor knows.
  void shuffle() {
    for (std::size_t i = spans_.size(); i > 1; --i) std::swap(spans_[i - 1], spans_[random_.below(i)]);
    leaving_ = permutation(spans_.size(), random_);
  }
  [[nodiscard]] std::vector<svm::va_range> const& spans() const { return spans_; }
  [[nodiscard]] std::vector<std::uint32_t> const& leaving() const { return leaving_; }
  /// Addresses inside the intervals, at random.
  [[nodiscard]] std::vector<std::uint64_t> keys(std::size_t count) {
    std::vector<std::uint64_t> keys(count);
    for (std::uint64_t& key : keys) {
      svm::va_range const span = spans_[random_.below(spans_.size())];
      key = span.start().value + random_.below(span.size().value);
    }
    return keys;
  }

 private:
  svm::mock::random random_;
  std::vector<svm::va_range> spans_;
  std::vector<std::uint32_t> leaving_;
};

struct object {
  svm::va_range span{{base}, {length}};
  std::uint64_t payload[22] = {};
};
static_assert(sizeof(object) == 192);

/// Objects of 192 bytes, as large as a range.
class objects {
 public:
  using type = object;
  void set(std::vector<svm::va_range> const& spans) {
    all_.resize(spans.size());
    for (std::size_t i = 0; i < spans.size(); ++i) all_[i].span = spans[i];
  }
  [[nodiscard]] std::span<object> all() { return all_; }
  static std::uint64_t first(object const& o) { return o.span.start().value; }
  static std::uint64_t last(object const& o) { return o.span.last().value; }

 private:
  std::vector<object> all_;
};

struct mapping;
struct types {
  struct object {};
  using mapping = ::mapping;
  using lock = svm::null_lock;
  using allocator = lean::counted_heap;
};
/// A gpuvm's mapping, aligned to a cache line as the library advises.
struct alignas(64) mapping : svm::gpu_mapping<types> {};

/// The mappings of a gpuvm.
class mappings {
 public:
  using type = mapping;
  void set(std::vector<svm::va_range> const& spans) {
    if (!all_) all_ = std::make_unique<mapping[]>(spans.size());
    count_ = spans.size();
    for (std::size_t i = 0; i < count_; ++i)
      all_[i].set_extent({.start = {spans[i].start().value}, .size = spans[i].size()});
  }
  [[nodiscard]] std::span<mapping> all() { return {all_.get(), count_}; }
  static std::uint64_t first(mapping const& m) { return m.start().value; }
  static std::uint64_t last(mapping const& m) { return m.last().value; }

 private:
  std::unique_ptr<mapping[]> all_;
  std::size_t count_ = 0;
};

/// The index of ranges, by itself: one for the whole of the window.
class chunk_index {
 public:
  using objects = ::objects;

  [[nodiscard]] bool insert(object& o) {
    svm::chunk_insertion const how = index_.insert_in_place(o);
    if (how != svm::chunk_insertion::takes_nodes) return how == svm::chunk_insertion::done;
    return index_.replenish(reservation_) == svm::errc::ok && index_.insert(reservation_, o) == nullptr;
  }
  void erase(object& o) { index_.erase(o); }
  [[nodiscard]] object const* find(std::uint64_t key) const { return index_.find({key}); }
  template <class Function>
  void for_each(Function&& function) const {
    index_.for_each(function);
  }
  [[nodiscard]] std::size_t size() const { return index_.size(); }

 private:
  struct traits {
    using entry = object;
    using address = svm::cpu_va;
    static svm::va_range interval_of(object const& o) { return o.span; }
  };
  using index = svm::chunk_index<traits, svm::null_lock, lean::counted_heap>;
  static svm::chunk_layout shape() {
    svm::byte_count const chunks[]{{length}, lean::page_size};
    return {{{0}, {std::uint64_t{1} << 47}}, chunks};
  }
  lean::counted_heap memory_;
  index::pool pool_{memory_, shape()};
  index::reserved_nodes reservation_;
  index index_{pool_, {base}};
};

/// A space of mappings; what it checks of them is in the time.
class gpuvm {
 public:
  using objects = mappings;

  [[nodiscard]] bool insert(mapping& m) { return space_.insert(m) == svm::errc::ok; }
  void erase(mapping& m) { space_.remove(m); }
  [[nodiscard]] mapping const* find(std::uint64_t key) const { return space_.find_at({key}); }
  template <class Function>
  void for_each(Function&& function) const {
    space_.for_each(function);
  }
  [[nodiscard]] std::size_t size() const { return space_.size(); }

 private:
  lean::counted_heap memory_;
  svm::gpuvm<types> space_{*svm::gpuvm_layout::make({0}, {std::uint64_t{1} << 48}), memory_};
};

/// The baseline for either.
template <class Objects>
struct std_map : baseline::ordered_map<typename Objects::type, Objects> {
  using objects = Objects;
};

/// Inserts objects and takes them out in an order.
template <class Index>
void insert_all(Index& index, typename Index::objects& what) {
  for (auto& o : what.all()) require(index.insert(o), "an insertion met an overlap");
}
template <class Index>
void erase_all(Index& index, typename Index::objects& what, std::vector<std::uint32_t> const& order) {
  for (std::uint32_t const i : order) index.erase(what.all()[i]);
}

/// A filled index.
template <class Index>
struct filled {
  filled(layout how, std::uint64_t n) : where(how, n) {
    std::int64_t const before = lean::done.heap_bytes;
    what.set(where.spans());
    insert_all(index, what);
    heap_bytes = lean::done.heap_bytes - before;
    require(index.size() == n, "not every object is in the index");
  }
  ~filled() { erase_all(index, what, where.leaving()); }
  filled(filled const&) = delete;
  filled& operator=(filled const&) = delete;

  places where;
  typename Index::objects what;
  Index index;
  std::int64_t heap_bytes;  ///< the index has
};

/// Each address depends on the result before it.
template <class Index>
void find(benchmark::State& state, layout how, std::uint64_t n) {
  auto& w = bench::kept<filled<Index>>(how, n);
  bench::meter meter{state, backend::none};
  std::size_t const batch = 100'000;
  std::uint64_t wrong = 0;
  for (auto _ : state) {
    std::vector<std::uint64_t> const keys = w.where.keys(batch);
    meter.time(batch, [&] {
      std::uint64_t nothing = 0;
      for (std::uint64_t const key : keys) {
        auto const* const found = w.index.find(key + nothing);
        wrong += found == nullptr;
        nothing = bench::zero_of(found);
      }
    });
    for (std::size_t i = 0; i < 100; ++i) {
      auto const* const found = w.index.find(keys[i]);
      wrong += found == nullptr || Index::objects::first(*found) > keys[i] || Index::objects::last(*found) < keys[i];
    }
  }
  if (w.heap_bytes != 0) meter.count("heap_bytes", static_cast<double>(w.heap_bytes) / static_cast<double>(n));
  if (wrong != 0) state.SkipWithError("a look-up found something else");
}

template <class Index>
void iterate(benchmark::State& state, layout how, std::uint64_t n) {
  auto& w = bench::kept<filled<Index>>(how, n);
  bench::meter meter{state, backend::none};
  std::uint64_t expected = 0;
  for (svm::va_range const span : w.where.spans()) expected += span.start().value;
  bool good = true;
  std::uint64_t const rounds = std::max<std::uint64_t>(1, 10'000 / n);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    meter.time(n * rounds, [&] {
      for (std::uint64_t r = 0; r < rounds; ++r)
        w.index.for_each([&](auto const& o) { sum += Index::objects::first(o); });
    });
    good = good && sum == expected * rounds;
  }
  if (!good) state.SkipWithError("the walk met other objects");
}

enum class timed : std::uint8_t { erase, both };

/// Fills an index and empties it again.
template <class Index>
void change(benchmark::State& state, timed part, layout how, std::uint64_t n) {
  struct emptied {
    emptied(layout l, std::uint64_t count) : where(l, count) {}
    places where;
    typename Index::objects what;
    Index index;
  };
  auto& w = bench::kept<emptied>(how, n);
  bench::meter meter{state, backend::none};
  std::uint64_t const rounds = std::max<std::uint64_t>(1, 10'000 / n);
  bool good = true;
  for (auto _ : state) {
    bench::nanoseconds spent{};
    for (std::uint64_t r = 0; r < rounds; ++r) {
      w.where.shuffle();
      w.what.set(w.where.spans());
      bench::nanoseconds const begin = bench::nanoseconds::now();
      insert_all(w.index, w.what);
      bench::nanoseconds const inserting = bench::nanoseconds::since(begin);
      good = good && w.index.size() == n;
      bench::nanoseconds const later = bench::nanoseconds::now();
      erase_all(w.index, w.what, w.where.leaving());
      bench::nanoseconds const erasing = bench::nanoseconds::since(later);
      good = good && w.index.size() == 0;
      if (part == timed::both) spent += inserting;
      spent += erasing;
    }
    meter.add(n * rounds, spent);
  }
  if (!good) state.SkipWithError("an object did not get in or out");
}

/// Ranges of a gpusvm, without pages.
struct ranges {
  ranges(layout how, std::uint64_t n) : where(how, n), system(length / 4096) {
    std::int64_t const before = lean::done.heap_bytes;
    for (svm::va_range const span : where.spans())
      require(system.insert(span.start().value), "a range could not be made");
    std::uint64_t const objects = n * system.range_size + system.notifiers() * system.notifier_size;
    heap_bytes = lean::done.heap_bytes - before - static_cast<std::int64_t>(objects);
  }
  places where;
  lean::system<svm::null_lock> system;
  std::int64_t heap_bytes;
};

/// gpusvm's way from an address to its range, which brings a reference with it.
void find_range(benchmark::State& state, layout how, std::uint64_t n) {
  auto& w = bench::kept<ranges>(how, n);
  bench::meter meter{state, backend::costless};
  std::size_t const batch = 100'000;
  std::uint64_t wrong = 0;
  for (auto _ : state) {
    std::vector<std::uint64_t> const keys = w.where.keys(batch);
    meter.time(batch, [&] {
      std::uint64_t nothing = 0;
      for (std::uint64_t const key : keys) {
        auto const found = w.system.driver.svm().find({key + nothing});
        wrong += !found;
        nothing = bench::zero_of(found.get());
      }
    });
    for (std::size_t i = 0; i < 100; ++i) wrong += w.system.find(keys[i]) != keys[i] / length * length;
  }
  meter.count("heap_bytes", static_cast<double>(w.heap_bytes) / static_cast<double>(n));
  if (wrong != 0) state.SkipWithError("a look-up found something else");
}

template <class Index>
void rows(bench::suite& s, std::string const& suffix, std::string const& name, layout how, std::uint64_t n) {
  std::string const arguments = suffix + '/' + name + bench::argument("ranges", n);
  s.row("index/find" + arguments, [=](benchmark::State& state) { find<Index>(state, how, n); });
  if (how == layout::sparse) return;
  s.row("index/iterate" + arguments, [=](benchmark::State& state) { iterate<Index>(state, how, n); });
  if (how == layout::dense)
    s.row("index/erase" + arguments, [=](benchmark::State& state) { change<Index>(state, timed::erase, how, n); });
  s.row("index/insert_erase" + arguments, [=](benchmark::State& state) { change<Index>(state, timed::both, how, n); });
}

template <class Lock>
void object_size(bench::suite& s, std::string const& name) {
  using system = lean::system<Lock>;
  s.row("index/object/" + name, [](benchmark::State& state) {
    bench::meter const meter{state, backend::costless};
    for (auto _ : state) state.SetIterationTime(1);
    state.counters["range_bytes"] = static_cast<double>(system::range_size);
    state.counters["notifier_bytes"] = static_cast<double>(system::notifier_size);
    state.counters["mapping_bytes"] = static_cast<double>(sizeof(svm::gpu_mapping<types>));
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  s.group([&] {
    object_size<svm::null_lock>(s, "null_lock");
    object_size<svm::std_lock>(s, "std_lock");
  });
  for (std::uint64_t const n : {1'000U, 10'000U, 100'000U, 1'000'000U}) {
    std::string const argument = bench::argument("ranges", n);
    s.group([&] {
      rows<std_map<objects>>(s, "_dense", "std_map", layout::dense, n);
      rows<chunk_index>(s, "_dense", "chunk_index", layout::dense, n);
      s.row("index/find_dense/gpusvm" + argument,
            [=](benchmark::State& state) { find_range(state, layout::dense, n); });
    });
    s.group([&] {
      rows<std_map<objects>>(s, "_sparse", "std_map", layout::sparse, n);
      rows<chunk_index>(s, "_sparse", "chunk_index", layout::sparse, n);
      s.row("index/find_sparse/gpusvm" + argument,
            [=](benchmark::State& state) { find_range(state, layout::sparse, n); });
    });
    s.group([&] {
      rows<std_map<mappings>>(s, "_unequal", "std_map", layout::unequal, n);
      rows<gpuvm>(s, "_unequal", "gpuvm", layout::unequal, n);
    });
  }
  return s.run();
}
