// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/gpuvm.hpp>

// How a gpuvm changes: directly, and by the steps of a request.

namespace svm::inline v0 {

template <class Types>
inline errc gpuvm<Types>::insert(mapping& m) {
  SVM_ASSERT(!m.inserted_);
  if (errc const e = check_request(m.extent()); e != errc::ok) return e;
  if (errc const e = provide_nodes(nodes_per_request); e != errc::ok) return e;
  if (index_.first_overlap(m.range()) != nullptr) return errc::exists;
  put_in_found(m);
  return errc::ok;
}

template <class Types>
inline errc gpuvm<Types>::insert(map_operation<Types> const& operation, mapping& fresh) {
  extent const& e = operation.extent;
  if (errc const bad = check_request(e); bad != errc::ok) return bad;
  return put_in_if_free(e, fresh);
}

template <class Types>
inline void gpuvm<Types>::remove(mapping& m) {
  SVM_ASSERT(m.inserted_);
  index_.erase(m);
  m.inserted_ = false;
  changed();
}

template <class Types>
inline errc gpuvm<Types>::replace(remap_operation<Types> const& operation, mapping* prev, mapping* next) {
  if (!operation.mapping->inserted_ || operation.mapping->extent() != operation.old) return errc::stale;
  if (prev != nullptr && next != nullptr)
    if (errc const e = provide_nodes(nodes_per_insert); e != errc::ok) return e;
  split(nodes_, operation, prev, next);
  return errc::ok;
}

template <class Types>
inline errc gpuvm<Types>::map(map_step<Types>& step, mapping& fresh) {
  SVM_ASSERT(step.is_open(*this));
  errc const e = put_in_if_free(step->extent, fresh);
  if (e == errc::ok) step.state_ = map_step<Types>::state::taken;
  return e;
}

template <class Types>
inline void gpuvm<Types>::unmap(unmap_step<Types>& step) {
  SVM_ASSERT(step.is_open(*this));
  mapping& m = *step->mapping;
  SVM_ASSERT(m.inserted_);
  index_.erase_later(m);
  m.inserted_ = false;
  changed();
  step.state_ = unmap_step<Types>::state::taken;
}

template <class Types>
inline errc gpuvm<Types>::remap(remap_step<Types>& step, mapping* prev, mapping* next) {
  SVM_ASSERT(step.is_open(*this));
  mapping& old = *step->mapping;
  if (!old.inserted_ || old.extent() != step->old) return errc::stale;
  if (prev != &old || next != nullptr || !step->has_prev() || step->has_next()) return remap_apart(step, prev, next);
  // A mapping that only loses its back keeps its place in the index.
  changed();
  old.size_ = step->prev_size;
  step.state_ = remap_step<Types>::state::taken;
  return errc::ok;
}

// Not inlined, so that `remap` is.
template <class Types>
[[gnu::noinline]] errc gpuvm<Types>::remap_apart(remap_step<Types>& step, mapping* prev, mapping* next) {
  if (prev != nullptr && next != nullptr)
    if (errc const e = provide_nodes(nodes_per_insert); e != errc::ok) return e;
  split(nodes_, *step, prev, next, step.map_follows_);
  step.state_ = remap_step<Types>::state::taken;
  return errc::ok;
}

template <class Types>
inline errc gpuvm<Types>::put_in_if_free(extent const& e, mapping& fresh) {
  if (index_.first_overlap(e.range()) != nullptr) return errc::exists;
  if (errc const bad = provide_nodes(nodes_per_insert); bad != errc::ok) return bad;
  fresh.set_extent(e);
  put_in_found(fresh);
  return errc::ok;
}

template <class Types>
inline void gpuvm<Types>::put_in_found(mapping& m) {
  index_.insert_found(nodes_, m);
  m.inserted_ = true;
  changed();
}

template <class Types>
inline void gpuvm<Types>::put_in(typename index::reserved_nodes& nodes, mapping& m) {
  index_.insert_apart(nodes, m);
  m.inserted_ = true;
  changed();
}

template <class Types>
inline void gpuvm<Types>::split(typename index::reserved_nodes& nodes, remap_operation<Types> const& operation,
                                mapping* prev, mapping* next, bool map_follows) {
  SVM_ASSERT((prev != nullptr) == operation.has_prev() && (next != nullptr) == operation.has_next());
  SVM_ASSERT(prev != next);
  changed();
  mapping& old = *operation.mapping;
  mapping& stays = prev != nullptr ? *prev : *next;  // takes the old one's place in the index
  if (&stays != &old) {
    SVM_ASSERT(!stays.inserted_);
    stays.change_extent(prev != nullptr ? operation.prev_extent() : operation.next_extent());
    index_.replace(old, stays);
    old.inserted_ = false;
    stays.inserted_ = true;
  } else if (prev == nullptr) {
    stays.change_extent(operation.next_extent());
    index_.rekey(stays, operation.old.start);
  } else {
    stays.size_ = operation.prev_size;
  }
  if (prev == nullptr || next == nullptr) return;
  next->set_extent(operation.next_extent());
  if (map_follows)
    index_.insert_beyond(nodes, *next);
  else
    index_.insert_apart(nodes, *next);
  next->inserted_ = true;
}

template <class Types>
inline void gpuvm<Types>::join(remap_operation<Types> const& operation) {
  changed();
  if (operation.prev != nullptr && operation.next != nullptr) remove(*operation.next);
  mapping& old = *operation.mapping;
  mapping& stays = operation.prev != nullptr ? *operation.prev : *operation.next;
  gpu_va const start = stays.start();
  old.change_extent(operation.old);
  if (&stays != &old) {
    index_.replace(stays, old);
    stays.inserted_ = false;
    old.inserted_ = true;
  } else if (operation.prev == nullptr) {
    index_.rekey(old, start);
  }
}

}  // namespace svm::inline v0
