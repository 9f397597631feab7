// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Split and merge on workload gpuvm-bind-v1, beside a std::map that keeps its extents in place. Before anything is
// timed, both must produce the same steps, and for 1e4 mappings the step counts that the reference's C code produced.

#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/gpuvm/vm_bo.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/mock/machine/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/measure.hpp"
#include "support/ordered_map.hpp"

namespace {

using bench::require;

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t objects = 1024;

struct request {
  bool map;
  std::uint32_t object;
  std::uint64_t start, size, offset;  // in bytes
};

/// Workload gpuvm-bind-v1 for `count` prefilled mappings.
struct workload {
  std::vector<request> fill;
  std::vector<request> requests;

  static request canonical(std::uint64_t at, std::uint64_t pages) {
    return {true, static_cast<std::uint32_t>((at >> 12) % objects), at * page, pages * page, (at & 4095) * page};
  }

  explicit workload(std::uint64_t count) {
    svm::mock::random random{42};
    for (std::uint64_t i = 0; i < count; ++i) fill.push_back(canonical(64 * i, 32 + random.below(33)));
    for (std::uint64_t i = count; i > 1; --i) std::swap(fill[i - 1], fill[random.below(i)]);
    for (int i = 0; i < 100'000; ++i) {
      bool const map = random.below(100) < 75;
      std::uint64_t const c = random.below(100);
      std::uint64_t const pages = c < 50   ? 1 + random.below(16)
                                  : c < 98 ? 17 + random.below(112)
                                           : 129 + random.below(896);
      request r = canonical(random.below(64 * count - pages), pages);
      r.map = map;
      if (random.below(2) == 0) {  // drawn for unmaps too
        r.object = static_cast<std::uint32_t>(random.below(objects));
        r.offset = random.below(1 << 18) * page;
      }
      requests.push_back(r);
    }
  }

  static workload const& of(std::int64_t count) {
    static std::map<std::int64_t, std::unique_ptr<workload>> known;
    std::unique_ptr<workload>& w = known[count];
    if (!w) w = std::make_unique<workload>(static_cast<std::uint64_t>(count));
    return *w;
  }
};

/// Counts and hashes a stream of steps; the next one costs nothing.
struct fingerprint {
  std::uint64_t maps = 0, unmaps = 0, remaps = 0, keeps = 0, hash = 0;
  std::size_t live = 0;  // at the end

  void note(std::uint64_t kind, std::uint64_t start, std::uint64_t size, std::uint64_t prev, std::uint64_t next,
            bool keep) {
    (kind == 0 ? maps : kind == 1 ? unmaps : remaps) += 1;
    keeps += keep;
    for (std::uint64_t const word : {kind, start, size, prev, next, std::uint64_t{keep}})
      hash = (hash ^ word) * 0x100000001b3 + (hash >> 29);
  }
};
struct no_fingerprint {
  void note(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, bool) {}
};

/// Counts the calls, to prove that a warm space makes none.
struct counting_heap : svm::heap {
  std::uint64_t calls = 0;
  std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    ++calls;
    return svm::heap::allocate(size, alignment);
  }
};

enum class linking : bool { no, yes };

struct bind_mapping;
struct bind_object;
struct types {
  using mapping = bind_mapping;
  using object = bind_object;
  using lock = svm::null_lock;
  using allocator = counting_heap;
};
struct alignas(64) bind_mapping : svm::gpu_mapping<types> {};
struct bind_object {
  explicit bind_object(svm::gpuvm<types>& space) : bo(space, *this) {}
  svm::gpuvm_bo<types> bo;
};
using mapping = types::mapping;

/// The driver's mappings: a stack of free ones.
class mapping_store {
 public:
  explicit mapping_store(std::size_t capacity) : all_(std::make_unique<mapping[]>(capacity)) {
    free_.reserve(capacity);
    for (std::size_t i = capacity; i > 0; --i) free_.push_back(&all_[i - 1]);
  }
  mapping& take() {
    require(!free_.empty(), "out of mappings");
    mapping& m = *free_.back();
    free_.pop_back();
    return m;
  }
  void give(mapping& m) { free_.push_back(&m); }

 private:
  std::unique_ptr<mapping[]> all_;
  std::vector<mapping*> free_;
};

/// The library, with the requests applied in its callbacks.
template <linking Linking, class Fingerprint>
class library {
 public:
  explicit library(std::size_t count) : store_(3 * count + 4096), space_(layout(), heap_) {
    for (std::uint64_t i = 0; i < objects; ++i) objects_.push_back(std::make_unique<bind_object>(space_));
  }
  ~library() {
    space_.for_each([this](mapping& m) { drop(m); });
  }

