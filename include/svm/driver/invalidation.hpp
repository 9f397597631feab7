// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/garbage_collector.hpp>
#include <svm/gpusvm/notifier.hpp>

namespace svm::inline v0 {

/// Ends every device access to what an event covers: what a driver's notifier callback does.
///
/// For all ranges that the event meets: nothing new is bound (`valid` is cleared), the device forgets them with one
/// flush that covers exactly these ranges, and only then their DMA mappings end. An unmap also marks them and queues
/// them for collection.
///
/// \pre    the notifier's lock is held exclusive
/// \allocs none
/// \complexity O(log ranges + ranges met + their blocks)
/// \source xe_svm_invalidate(); the flush covers the whole of every range it met (erratum 3.4.1)
template <policies P>
void invalidate_ranges(notifier<P>& owner, invalidation const& event, garbage_collector<P>& collector) {
  bool any = false;
  va_range touched = event.span;
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    if (!r.mapping().has(page_flag::mapped)) return;
    owner.invalidate_pages_locked(r);
    touched = any ? touched.hull(r.interval()) : r.interval();
    any = true;
  });
  if (any) owner.env().device.invalidate(touched);
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    owner.unmap_pages_locked(r);
    if (event.cause != invalidation_cause::unmap) return;
    owner.set_unmapped_locked(r, event.span);
    collector.enqueue(r);
  });
}

}  // namespace svm::inline v0
