// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/gpuvm_types.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/layout.hpp>
#include <svm/gpuvm/mapping.hpp>
#include <svm/gpuvm/operation.hpp>
#include <svm/gpuvm/split_merge.hpp>
#include <svm/index/interval_index.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace svm::inline v0 {

template <class Types>
class gpuvm_list;

/// A GPU's own VA space: which addresses are mapped to what, and what has to happen when a request changes that.
///
///     window    |---------------------------------------------|
///                 |--a--||---b---|    |==reserved==|   |--c--|
///
/// The space owns no mapping: the driver allocates them, puts them in and takes them out, and frees them. What the
/// space allocates is index nodes, and only where a function says so.
///
/// Invariants: 1. mappings lie inside the window, outside the reserved part, and do not overlap. 2. the index holds
/// just the mappings that say `is_inserted()`.
/// Threads: the driver's lock, see `gpuvm_types`. The space does not move.
/// \complexity O(log size) for every function, unless it says otherwise
template <class Types>
class gpuvm {
  static_assert(gpuvm_types<Types>);

 public:
  using mapping = typename Types::mapping;
  using object = typename Types::object;
  using extent = gpu_extent<Types>;

  /// \pre `memory` outlives the space
  gpuvm(gpuvm_layout const& layout, typename Types::allocator& memory)
      : layout_(layout), memory_(memory), pool_(memory), index_(pool_) {
    static_assert(std::derived_from<mapping, gpu_mapping<Types>>, "a mapping derives from svm::gpu_mapping<Types>");
  }
  gpuvm(gpuvm const&) = delete;
  gpuvm& operator=(gpuvm const&) = delete;
  /// \pre empty(); no list of the space is left
  ~gpuvm() { SVM_ASSERT_OP(size(), ==, 0u); }

  [[nodiscard]] gpuvm_layout const& layout() const { return layout_; }
  [[nodiscard]] bool empty() const { return index_.empty(); }
  /// The number of mappings.
  ///
  /// \complexity O(1)
  [[nodiscard]] std::size_t size() const { return index_.size(); }
  /// True when the invariants hold.
  ///
  /// \complexity O(size)
  [[nodiscard]] bool check() const {
    bool good = index_.check();
    for_each([&](mapping& m) { good = good && m.inserted_ && check_request(m.extent()) == errc::ok; });
    return good;
  }

  /// Whether a request for this extent may be asked for at all.
  ///
  /// \errors empty_interval, interval_wraps (of the addresses or of the offsets), outside_window (it leaves the window
  ///         or touches the reserved part)
  [[nodiscard]] errc check_request(extent const& e) const {
    if (errc const bad = layout_.check(e.start, e.size); bad != errc::ok) return bad;
    return e.size.value - 1 > UINT64_MAX - e.offset ? errc::interval_wraps : errc::ok;
  }

  /// Takes the index nodes for `mappings` mappings in advance: nothing more is allocated until there are more of them,
  /// but by lists.
  ///
  /// \errors no_memory; what was reserved before stays
  [[nodiscard]] errc reserve(std::size_t mappings) {
    return pool_.replenish(nodes_, index::nodes_of(mappings) + nodes_per_request);
  }

  // ---- Looking up. None of these allocates.

  /// True when neither a mapping nor the reserved part has an address in the range.
  [[nodiscard]] bool interval_empty(gpu_range r) const {
    return !layout_.touches_reserved(r) && find_first(r) == nullptr;
  }
  /// The mapping that contains an address, or null.
  [[nodiscard]] mapping* find_at(gpu_va a) const { return index_.find(a); }
  /// The mapping of just this range, or null.
  [[nodiscard]] mapping* find(gpu_range r) const {
    mapping* const m = index_.around(r.start()).below;
    return m != nullptr && m->start() == r.start() && m->size() == r.size() ? m : nullptr;
  }
  /// The lowest mapping that has an address in the range, or null.
  [[nodiscard]] mapping* find_first(gpu_range r) const { return index_.first_overlap(r); }
  /// The mapping that ends where `start` is, or null.
  ///
  /// \source drm_gpuva_find_prev(); unlike it, this never returns the mapping that starts there
  [[nodiscard]] mapping* find_prev(gpu_va start) const {
    if (start.value == 0) return nullptr;
    mapping* const m = index_.around({start.value - 1}).below;
    return m != nullptr && m->last().value == start.value - 1 ? m : nullptr;
  }
  /// The mapping that starts at `end`, or null.
  ///
  /// \source drm_gpuva_find_next(); unlike it, this never returns a mapping that starts further up
  [[nodiscard]] mapping* find_next(gpu_va end) const {
    mapping* const m = index_.around(end).below;
    return m != nullptr && m->start() == end ? m : nullptr;
  }

