// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/driver/garbage_collector.hpp>
#include <svm/gpusvm/notifier.hpp>

namespace svm::inline v0 {

namespace detail {

/// What the devices forget of a range that an event met: all of it; of a range that is mapped page by page its part of
/// the event, unless the range ends.
template <svm_policies P>
[[nodiscard]] va_range met_part([[maybe_unused]] range<P> const& r, [[maybe_unused]] invalidation const& event) {
  if constexpr (page_wise_policies<P>)
    if (r.partial() != nullptr && event.cause != invalidation_cause::unmap)
      return event.span.intersection(r.interval());
  return r.interval();
}

/// Makes the pages of an event invalid in a range that is mapped page by page; false when none of them is mapped.
template <svm_policies P>
[[nodiscard]] bool invalidate_partial([[maybe_unused]] range<P>& r, [[maybe_unused]] invalidation const& event) {
  if constexpr (page_wise_policies<P>)
    if (partial_mapping<P>* const p = r.partial()) return p->invalidate(p->pages_of(met_part(r, event)));
  return false;
}

/// Ends the DMA mappings of what an event met of a range; an unmap also marks it and queues it for collection.
///
/// \pre the notifier's lock is held exclusive, and the devices have forgotten the range
template <svm_policies P>
void end_range(notifier<P>& owner, range<P>& r, invalidation const& event, garbage_collector<P>& collector)
    SVM_REQUIRES(owner.lock()) {
  owner.unmap_pages_locked(r, met_part(r, event));
  if (event.cause != invalidation_cause::unmap) return;
  owner.set_unmapped_locked(r, event.span);
  collector.enqueue(r);
}

/// The same for all ranges that an event met.
///
/// \pre the notifier's lock is held exclusive, and the devices have forgotten the ranges
template <svm_policies P>
void end_ranges(notifier<P>& owner, invalidation const& event, garbage_collector<P>& collector)
    SVM_REQUIRES(owner.lock()) {
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    owner.lock().assert_held();
    end_range(owner, r, event, collector);
  });
}

}  // namespace detail

/// Ends every device access to the span of an event, or starts to end it: the work of a driver's notifier callback.
///
/// For all ranges that the event meets: `valid` is cleared, so that nothing new is bound. The gpusvm's device forgets
/// them with one flush that covers exactly these ranges; every other device with a mapping attached forgets it. Only
/// then their DMA mappings end. Where two passes are allowed and the device has them, this only starts the flush;
/// `finish_invalidating` does the rest.
///
/// \pre    the notifier's lock is held exclusive
/// \allocs none
/// \complexity O(log ranges + ranges met + their blocks)
/// \source xe_svm_invalidate(); the flush covers the whole of every range it met (erratum 3.4.1)
template <svm_policies P>
[[nodiscard]] invalidation_answer invalidate_ranges(notifier<P>& owner, invalidation const& event,
                                                    garbage_collector<P>& collector, invalidation_passes passes)
    SVM_REQUIRES(owner.lock()) {
  typename P::device& device = owner.env().device;
  constexpr std::size_t remembered = 32;  // so that a small event walks once
  range<P>* met[remembered];
  std::size_t count = 0;
  range<P> const* first = nullptr;  // that this device has mapped
  range<P> const* last = nullptr;
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    owner.lock().assert_held();
    if (count < remembered) met[count] = &r;
    ++count;
    auto const remember = [&] {
      if (first == nullptr) first = &r;
      last = &r;
    };
    owner.for_each_mapping_locked(r, [&](device_mapping<P>& p) {
      if (!p.invalidate()) return;
      if (&p.env().device != &device)
        p.env().device.invalidate(r.interval());
      else
        remember();
    });
    if (detail::invalidate_partial(r, event)) remember();
  });
  bool const any = first != nullptr;
  va_range const touched = any ? detail::met_part(*first, event).hull(detail::met_part(*last, event)) : event.span;
  if constexpr (two_pass_device<typename P::device>) {
    if (any && passes == invalidation_passes::two) {
      device.begin_invalidate(touched);
      owner.begin_pending_locked(touched);
      return invalidation_answer::pending;
    }
  }
  if (any) device.invalidate(touched);
  if (count > remembered)
    detail::end_ranges(owner, event, collector);
  else
    for (std::size_t i = 0; i < count; ++i) detail::end_range(owner, *met[i], event, collector);
  return invalidation_answer::done;
}

/// Waits for the flush that `invalidate_ranges` left pending, then ends the DMA mappings.
///
/// \pre the notifier's lock is held exclusive
template <svm_policies P>
void finish_invalidating(notifier<P>& owner, invalidation const& event, garbage_collector<P>& collector)
    SVM_REQUIRES(owner.lock()) {
  if constexpr (two_pass_device<typename P::device>) {
    owner.env().device.finish_invalidate(owner.end_pending_locked());
    detail::end_ranges(owner, event, collector);
  }
}

}  // namespace svm::inline v0
