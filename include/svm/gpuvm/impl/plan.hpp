// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/op_list.hpp>
#include <svm/gpuvm/split_merge.hpp>

// How a gpuvm_op_list gets its operations.

namespace svm::inline v0 {

template <class Types>
errc gpuvm_op_list<Types>::plan_map(extent const& request) {
  clear();
  if (errc const e = vm_.check_request(request); e != errc::ok) return e;
  index const& mappings = vm_.index_;
  return planned(detail::split_merge<Types>(mappings, request, appender()), placement::together);
}

template <class Types>
errc gpuvm_op_list<Types>::plan_unmap(gpu_va start, byte_count size) {
  clear();
  if (errc const e = vm_.layout_.check(start, size); e != errc::ok) return e;
  index const& mappings = vm_.index_;
  std::uint64_t const last = extent{start, size}.last().value;
  extent const* const no_request = nullptr;
  return planned(detail::vacate<Types>(mappings, start.value, last, no_request, appender()), placement::together);
}

template <class Types>
errc gpuvm_op_list<Types>::plan_prefetch(gpu_va start, byte_count size) {
  clear();
  if (errc const e = vm_.layout_.check_window(start, size); e != errc::ok) return e;
  index const& mappings = vm_.index_;
  return planned(
      mappings.try_each_overlap({start, size}, [&](mapping& m) { return append(prefetch_operation<Types>{&m}); }),
      placement::together);
}

template <class Types>
errc gpuvm_op_list<Types>::plan_split(gpu_va start, byte_count size) {
  clear();
  if (errc const e = vm_.layout_.check(start, size); e != errc::ok) return e;
  index const& mappings = vm_.index_;
  std::uint64_t const last = extent{start, size}.last().value;
  return planned(detail::split_only<Types>(mappings, start.value, last, appender()), placement::together);
}

template <class Types>
errc gpuvm_op_list<Types>::plan_object_unmap(gpuvm_bo<Types>& bo) {
  clear();
  SVM_ASSERT(&bo.space() == &vm_);
  errc failed = errc::ok;
  bo.for_each([&](mapping& m) {
    if (failed == errc::ok && m.is_inserted()) failed = append(unmap_operation<Types>{&m, m.extent(), false});
  });
  sort_unmaps();
  return planned(failed, placement::anywhere);
}

template <class Types>
template <class Operation>
errc gpuvm_op_list<Types>::append(Operation const& added) {
  if (size_ == capacity_)
    if (errc const e = grow(capacity_ == 0 ? 4 : 2 * capacity_); e != errc::ok) return e;
  ::new (&operations_[size_]) operation(added);
  ++size_;
  return errc::ok;
}

template <class Types>
errc gpuvm_op_list<Types>::grow(std::size_t capacity) {
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

template <class Types>
void gpuvm_op_list<Types>::free_operations() {
  if (operations_ == nullptr) return;
  vm_.memory_.deallocate(reinterpret_cast<std::byte*>(operations_), capacity_ * sizeof(operation), alignof(operation));
}

template <class Types>
errc gpuvm_op_list<Types>::planned(errc outcome, placement where) {
  if (outcome == errc::ok) outcome = vm_.pool_.replenish(nodes_, nodes_needed(size_, where));
  if (outcome != errc::ok) size_ = 0;
  return outcome;
}

template <class Types>
std::size_t gpuvm_op_list<Types>::nodes_needed(std::size_t operations, placement where) const {
  using tree = detail::index_tree<typename index::pool, vm::fanout>;
  std::size_t one = 2;  // what an insertion takes at most: a node a level, and a root
  for (std::size_t pairs = (vm_.size() + 2) / 2; pairs >= tree::min_fill; pairs /= tree::min_fill) ++one;
  if (where == placement::together) return 4 * one + operations / (vm::fanout / 2 - 2) + 1;

  constexpr std::size_t after_split = vm::fanout + 1 - tree::min_fill;
  std::size_t nodes = one;
  std::size_t wide = vm_.size() / (after_split + 1);  // nodes of a level that may split sooner than others
  for (std::size_t added = operations; added != 0; wide /= tree::min_fill) {
    std::size_t const splits = wide + added / tree::min_fill;
    if (splits < added) added = splits;
    nodes += added;
  }
  return nodes;
}

template <class Types>
void gpuvm_op_list<Types>::sort_unmaps() {
  for (std::size_t i = size_ / 2; i > 0; --i) sift(i - 1, size_);
  for (std::size_t n = size_; n > 1; --n) {
    swap(0, n - 1);
    sift(0, n - 1);
  }
}

template <class Types>
void gpuvm_op_list<Types>::sift(std::size_t at, std::size_t size) {
  for (std::size_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && below(child, child + 1)) ++child;
    if (!below(at, child)) return;
    swap(at, child);
    at = child;
  }
}

template <class Types>
void gpuvm_op_list<Types>::swap(std::size_t a, std::size_t b) {
  operation const kept = operations_[a];
  operations_[a] = operations_[b];
  operations_[b] = kept;
}

}  // namespace svm::inline v0
