// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/base/intrusive_chain.hpp>
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

/// The first and the last range that a device has mapped, of those that an event met.
template <svm_policies P>
class touched_ranges {
 public:
  void add(range<P> const& r) {
    if (first_ == nullptr) first_ = &r;
    last_ = &r;
  }
  [[nodiscard]] bool any() const { return first_ != nullptr; }
  /// What the device has to forget.
  ///
  /// \pre any()
  [[nodiscard]] va_range hull(invalidation const& event) const {
    return met_part(*first_, event).hull(met_part(*last_, event));
  }

 private:
  range<P> const* first_ = nullptr;
  range<P> const* last_ = nullptr;
};

/// Ends the mappings of all ranges that an event met, which leaves the ranges.
///
/// One walk: the mappings for `device` stand in a list until it has forgotten them.
/// \pre the notifier's lock is held exclusive
template <svm_policies P>
void end_mappings(notifier<P>& owner, invalidation const& event, typename P::device& device)
    SVM_REQUIRES(owner.lock()) {
  touched_ranges<P> touched;
  intrusive_chain<device_mapping<P>> given_up;
  bool is_all = true;  // what the device has to forget stands in the list
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    owner.lock().assert_held();
    if (device_mapping<P>& own = owner.own_mapping_locked(r); own.give_up()) {
      touched.add(r);
      given_up.push_back(own);
    }
    owner.for_each_other_mapping_locked(r, [&](device_mapping<P>& p) {
      if (!p.invalidate()) return;
      if (&p.env().device != &device) {
        p.env().device.invalidate(r.interval());
        p.unmap();
      } else {  // a further one for the same device
        touched.add(r);
        is_all = false;
      }
    });
    if (!invalidate_partial(r, event)) return;
    touched.add(r);
    is_all = false;
  });
  if (!touched.any()) return;
  device.invalidate(touched.hull(event));
  given_up.take_all([](device_mapping<P>& p) { p.end_given_up(); });
  if (is_all) return;
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    owner.lock().assert_held();
    owner.unmap_pages_locked(r, met_part(r, event));
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
  bool const in_two = two_pass_device<typename P::device> && passes == invalidation_passes::two;
  if (!in_two && event.cause != invalidation_cause::unmap) {
    detail::end_mappings(owner, event, device);
    return invalidation_answer::done;
  }
  constexpr std::size_t remembered = 32;  // so that a small event walks once
  range<P>* met[remembered];
  std::size_t count = 0;
  detail::touched_ranges<P> touched;
  owner.for_each_range_locked(event.span, [&](range<P>& r) {
    owner.lock().assert_held();
    if (count < remembered) met[count] = &r;
    ++count;
    owner.for_each_mapping_locked(r, [&](device_mapping<P>& p) {
      if (!p.invalidate()) return;
      if (&p.env().device == &device)
        touched.add(r);
      else
        p.env().device.invalidate(r.interval());
    });
    if (detail::invalidate_partial(r, event)) touched.add(r);
  });
  if constexpr (two_pass_device<typename P::device>) {
    if (in_two && touched.any()) {
      device.begin_invalidate(touched.hull(event));
      owner.begin_pending_locked(touched.hull(event));
      return invalidation_answer::pending;
    }
  }
  if (touched.any()) device.invalidate(touched.hull(event));
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
