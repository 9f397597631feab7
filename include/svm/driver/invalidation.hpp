// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/driver/garbage_collector.hpp>
#include <svm/gpusvm/notifier.hpp>

namespace svm::inline v0 {

/// Ends the DMA mappings of a range that an event met; an unmap also marks it and queues it for collection.
///
/// \pre the notifier's lock is held exclusive, and the devices have forgotten the range
template <svm_policies P>
void end_range(notifier<P>& owner, range<P>& r, invalidation const& event, garbage_collector<P>& collector) {
  owner.unmap_pages_locked(r);
  if (event.cause != invalidation_cause::unmap) return;
  owner.set_unmapped_locked(r, event.span);
  collector.enqueue(r);
}

/// The same for all ranges that an event met.
///
/// \pre the notifier's lock is held exclusive, and the devices have forgotten the ranges
template <svm_policies P>
void end_ranges(notifier<P>& owner, invalidation const& event, garbage_collector<P>& collector) {
  owner.for_each_range_locked(event.span, [&](range<P>& r) { end_range(owner, r, event, collector); });
}

/// Ends every device access to what an event covers, or starts to: what a driver's notifier callback does.
///
/// For all ranges that the event meets: nothing new is bound (`valid` is cleared), the gpusvm's device forgets them with
/// one flush that covers exactly these ranges, every other device with a mapping attached forgets it, and only then
/// their DMA mappings end. Where two passes are allowed and the device has them, the flush is only started here, and
/// `finish_invalidating` does what comes after it.
///
/// \pre    the notifier's lock is held exclusive
/// \allocs none
/// \complexity O(log ranges + ranges met + their blocks)
/// \source xe_svm_invalidate(); the flush covers the whole of every range it met (erratum 3.4.1)
template <svm_policies P>
[[nodiscard]] invalidation_answer invalidate_ranges(notifier<P>& owner, invalidation const& event,
                                                    garbage_collector<P>& collector, invalidation_passes passes) {
  typename P::device& device = owner.env().device;
  constexpr std::size_t remembered = 32;  // so that a small event walks once
  range<P>* met[remembered];
  std::size_t count = 0;
  range<P> const* first = nullptr;  // that this device has mapped
  range<P> const* last = nullptr;
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    if (count < remembered) met[count] = &r;
    ++count;
    r.for_each_mapping_locked([&](device_mapping<P>& p) {
      if (!p.invalidate()) return;
      if (&p.env().device != &device) {
        p.env().device.invalidate(r.interval());
        return;
      }
      if (first == nullptr) first = &r;
      last = &r;
    });
  });
  bool const any = first != nullptr;
  va_range const touched = any ? first->interval().hull(last->interval()) : event.span;
  if constexpr (two_pass_device<typename P::device>) {
    if (any && passes == invalidation_passes::two) {
      device.begin_invalidate(touched);
      owner.begin_pending_locked(touched);
      return invalidation_answer::pending;
    }
  }
  if (any) device.invalidate(touched);
  if (count > remembered)
    end_ranges(owner, event, collector);
  else
    for (std::size_t i = 0; i < count; ++i) end_range(owner, *met[i], event, collector);
  return invalidation_answer::done;
}

/// Waits for the flush that `invalidate_ranges` left pending, then ends the DMA mappings.
///
/// \pre the notifier's lock is held exclusive
template <svm_policies P>
void finish_invalidating(notifier<P>& owner, invalidation const& event, garbage_collector<P>& collector) {
  if constexpr (two_pass_device<typename P::device>) {
    owner.env().device.finish_invalidate(owner.end_pending_locked());
    end_ranges(owner, event, collector);
  }
}

}  // namespace svm::inline v0