  void apply(request const& r) {
    if (r.map)
      require(space_.sm_map(*this, {{r.start}, {r.size}, objects_[r.object].get(), r.offset}).error() == svm::errc::ok,
              "map");
    else
      require(space_.sm_unmap(*this, {r.start}, {r.size}).error() == svm::errc::ok, "unmap");
  }
  void reserve(std::size_t mappings) { require(space_.reserve(mappings) == svm::errc::ok, "no memory"); }
  std::size_t live() const { return space_.size(); }
  std::uint64_t allocations() const { return heap_.calls; }

  svm::errc map(svm::map_step<types>& step) {
    seen.note(0, step->extent.start.value, step->extent.size.value, 0, 0, false);
    mapping& fresh = store_.take();
    svm::errc const e = space_.map(step, fresh);
    link(fresh);
    return e;
  }
  svm::errc unmap(svm::unmap_step<types>& step) {
    seen.note(1, step->old.start.value, step->old.size.value, 0, 0, step->keep);
    space_.unmap(step);
    give_back(*step->mapping);
    return svm::errc::ok;
  }
  svm::errc remap(svm::remap_step<types>& step) {
    seen.note(2, step->old.start.value, step->old.size.value, step->prev_size.value, step->next_size.value, step->keep);
    if (!step->has_prev() || !step->has_next()) return space_.remap(step, step->prev, step->next);
    mapping& next = store_.take();
    svm::errc const e = space_.remap(step, step->prev, &next);
    link(next);
    return e;
  }

  Fingerprint seen;

 private:
  static svm::gpuvm_layout layout() { return *svm::gpuvm_layout::make({0}, {std::uint64_t{1} << 48}); }
  static void link(mapping& m) {
    if constexpr (Linking == linking::yes) svm::gpuvm_bo<types>::link(m, &m.object()->bo);
  }
  void drop(mapping& m) {
    space_.remove(m);
    give_back(m);
  }
  void give_back(mapping& m) {
    if constexpr (Linking == linking::yes) svm::gpuvm_bo<types>::unlink(m);
    store_.give(m);
  }

  counting_heap heap_;
  mapping_store store_;
  svm::gpuvm<types> space_;
  std::vector<std::unique_ptr<bind_object>> objects_;
};

/// The baseline: extents in the pooled nodes of a std::map, changed in place where that is possible.
template <class Fingerprint>
class std_map {
 public:
  explicit std_map(std::size_t) {}

  void apply(request const& r) {
    std::uint64_t const first = r.start, end = r.start + r.size;
    auto at = map_->upper_bound(first);
    if (at != map_->begin() && std::prev(at)->second.end > first) --at;
    while (at != map_->end() && at->first < end) {
      std::uint64_t const start = at->first;
      extent& old = at->second;
      bool const keep = r.map && old.object == r.object && old.offset - start == r.offset - first;
      std::uint64_t const prev = start < first ? first - start : 0;
      std::uint64_t const next = old.end > end ? old.end - end : 0;
      seen.note(prev + next == 0 ? 1 : 2, start, old.end - start, prev, next, keep);
      extent const behind{old.end, old.offset + (end - start), old.object};
      if (prev != 0) {
        old.end = first;
        ++at;
        if (next != 0) at = map_->emplace_hint(at, end, behind);
      } else if (next != 0) {
        auto node = map_->extract(at++);
        node.key() = end;
        node.mapped() = behind;
        at = map_->insert(at, std::move(node));
      } else {
        at = map_->erase(at);
      }
    }
    if (!r.map) return;
    seen.note(0, first, r.size, 0, 0, false);
    map_->emplace_hint(at, first, extent{end, r.offset, r.object});
  }
  std::size_t live() const { return map_->size(); }

  Fingerprint seen;

 private:
  struct extent {
    std::uint64_t end, offset;
    std::uint32_t object;
  };
  baseline::pooled_map<extent> map_;
};

template <class Space>
fingerprint trace(std::int64_t count) {
  workload const& w = workload::of(count);
  Space space(w.fill.size());
  for (request const& r : w.fill) space.apply(r);
  space.seen = {};
  for (request const& r : w.requests) space.apply(r);
  fingerprint f = space.seen;
  f.live = space.live();
  return f;
}

