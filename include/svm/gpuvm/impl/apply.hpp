// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/op_list.hpp>

// gpuvm_op_list::apply and revert.

namespace svm::inline v0 {

template <class Types>
template <class Driver>
errc gpuvm_op_list<Types>::apply(Driver& driver) {
  static_assert(op_list_driver<Driver, Types>,
                "svm: a driver of lists needs `errc map(map_operation<Types>&)`, `errc remap(remap_operation<Types>&)` "
                "and `errc unmap(unmap_operation<Types>&)`; one for sm_map is another driver");
  if (state_ != state::planned || stamp_ != vm_.version_) return errc::stale;
  for (std::size_t i = 0; i < size_; ++i) {
    errc e = operations_[i].dispatch(driver);
    if (e == errc::ok && !operations_[i].is_complete()) e = errc::step_not_taken;
    if (e != errc::ok) {
      undo(driver, i);
      return e;
    }
  }
  for (operation& op : *this) commit(op);
  before_ = stamp_;
  stamp_ = vm_.version_;
  state_ = state::applied;
  return errc::ok;
}

template <class Types>
template <class Driver>
errc gpuvm_op_list<Types>::revert(Driver& driver) {
  if (state_ != state::applied || stamp_ != vm_.version_) return errc::stale;
  for (std::size_t i = size_; i > 0; --i) take_back(operations_[i - 1]);
  vm_.version_ = before_;  // so that the list that was applied before this one can be reverted too
  undo(driver, size_);
  state_ = state::reverted;
  return errc::ok;
}

template <class Types>
template <class Driver>
void gpuvm_op_list<Types>::undo(Driver& driver, std::size_t count) {
  if constexpr (requires { driver.undo(operations_[0]); })
    for (std::size_t i = count; i > 0; --i) driver.undo(operations_[i - 1]);
}

template <class Types>
void gpuvm_op_list<Types>::commit(operation& op) {
  if (map_operation<Types>* const map = op.as_map()) {
    map->mapping->set_extent(map->extent);
    vm_.put_in(nodes_, *map->mapping);
  } else if (remap_operation<Types>* const remap = op.as_remap()) {
    vm_.split(nodes_, *remap, remap->prev, remap->next);
  } else if (unmap_operation<Types>* const unmap = op.as_unmap()) {
    vm_.remove(*unmap->mapping);
  }
}

template <class Types>
void gpuvm_op_list<Types>::take_back(operation& op) {
  if (map_operation<Types>* const map = op.as_map())
    vm_.remove(*map->mapping);
  else if (remap_operation<Types>* const remap = op.as_remap())
    vm_.join(*remap);
  else if (unmap_operation<Types>* const unmap = op.as_unmap())
    vm_.put_in(nodes_, *unmap->mapping);
}

}  // namespace svm::inline v0
