// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/dump.hpp>
#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/gpuvm_types.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/layout.hpp>
#include <svm/gpuvm/mapping.hpp>
#include <svm/gpuvm/operation.hpp>
#include <svm/gpuvm/step.hpp>
#include <svm/index/interval_index.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace svm::inline v0 {

template <class Types>
class gpuvm_op_list;

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

  /// Calls `function(mapping&)` for every mapping in order.
  ///
  /// The function may remove any mapping, end its life, and insert others. The walk goes on above the last address of
  /// the mapping that it was called with.
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
  [[nodiscard]] errc insert(mapping& m);
  /// Inserts `fresh` with the extent of a step that was put off.
  ///
  /// \pre, \errors, \allocs as above
  [[nodiscard]] errc insert(map_operation<Types> const& operation, mapping& fresh);

  /// Takes a mapping out.
  ///
  /// \pre in this space; it need not be unlinked before
  /// \allocs none
  void remove(mapping& m);

  /// Puts `prev` and `next` where a mapping is, for a step that was put off; see `remap`.
  ///
  /// \pre, \errors as for `remap`
  /// \allocs index nodes, seldom
  [[nodiscard]] errc replace(remap_operation<Types> const& operation, mapping* prev, mapping* next);

  // ---- What a callback of `sm_map` or `sm_unmap` does with its step. The step has to be open, and of this space.

  /// Inserts `fresh` with the extent of the step.
  ///
  /// \pre the step is open; `fresh` is not in a space
  /// \errors exists (a mapping is in the way, since a step before was put off), no_memory; the step stays open, and the
  ///         space is unchanged
  /// \allocs none, if the callbacks insert nothing but what their steps ask for
  [[nodiscard]] errc map(map_step<Types>& step, mapping& fresh);

  /// Takes the mapping of the step out.
  ///
  /// \pre the step is open, and its mapping is as it was
  /// \allocs none
  void unmap(unmap_step<Types>& step);

  /// Replaces the mapping of the step by `prev` and `next`, one of which may be the mapping itself.
  ///
  /// A mapping that is used again keeps its links and whatever the driver has in it; the other is the driver's to link.
  /// \pre the step is open; `prev` is given if and only if the step has one, and `next` likewise; a fresh one is not in
  ///      a space
  /// \errors stale (the mapping is not in the space, or no longer what it was), no_memory; the step stays open, and the
  ///         space is unchanged
  /// \allocs as for `map`
  /// \source drm_gpuva_remap(); unlike it, nothing is removed before it is certain that all of it succeeds
  [[nodiscard]] errc remap(remap_step<Types>& step, mapping* prev, mapping* next);

  /// Puts a step off, and returns what the driver has to do later: with `insert`, `remove` or `replace`.
  ///
  /// The steps of a request build on each other. A driver that puts one off puts off those behind it too. It makes the
  /// changes in the order of the steps, before the space changes otherwise.
  /// \pre the step is open
  template <class Operation>
  [[nodiscard]] Operation later(gpuvm_step<Types, Operation>& step) {
    SVM_ASSERT(step.is_open(*this));
    step.state_ = gpuvm_step<Types, Operation>::state::put_off;
    return *step;
  }

  // ---- Requests, as callbacks on a driver. `gpuvm_op_list` has them as lists.

  /// Makes room for a mapping and asks for it: the driver gets the steps in the order of their addresses, and the map
  /// step of the request last.
  ///
  /// A callback takes its step with `map`, `unmap` or `remap`, or puts it off with `later`, and says ok.
  /// \errors what `check_request` says, no_memory: no callback was called, and the space is unchanged.
  ///         step_not_taken (a callback said ok, and its step is open), what a callback returns: the request ends
  ///         there. That step changed nothing unless the callback took it. Those before it stand, and those behind it
  ///         were not handed out. So the space is what the first `taken()` steps made of it, and unchanged when that is
  ///         0. A list is all or nothing.
  /// \allocs index nodes before the first callback, seldom: what a request needs at most is kept ready
  /// \source drm_gpuvm_sm_map()
  template <class Driver>
  sm_result sm_map(Driver& driver, extent const& request);

  /// Asks for a range to be vacated; see `sm_map`.
  ///
  /// \source drm_gpuvm_sm_unmap()
  template <class Driver>
  sm_result sm_unmap(Driver& driver, gpu_va start, byte_count size);

  // ---- Printing.

  /// Prints the space, and its mappings in order, a line each.
  ///
  /// \allocs none
  /// \complexity O(size)
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out) const;

 private:
  friend gpuvm_op_list<Types>;

  struct mapping_traits {
    using entry = mapping;
    using address = gpu_va;
    static gpu_range interval_of(mapping const& m) { return m.range(); }
  };
  static constexpr unsigned fanout = 64;
  using index =
      interval_index<mapping_traits, typename Types::lock, typename Types::allocator, fanout, index_memory::last_leaf>;

  /// A request inserts two mappings at most: the second part of the one that it cuts twice, and its own.
  static constexpr std::size_t nodes_per_insert = index::nodes_for(0);
  static constexpr std::size_t nodes_per_request = 2 * nodes_per_insert;

  /// Calls the driver with a step for the operation, and looks what became of it.
  template <class Driver, class Operation>
  [[nodiscard]] errc hand_out(Driver& driver, Operation const& operation, bool map_follows, sm_result& done);

  /// Only a revert uses the number of a version again, and it restores that state.
  void changed() { version_ = ++newest_version_; }

  [[nodiscard]] errc provide_nodes(std::size_t nodes) {
    return nodes_.credit() >= nodes ? errc::ok : pool_.replenish(nodes_, nodes);
  }

  [[nodiscard]] errc remap_apart(remap_step<Types>& step, mapping* prev, mapping* next);
  [[nodiscard]] errc put_in_if_free(extent const& e, mapping& fresh);
  /// Puts in what the index has just found no mapping in the way of.
  void put_in_found(mapping& m);
  /// \pre nothing overlaps it
  void put_in(typename index::reserved_nodes& nodes, mapping& m);
  void split(typename index::reserved_nodes& nodes, remap_operation<Types> const& operation, mapping* prev,
             mapping* next, bool map_follows = false);
  /// Undoes `split`.
  void join(remap_operation<Types> const& operation);

  gpuvm_layout layout_;
  typename Types::allocator& memory_;
  typename index::pool pool_;
  typename index::reserved_nodes nodes_;
  index index_;
  std::uint64_t version_ = 0;  // tells a list whether the space is still what it was
  std::uint64_t newest_version_ = 0;
};

}  // namespace svm::inline v0

#include <svm/gpuvm/impl/change.hpp>
#include <svm/gpuvm/impl/dump.hpp>
#include <svm/gpuvm/impl/request.hpp>
