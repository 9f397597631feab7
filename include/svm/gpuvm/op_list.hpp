// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/operation.hpp>
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
class gpuvm_op_list {
  using vm = gpuvm<Types>;
  using index = typename vm::index;

 public:
  using operation = gpuvm_operation<Types>;
  using mapping = typename Types::mapping;
  using extent = gpu_extent<Types>;

  /// \pre `space` outlives the list
  explicit gpuvm_op_list(vm& space) : vm_(space) {}
  gpuvm_op_list(gpuvm_op_list const&) = delete;
  gpuvm_op_list& operator=(gpuvm_op_list const&) = delete;
  ~gpuvm_op_list() { free_operations(); }

  [[nodiscard]] operation* begin() { return operations_; }
  [[nodiscard]] operation* end() { return operations_ + size_; }
  [[nodiscard]] operation const* begin() const { return operations_; }
  [[nodiscard]] operation const* end() const { return operations_ + size_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// True after `apply`, until `revert` or the next request.
  [[nodiscard]] bool is_applied() const { return state_ == state::applied; }

  /// Takes the memory for a list of `operations`: planning one of no more does not allocate while the space has no more
  /// mappings than now.
  ///
  /// \errors no_memory; what was reserved before stays
  [[nodiscard]] errc reserve(std::size_t operations) {
    std::size_t const together = nodes_needed(operations, placement::together);
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
  [[nodiscard]] errc plan_map(extent const& request);
  /// Plans what `gpuvm::sm_unmap` would do; see `plan_map`.
  [[nodiscard]] errc plan_unmap(gpu_va start, byte_count size);
  /// Plans a prefetch of each mapping that has an address in the range, in ascending order.
  ///
  /// \errors empty_interval, interval_wraps, outside_window (it leaves the window), no_memory
  /// \source drm_gpuvm_prefetch_ops_create(); unlike it, this checks the range, and skips the reserved part
  [[nodiscard]] errc plan_prefetch(gpu_va start, byte_count size);
  /// Plans that mappings without an object begin and end where the range does, so that an attribute can be set on just
  /// that part.
  ///
  /// A mapping that the range cuts is remapped, and the part inside mapped again. Others stay as they are.
  /// \errors as for `plan_unmap`
  /// \source drm_gpuvm_madvise_ops_create(), linux 7.0
  [[nodiscard]] errc plan_split(gpu_va start, byte_count size);
  /// Plans an unmap of every linked mapping of an object in this space, in ascending order.
  ///
  /// \pre `bo` is of this space; the lock of the object's list of mappings is held, see `gpuvm_object::lists_held`
  /// \errors no_memory; the list is empty then
  /// \complexity O(n log n) for n mappings
  /// \source drm_gpuvm_gem_unmap_ops_create(); unlike it, this leaves the object's mappings in other spaces alone
  [[nodiscard]] errc plan_object_unmap(gpuvm_bo<Types>& bo);

  /// Adds an operation that only the driver understands.
  ///
  /// \errors no_memory; nothing was added
  [[nodiscard]] errc append(driver_operation<Types> const& own) {
    SVM_ASSERT(state_ == state::planned);
    if (size_ == 0) stamp_ = vm_.version_;
    return append<driver_operation<Types>>(own);
  }

  /// Applies all operations, or none.
  ///
  /// First the driver gets each operation, in order, while the space is still as it was. It does its part, and names
  /// the mappings in `map_operation::mapping`, `remap_operation::prev` and `remap_operation::next`. When it refuses
  /// one, it gets `undo(operation)`, if it has that, for those before it, the last one first. Otherwise the space makes
  /// all of the changes. The mappings that `operation::released` tells of are out of the space then. They have to live
  /// as long as the driver wants to be able to revert.
  /// \errors stale (the space has changed since the list was planned), what the driver returned, step_not_taken (the
  ///         driver said ok and left out a mapping); the space is unchanged
  /// \allocs none
  /// \complexity O(size of the list * log size of the space)
  template <class Driver>
  [[nodiscard]] errc apply(Driver& driver);

  /// Puts the space back to what it was before `apply`, and has the driver undo its part, the last operation first.
  ///
  /// Of lists that were applied one after the other, the last one comes first.
  ///
  /// \pre the mappings that were released are alive and as they were
  /// \errors stale (the list is not applied, or the space has changed since); nothing was done
  /// \allocs none
  template <class Driver>
  [[nodiscard]] errc revert(Driver& driver);

 private:
  enum class state : std::uint8_t { planned, applied, reverted };
  /// Whether the mappings that leave the space are neighbours; it decides how many nodes it takes to put them back.
  enum class placement : bool { together, anywhere };

  /// The most index nodes that it takes to apply `operations` operations on the space of now and to revert them.
  ///
  /// Let S be the mappings of the space, L = 1 + log12((S + 2) / 2) the levels of its index, I = L + 1, and n the
  /// operations. Neighbours take 4 I + n / 14 + 1. Others take I + s(0) + s(1) + ..., where s(-1) = n and
  /// s(k) = min(s(k - 1), S / (22 * 12^k) + s(k - 1) / 12). README.md has the proof.
  [[nodiscard]] std::size_t nodes_needed(std::size_t operations, placement where) const;

  [[nodiscard]] auto appender() {
    return [this](auto const& added) { return this->append(added); };
  }
  template <class Operation>
  [[nodiscard]] errc append(Operation const& added);
  [[nodiscard]] errc grow(std::size_t capacity);
  void free_operations();
  /// Ends a planning: keeps the list, or empties it when something failed.
  [[nodiscard]] errc planned(errc outcome, placement where);

  template <class Driver>
  void undo(Driver& driver, std::size_t count);
  void commit(operation& op);
  void take_back(operation& op);

  /// Sorts the unmaps by address: a heap sort, which takes no memory and has no bad case.
  void sort_unmaps();
  void sift(std::size_t at, std::size_t size);
  [[nodiscard]] bool below(std::size_t a, std::size_t b) const {
    return operations_[a].as_unmap()->old.start < operations_[b].as_unmap()->old.start;
  }
  void swap(std::size_t a, std::size_t b);

  vm& vm_;
  typename index::reserved_nodes nodes_;
  operation* operations_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::uint64_t stamp_ = 0;   // the version of the space when the list was planned or applied
  std::uint64_t before_ = 0;  // and before it was applied
  state state_ = state::planned;
};

}  // namespace svm::inline v0

#include <svm/gpuvm/impl/apply.hpp>
#include <svm/gpuvm/impl/plan.hpp>
