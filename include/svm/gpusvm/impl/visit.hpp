// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/gpusvm.hpp>

// gpusvm's lookups and iteration.

namespace svm::inline v0 {

template <explained_policies P>
template <class Visit>
void gpusvm<P>::for_each_notifier(va_range span, Visit&& visit) {
  shared_guard const guard{lock_};
  notifiers_.for_each_overlap(span, visit);
}

template <explained_policies P>
template <class Visit>
void gpusvm<P>::for_each_range(va_range span, Visit&& visit) {
  for_each_notifier(span, [&](notifier<P>& n) {
    shared_guard const guard{n.lock_};
    n.for_each_range_locked(span, [&](range<P> const& r) { visit(r); });
  });
}

template <explained_policies P>
range_ref<P> gpusvm<P>::first_in(va_range span) {
  range_ref<P> found;
  shared_guard const guard{lock_};
  for (notifier<P>* n = notifiers_.first_overlap(span); !found && n != nullptr && n->interval().overlaps(span);
       n = notifiers_.next(*n)) {
    shared_guard const range_guard{n->lock_};
    if (range<P>* const r = n->ranges_.first_overlap(span)) found = range_ref<P>::share(*r);
  }
  return found;
}

template <explained_policies P>
bool gpusvm<P>::has_mapping(va_range span) {
  bool found = false;
  for_each_range(span, [&](range<P> const&) { found = true; });
  return found;
}

template <explained_policies P>
result<cpu_va> gpusvm<P>::find_vma_start(va_range span) {
  mm_user const user{env_.mm};
  if (!user.alive()) return errc::mm_gone;
  shared_guard const map_guard{env_.mm.map_lock()};
  result<vma_info> const vma = env_.mm.find_first_vma(span);
  if (!vma) return vma.error();
  return vma->extent.start();
}

template <explained_policies P>
bool gpusvm<P>::check() {
  bool good = true;
  shared_guard const guard{lock_};
  good = notifiers_.check();
  notifiers_.for_each([&](notifier<P>& n) {
    shared_guard const range_guard{n.lock_};
    good = good && n.interval() == aligned_block(n.interval().start(), shape_.notifier_size()) && !n.retired_ &&
           !n.ranges_.empty() && n.ranges_.check();
    n.ranges_.for_each([&](range<P>& r) {
      bool chunk_size = false;
      for (byte_count const size : shape_.chunks()) chunk_size = chunk_size || size == r.interval().size();
      good = good && chunk_size && r.interval().is_aligned(r.interval().size()) &&
             n.interval().contains(r.interval()) && shape_.window().contains(r.interval()) &&
             !r.has(range_flag::removed);
    });
  });
  return good;
}

}  // namespace svm::inline v0