/// Both programs take the same steps, and for 1e4 those of the reference.
///
/// \return how many mappings are there at the end
std::size_t verify(std::int64_t count) {
  static std::map<std::int64_t, std::size_t> done;
  if (auto const known = done.find(count); known != done.end()) return known->second;
  fingerprint const ours = trace<library<linking::yes, fingerprint>>(count);
  fingerprint const theirs = trace<std_map<fingerprint>>(count);
  require(ours.hash == theirs.hash && ours.live == theirs.live, "the library and std::map took different steps");
  done[count] = ours.live;
  if (count != 10'000) return ours.live;
  require(ours.maps == 74'926 && ours.unmaps == 100'043, "the counts of maps or unmaps are not the reference's");
  require(ours.remaps == 110'818 && ours.keeps == 43'382, "the counts of remaps or keeps are not the reference's");
  require(ours.live == 18'379, "not 18379 mappings at the end of gpuvm-bind-v1 with 1e4");
  return ours.live;
}

/// The requests on a filled space, all of them in a batch; what filling takes is noted beside.
template <class Space>
void requests(benchmark::State& state, std::int64_t count) {
  std::size_t const live = verify(count);
  workload const& w = workload::of(count);
  bench::meter meter{state, bench::backend::none};
  bench::nanoseconds filling{};
  std::uint64_t fills = 0;
  for (auto _ : state) {
    Space space(w.fill.size());
    bench::nanoseconds const begin = bench::nanoseconds::now();
    for (request const& r : w.fill) space.apply(r);
    filling += bench::nanoseconds::since(begin);
    fills += w.fill.size();
    meter.time(w.requests.size(), [&] {
      for (request const& r : w.requests) space.apply(r);
    });
    require(space.live() == live, "the timed requests left other mappings");
  }
  meter.count("fill_ns", filling.cpu / static_cast<double>(fills));
}

/// Single requests, the cost of reading the clock included.
template <class Space>
void latency(benchmark::State& state, std::int64_t count) {
  std::size_t const live = verify(count);
  workload const& w = workload::of(count);
  bench::meter meter{state, bench::backend::none};
  std::vector<double> spent;
  for (auto _ : state) {
    Space space(w.fill.size());
    for (request const& r : w.fill) space.apply(r);
    spent.clear();
    meter.time(w.requests.size(), [&] {
      double before = bench::nanoseconds_of(CLOCK_MONOTONIC);
      for (request const& r : w.requests) {
        space.apply(r);
        double const after = bench::nanoseconds_of(CLOCK_MONOTONIC);
        spent.push_back(after - before);
        before = after;
      }
    });
    require(space.live() == live, "the timed requests left other mappings");
  }
  std::sort(spent.begin(), spent.end());
  meter.count("p50_ns", spent[spent.size() / 2]);
  meter.count("p99_ns", spent[spent.size() * 99 / 100]);
}

/// The requests on a space that has memory for all of its mappings: no request calls the allocator.
void warm(benchmark::State& state, std::int64_t count) {
  workload const& w = workload::of(count);
  library<linking::yes, no_fingerprint> space(w.fill.size());
  space.reserve(3 * w.fill.size());
  for (request const& r : w.fill) space.apply(r);
  std::uint64_t const before = space.allocations();
  bench::meter meter{state, bench::backend::none};
  for (auto _ : state)
    meter.time(w.requests.size(), [&] {
      for (request const& r : w.requests) space.apply(r);
    });
  meter.count("allocations", static_cast<double>(space.allocations() - before));
  if (space.allocations() != before) state.SkipWithError("a request on a warm space called the allocator");
}

using plain = library<linking::no, no_fingerprint>;
using linked = library<linking::yes, no_fingerprint>;
using in_place = std_map<no_fingerprint>;

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  for (std::int64_t const count : {1'000, 10'000, 100'000, 1'000'000}) {
    std::string const argument = bench::argument("mappings", static_cast<std::uint64_t>(count));
    s.group([&] {
      s.row("bind/requests/std_map" + argument, [=](benchmark::State& state) { requests<in_place>(state, count); });
      s.row("bind/requests/gpuvm" + argument, [=](benchmark::State& state) { requests<plain>(state, count); });
      s.row("bind/requests/gpuvm_linked" + argument, [=](benchmark::State& state) { requests<linked>(state, count); });
      s.row("bind/single/std_map" + argument, [=](benchmark::State& state) { latency<in_place>(state, count); });
      s.row("bind/single/gpuvm" + argument, [=](benchmark::State& state) { latency<plain>(state, count); });
      if (count == 10'000 || count == 100'000)
        s.row("bind/warm/gpuvm_linked" + argument, [=](benchmark::State& state) { warm(state, count); });
    });
  }
  return s.run();
}
