// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/intrusive_list.hpp>
#include <svm/gpusvm/gpusvm.hpp>

namespace svm::inline v0 {

/// Removes the ranges whose memory the CPU unmapped, outside the invalidation that found them.
///
/// An invalidation may only mark a range; the range then blocks its addresses until it is collected, so a fault handler
/// collects before it looks anything up.
///
/// Invariants: 1. a range stands in the queue at most once. 2. it is marked unmapped. 3. the queue holds a reference on
/// it.
/// \source drivers/gpu/drm/xe/xe_svm.c, xe_svm_garbage_collector(); it evicts what a partial unmap left (erratum 3.4.4)
template <policies P>
class garbage_collector {
 public:
  explicit garbage_collector(gpusvm<P>& svm) : svm_(svm) {}
  garbage_collector(garbage_collector const&) = delete;
  garbage_collector& operator=(garbage_collector const&) = delete;
  ~garbage_collector() { run(); }

  /// Queues a range that is marked unmapped, unless it is queued already.
  ///
  /// \pre the notifier's lock is held exclusive
  /// \allocs none
  void enqueue(range<P>& r) {
    exclusive_guard const guard{lock_};
    if (r.is_linked()) return;
    r.get();
    queue_.push_back(r);
  }

  /// Removes every queued range, also those queued meanwhile; brings back the device pages of one that was unmapped in
  /// part.
  ///
  /// Eviction that fails does not stop the removal: the pages stay reachable through CPU faults.
  /// \pre no lock of the library held
  void run() {
    while (range_ref<P> r = pop()) collect(svm_.hold(std::move(r)));
  }

  /// Removes one range that is marked unmapped, whoever found it first; doing it twice does nothing.
  ///
  /// \pre no lock of the library held but the one that `held` brings
  void collect(range_hold<P> held) {
    if (held->has(range_flag::partial_unmap)) static_cast<void>(svm_.evict(held));
    svm_.remove(std::move(held));
  }

 private:
  [[nodiscard]] range_ref<P> pop() {
    exclusive_guard const guard{lock_};
    range<P>* const first = queue_.pop_front();
    return first == nullptr ? range_ref<P>{} : range_ref<P>::adopt(*first);
  }

  gpusvm<P>& svm_;
  typename P::lock::template mutex<lock_rank::leaf_collector> lock_;
  intrusive_list<range<P>> queue_;  // under lock_
};

}  // namespace svm::inline v0