  /// The lowest mapping, or null.
  [[nodiscard]] mapping* first() const { return index_.first(); }
  /// The mapping above `m`, adjacent or not, or null.
  ///
  /// \pre `m` is in the space
  [[nodiscard]] mapping* next(mapping const& m) const { return index_.next(m); }
  /// The mapping below `m`, adjacent or not, or null.
  ///
  /// \pre `m` is in the space
  [[nodiscard]] mapping* previous(mapping const& m) const { return index_.previous(m); }

  /// Calls `function(mapping&)` for every mapping in order. The function may remove any mapping, end its life, and
  /// insert others: the walk goes on above the last address of the mapping that it was called with.
  ///
  /// \complexity O(size), and O(log size) for a call that changes the space
  template <class Function>
  void for_each(Function&& function) const {
    index_.for_each(function);
  }
  /// The same for the mappings that have an address in the range.
  template <class Function>
  void for_each_overlap(gpu_range r, Function&& function) const {
    index_.for_each_overlap(r, function);
  }

  // ---- Changing the space directly.

  /// Inserts a mapping with the extent that it was given.
  ///
  /// \pre not in a space
  /// \errors what `check_request` says, exists (there is a mapping already), no_memory; the space is unchanged
  /// \allocs index nodes, seldom: what an insertion needs at most is kept ready
  [[nodiscard]] errc insert(mapping& m) {
    SVM_ASSERT(!m.inserted_);
    if (errc const e = check_request(m.extent()); e != errc::ok) return e;
    if (errc const e = pool_.replenish(nodes_, nodes_per_request); e != errc::ok) return e;
    if (index_.first_overlap(m.range()) != nullptr) return errc::exists;
    put_in(nodes_, m);
    return errc::ok;
  }

  /// Takes a mapping out.
  ///
  /// \pre in this space; it need not be unlinked before
  /// \allocs none
  void remove(mapping& m) {
    SVM_ASSERT(m.inserted_);
    index_.erase(m);
    m.inserted_ = false;
    changed();
  }

  // ---- Taking a step, from a driver's callback or at any other time before the space changes otherwise.

  /// Inserts `fresh` with the extent of the step.
  ///
  /// \errors, \allocs as for `insert`, but none in a callback of `sm_map` that takes each step once
  [[nodiscard]] errc map(map_step<Types> const& step, mapping& fresh) {
    if (errc const e = check_request(step.extent); e != errc::ok) return e;
    if (index_.first_overlap(step.extent.range()) != nullptr) return errc::exists;
    if (errc const e = provide_nodes(); e != errc::ok) return e;
    fresh.set_extent(step.extent);
    put_in(nodes_, fresh);
    return errc::ok;
  }

  /// Takes the mapping of the step out.
  ///
  /// \pre the mapping is as it was when the step was made
  /// \allocs none
  void unmap(unmap_step<Types> const& step) { remove(*step.mapping); }

  /// Replaces the mapping of the step by `prev` and `next`, one of which may be the mapping itself.
  ///
  /// A mapping that is used again keeps its links and whatever the driver has in it; the other is the driver's to link.
  /// \pre `prev` is given if and only if the step has one, and `next` likewise; a fresh one is not in a space
  /// \errors stale (the mapping is not in the space, or no longer what it was), no_memory; the space is unchanged
  /// \allocs none in a callback of `sm_map` or `sm_unmap` that takes each step once
  /// \source drm_gpuva_remap(); unlike it, nothing is removed before it is certain that all of it succeeds
  [[nodiscard]] errc remap(remap_step<Types> const& step, mapping* prev, mapping* next) {
    if (!step.mapping->inserted_ || step.mapping->extent() != step.old) return errc::stale;
    if (prev != nullptr && next != nullptr)
      if (errc const e = provide_nodes(); e != errc::ok) return e;
    split(nodes_, step, prev, next);
    return errc::ok;
  }

  // ---- Requests, as callbacks on a driver. `gpuvm_list` has them as lists.

