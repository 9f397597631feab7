// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/operation.hpp>
#include <svm/gpuvm/split_merge.hpp>
#include <svm/gpuvm/vm_bo.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace svm::inline v0 {

/// The operations of one request on a space, to be looked at as often as one likes, and then applied or dropped.
///
///     planned --apply()--> applied --revert()--> reverted; from each of them back to planned with plan_*()
///
/// All memory that applying and reverting once need is taken when the list is planned. The space must not change
/// otherwise between planning and applying, nor between applying and reverting: both then return `stale` and do
/// nothing.
///
/// Threads: a list belongs to one thread at a time. Planning needs the driver's lock on the space shared, applying and
/// reverting exclusive.
/// \source struct drm_gpuva_ops, drm_gpuvm_*_ops_create()
template <class Types>
class gpuvm_list {
  using vm = gpuvm<Types>;
  using index = typename vm::index;

 public:
  using operation = gpuvm_operation<Types>;
  using mapping = typename Types::mapping;
  using extent = gpu_extent<Types>;

  /// \pre `space` outlives the list
  explicit gpuvm_list(vm& space) : vm_(space) {}
  gpuvm_list(gpuvm_list const&) = delete;
  gpuvm_list& operator=(gpuvm_list const&) = delete;
  ~gpuvm_list() { free_operations(); }

  [[nodiscard]] operation* begin() { return operations_; }
  [[nodiscard]] operation* end() { return operations_ + size_; }
  [[nodiscard]] operation const* begin() const { return operations_; }
  [[nodiscard]] operation const* end() const { return operations_ + size_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// True after `apply`, until `revert` or the next request.
  [[nodiscard]] bool is_applied() const { return state_ == state::applied; }

  /// Takes the memory for a list of `operations`, so that planning one of no more does not allocate.
  ///
  /// \errors no_memory; what was reserved before stays
  [[nodiscard]] errc reserve(std::size_t operations) {
    std::size_t const together = nodes_needed(operations, placement::together);  // the more for a short list
    std::size_t const anywhere = nodes_needed(operations, placement::anywhere);
    std::size_t const most = together < anywhere ? anywhere : together;
    if (errc const e = vm_.pool_.replenish(nodes_, most); e != errc::ok) return e;
    return operations <= capacity_ ? errc::ok : grow(operations);
  }

  /// Forgets the operations; the memory stays for the next request.
  void clear() {
    size_ = 0;
    state_ = state::planned;
    stamp_ = vm_.version_;
  }

  /// Plans what `gpuvm::sm_map` would do.
  ///
  /// \errors as for sm_map, and no_memory; the list is empty then. The space does not change in any case.
  /// \allocs operations and index nodes, unless `reserve` or an earlier request did
  /// \source drm_gpuvm_sm_map_ops_create()
  [[nodiscard]] errc plan_map(extent const& request) {
    clear();
    if (errc const e = vm_.check_request(request); e != errc::ok) return e;
    index const& mappings = vm_.index_;
    return planned(split_merge<Types>(mappings, request.start.value, request.last().value, &request, appender()),
                   placement::together);
  }
  /// Plans what `gpuvm::sm_unmap` would do; see `plan_map`.
  [[nodiscard]] errc plan_unmap(gpu_va start, byte_count size) {
    clear();
    if (errc const e = vm_.layout_.check(start, size); e != errc::ok) return e;
    index const& mappings = vm_.index_;
    return planned(split_merge<Types>(mappings, start.value, extent{start, size}.last().value,
                                      static_cast<extent const*>(nullptr), appender()),
                   placement::together);
  }
  /// Plans a prefetch of each mapping that has an address in the range, in ascending order.
  ///
  /// \errors empty_interval, interval_wraps, outside_window (it leaves the window), no_memory
  /// \source drm_gpuvm_prefetch_ops_create(); unlike it, this checks the range, and skips the reserved part
  [[nodiscard]] errc plan_prefetch(gpu_va start, byte_count size) {
    clear();
    if (errc const e = vm_.layout_.check_window(start, size); e != errc::ok) return e;
    index const& mappings = vm_.index_;
    return planned(
        mappings.try_each_overlap({start, size}, [&](mapping& m) { return append(prefetch_step<Types>{&m}); }),
        placement::together);
  }
  /// Plans that mappings without an object begin and end where the range does; see `split_only`.
  [[nodiscard]] errc plan_split(gpu_va start, byte_count size) {
    clear();
    if (errc const e = vm_.layout_.check(start, size); e != errc::ok) return e;
    index const& mappings = vm_.index_;
    return planned(split_only<Types>(mappings, start.value, extent{start, size}.last().value, appender()),
                   placement::together);
  }
  /// Plans an unmap of every linked mapping of an object in this space, in ascending order.
  ///
  /// \pre `bo` is of this space; the lock of the object's list of mappings is held, see `gpuvm_object::lists_held`
  /// \complexity O(n log n) for n mappings
  /// \source drm_gpuvm_gem_unmap_ops_create(); unlike it, this leaves the object's mappings in other spaces alone
  [[nodiscard]] errc plan_object_unmap(gpuvm_bo<Types>& bo) {
    clear();
    SVM_ASSERT(&bo.space() == &vm_);
    errc failed = errc::ok;
    bo.for_each([&](mapping& m) {
      if (failed == errc::ok && m.is_inserted()) failed = append(unmap_step<Types>{&m, m.extent(), false});
    });
    sort_unmaps();
    return planned(failed, placement::anywhere);
  }

  /// Adds an operation that only the driver understands.
  ///
  /// \errors no_memory; nothing was added
  [[nodiscard]] errc append(driver_step<Types> const& step) {
    SVM_ASSERT(state_ == state::planned);
    if (size_ == 0) stamp_ = vm_.version_;
    return append<driver_step<Types>>(step);
  }

  /// Takes all steps, or none.
  ///
  /// First the driver gets each step, in order: it does its part, and names the mappings in `map_step::mapping`,
  /// `remap_step::prev` and `remap_step::next`; the space is still as it was. When the driver refuses a step, it gets
  /// `undo(operation)`, if it has that, for those before it, the last one first. Otherwise the space takes all of them.
  /// The mappings that `operation::released` tells of are then out of the space, and alive as long as the driver
  /// wants to be able to revert.
  /// \errors stale (the space has changed since the list was planned), what the driver returned; the space is unchanged
  /// \allocs none
  /// \complexity O(size of the list * log size of the space)
  template <map_driver<Types> Driver>
  [[nodiscard]] errc apply(Driver& driver) {
    if (state_ != state::planned || stamp_ != vm_.version_) return errc::stale;
    for (std::size_t i = 0; i < size_; ++i)
      if (errc const e = operations_[i].dispatch(driver); e != errc::ok) {
        undo(driver, i);
        return e;
      }
    for (operation& op : *this) commit(op);
    before_ = stamp_;
    stamp_ = vm_.version_;
    state_ = state::applied;
    return errc::ok;
  }

  /// Puts the space back to what it was before `apply`, and has the driver undo its steps, the last one first.
  ///
  /// Of lists that were applied one after the other, the last one comes first.
  ///
  /// \pre the mappings that were released are alive and as they were
  /// \errors stale (the list is not applied, or the space has changed since); nothing was done
  /// \allocs none
  template <class Driver>
  [[nodiscard]] errc revert(Driver& driver) {
    if (state_ != state::applied || stamp_ != vm_.version_) return errc::stale;
    for (std::size_t i = size_; i > 0; --i) take_back(operations_[i - 1]);
    vm_.version_ = before_;  // so that the list that was applied before this one can be reverted too
    undo(driver, size_);
    state_ = state::reverted;
    return errc::ok;
  }

 private:
  enum class state : std::uint8_t { planned, applied, reverted };
  /// Whether unmapped mappings were neighbours; it decides how many nodes it takes to put them back.
  enum class placement : bool { together, anywhere };

  /// How many index nodes it takes to apply and to revert.
  ///
  /// A leaf that lost mappings to its neighbours has room for 8 at least; and what splits a full one above it came from
  /// more than as many leaves. So one node for each mapping is more than enough, wherever it stood.
  [[nodiscard]] static std::size_t nodes_needed(std::size_t operations, placement where) {
    return vm::nodes_per_request + (where == placement::together ? index::nodes_for(operations) : operations);
  }

  [[nodiscard]] auto appender() {
    return [this](auto const& step) { return this->append(step); };
  }

  template <class Step>
  [[nodiscard]] errc append(Step const& step) {
    if (size_ == capacity_)
      if (errc const e = grow(capacity_ == 0 ? 4 : 2 * capacity_); e != errc::ok) return e;
    ::new (&operations_[size_]) operation(step);
    ++size_;
    return errc::ok;
  }

  [[nodiscard]] errc grow(std::size_t capacity) {
    std::byte* const place = capacity > SIZE_MAX / sizeof(operation)
                                 ? nullptr
                                 : vm_.memory_.allocate(capacity * sizeof(operation), alignof(operation));
    if (place == nullptr) return errc::no_memory;
    operation* const wider = reinterpret_cast<operation*>(place);
    for (std::size_t i = 0; i < size_; ++i) ::new (&wider[i]) operation(operations_[i]);
    free_operations();
    operations_ = wider;
    capacity_ = capacity;
    return errc::ok;
  }

  void free_operations() {
    if (operations_ == nullptr) return;
    vm_.memory_.deallocate(reinterpret_cast<std::byte*>(operations_), capacity_ * sizeof(operation),
                           alignof(operation));
  }

  /// Ends a planning: keeps the list, or empties it when something failed.
  [[nodiscard]] errc planned(errc outcome, placement where) {
    if (outcome == errc::ok) outcome = vm_.pool_.replenish(nodes_, nodes_needed(size_, where));
    if (outcome != errc::ok) size_ = 0;
    return outcome;
  }

  template <class Driver>
  void undo(Driver& driver, std::size_t count) {
    if constexpr (requires { driver.undo(operations_[0]); })
      for (std::size_t i = count; i > 0; --i) driver.undo(operations_[i - 1]);
  }

  void commit(operation& op) {
    if (map_step<Types>* const map = op.as_map()) {
      SVM_ASSERT(map->mapping != nullptr);
      map->mapping->set_extent(map->extent);
      vm_.put_in(nodes_, *map->mapping);
    } else if (remap_step<Types>* const remap = op.as_remap()) {
      vm_.split(nodes_, *remap, remap->prev, remap->next);
    } else if (unmap_step<Types>* const unmap = op.as_unmap()) {
      vm_.remove(*unmap->mapping);
    }
  }

  void take_back(operation& op) {
    if (map_step<Types>* const map = op.as_map())
      vm_.remove(*map->mapping);
    else if (remap_step<Types>* const remap = op.as_remap())
      vm_.join(*remap);
    else if (unmap_step<Types>* const unmap = op.as_unmap())
      vm_.put_in(nodes_, *unmap->mapping);
  }

  /// Sorts the unmap steps by address: a heap sort, which takes no memory and has no bad case.
  void sort_unmaps() {
    for (std::size_t i = size_ / 2; i > 0; --i) sift(i - 1, size_);
    for (std::size_t n = size_; n > 1; --n) {
      swap(0, n - 1);
      sift(0, n - 1);
    }
  }
  void sift(std::size_t at, std::size_t size) {
    for (std::size_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && below(child, child + 1)) ++child;
      if (!below(at, child)) return;
      swap(at, child);
      at = child;
    }
  }
  [[nodiscard]] bool below(std::size_t a, std::size_t b) const {
    return operations_[a].as_unmap()->old.start < operations_[b].as_unmap()->old.start;
  }
  void swap(std::size_t a, std::size_t b) {
    operation const kept = operations_[a];
    operations_[a] = operations_[b];
    operations_[b] = kept;
  }

  vm& vm_;
  typename index::reservation nodes_;
  operation* operations_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::uint64_t stamp_ = 0;   // the version of the space when the list was planned or applied
  std::uint64_t before_ = 0;  // and before it was applied
  state state_ = state::planned;
};

}  // namespace svm::inline v0