  /// Makes room for a mapping and asks for it: the driver gets the steps in the order of their addresses, and the map
  /// step of the request last.
  ///
  /// A callback may use `map`, `unmap` and `remap` with its step, or note the step for later.
  /// \errors what `check_request` says, no_memory: no step was taken. The error of a callback, which ends the request
  ///         at once: the steps before it stand, and the space is what the driver made of it. A list is all or nothing.
  /// \allocs index nodes before the first callback, seldom: what a request needs at most is kept ready
  /// \source drm_gpuvm_sm_map()
  template <map_driver<Types> Driver>
  [[nodiscard]] errc sm_map(Driver& driver, extent const& request) {
    if (errc const e = check_request(request); e != errc::ok) return e;
    if (errc const e = pool_.replenish(nodes_, nodes_per_request); e != errc::ok) return e;
    return split_merge<Types>(index_, request.start.value, request.last().value, &request,
                              [&](auto& step) { return take(driver, step); });
  }

  /// Asks for a range to be vacated; see `sm_map`.
  ///
  /// \source drm_gpuvm_sm_unmap()
  template <unmap_driver<Types> Driver>
  [[nodiscard]] errc sm_unmap(Driver& driver, gpu_va start, byte_count size) {
    if (errc const e = layout_.check(start, size); e != errc::ok) return e;
    if (errc const e = pool_.replenish(nodes_, nodes_per_request); e != errc::ok) return e;
    return split_merge<Types>(index_, start.value, extent{start, size}.last().value,
                              static_cast<extent const*>(nullptr), [&](auto& step) { return take(driver, step); });
  }

 private:
  friend gpuvm_list<Types>;

  struct mapping_traits {
    using entry = mapping;
    using address = gpu_va;
    static gpu_range interval_of(mapping const& m) { return m.range(); }
  };
  using index =
      interval_index<mapping_traits, typename Types::lock, typename Types::allocator, 32, index_memory::last_leaf>;

  /// A request inserts two mappings at most: the second part of the one that it cuts twice, and its own; and a
  /// split-only request two that are not neighbours.
  static constexpr std::size_t nodes_per_insert = index::nodes_for(0);
  static constexpr std::size_t nodes_per_request = 2 * nodes_per_insert;

  template <class Driver, class Step>
  [[nodiscard]] static errc take(Driver& driver, Step& step) {
    if constexpr (std::is_same_v<Step, unmap_step<Types>>)
      return driver.unmap(step);
    else if constexpr (std::is_same_v<Step, remap_step<Types>>)
      return driver.remap(step);
    else if constexpr (map_driver<Driver, Types>)
      return driver.map(step);
    else
      return errc::unsupported;
  }

  /// A version that was gone comes back only when a list is reverted, with the state that it stood for.
  void changed() { version_ = ++newest_version_; }

  [[nodiscard]] errc provide_nodes() {
    return nodes_.credit() >= nodes_per_insert ? errc::ok : pool_.replenish(nodes_, nodes_per_insert);
  }

  /// \pre nothing overlaps it
  void put_in(typename index::reservation& nodes, mapping& m) {
    index_.insert_apart(nodes, m);
    m.inserted_ = true;
    changed();
  }

  void split(typename index::reservation& nodes, remap_step<Types> const& step, mapping* prev, mapping* next) {
    SVM_ASSERT((prev != nullptr) == step.has_prev() && (next != nullptr) == step.has_next());
    SVM_ASSERT(prev != next);
    changed();
    mapping& old = *step.mapping;
    mapping& stays = prev != nullptr ? *prev : *next;  // takes the old one's place in the index
    stays.change_extent(prev != nullptr ? step.prev_extent() : step.next_extent());
    if (&stays != &old) {
      SVM_ASSERT(!stays.inserted_);
      index_.replace(old, stays);
      old.inserted_ = false;
      stays.inserted_ = true;
    } else if (prev == nullptr) {
      index_.rekey(stays, step.old.start);
    }
    if (prev != nullptr && next != nullptr) {
      next->set_extent(step.next_extent());
      put_in(nodes, *next);
    }
  }

  /// Undoes `split`.
  void join(remap_step<Types> const& step) {
    changed();
    if (step.prev != nullptr && step.next != nullptr) remove(*step.next);
    mapping& old = *step.mapping;
    mapping& stays = step.prev != nullptr ? *step.prev : *step.next;
    gpu_va const start = stays.start();
    old.change_extent(step.old);
    if (&stays != &old) {
      index_.replace(stays, old);
      stays.inserted_ = false;
      old.inserted_ = true;
    } else if (step.prev == nullptr) {
      index_.rekey(old, start);
    }
  }

  gpuvm_layout layout_;
  typename Types::allocator& memory_;
  typename index::pool pool_;
  typename index::reservation nodes_;
  index index_;
  std::uint64_t version_ = 0;  // tells a list whether the space is still what it was
  std::uint64_t newest_version_ = 0;
};

}  // namespace svm::inline v0
