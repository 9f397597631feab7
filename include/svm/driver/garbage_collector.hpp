// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/config.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/driver/range_memory.hpp>
#include <svm/gpusvm/gpusvm.hpp>

namespace svm::inline v0 {

/// What becomes of a range that the CPU unmapped in part.
enum class partial_unmap : std::uint8_t {
  evict,  ///< its device pages go to system memory, and it is removed: as the reference
  split,  ///< ranges over what is left replace it, and keep their device pages
};

/// Removes the ranges whose memory the CPU unmapped, outside the invalidation that found them.
///
/// An invalidation may only mark a range; the range then blocks its addresses until it is collected, so a fault handler
/// collects before it looks anything up.
///
/// Invariants: 1. a range stands in the queue at most once. 2. it is marked unmapped. 3. the queue holds a reference on
/// it.
/// \source drivers/gpu/drm/xe/xe_svm.c, xe_svm_garbage_collector(); it evicts what a partial unmap left (erratum 3.4.4)
template <svm_policies P>
class garbage_collector {
 public:
  garbage_collector(gpusvm<P>& svm, detail::range_memory<P>& memory, partial_unmap rest = partial_unmap::evict)
      : svm_(svm), memory_(memory), rest_(rest) {}
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
    queue_length_.fetch_add(1);
  }

  /// Removes every queued range; brings back the device pages of one that was unmapped in part, or splits it.
  ///
  /// Ranges that are queued meanwhile are removed too, up to as many as stood there at the start and a few more: an
  /// endless stream of unmaps does not keep the caller for ever. Eviction that fails does not stop the removal: the
  /// pages stay reachable through CPU faults.
  /// \pre        no lock of the library held
  /// \complexity one load where nothing is queued
  void run() {
    constexpr std::size_t more = 64;
    std::size_t waiting = 0;
    std::size_t done = 0;
    std::size_t most = 0;  // known with the first one
    while (queue_length_.load() != 0) {
      range_ref<P> r = pop(waiting);
      if (!r) return;  // somebody else took it
      if (done == 0) most = waiting + more;
      collect(svm_.lock_range(std::move(r)));
      if (++done > most) return;
    }
  }

  /// True when nothing is queued.
  [[nodiscard]] bool is_idle() const { return queue_length_.load() == 0; }

  /// Calls `visit(range const&)` for each range in the queue, in its order; for checks.
  ///
  /// \pre `visit` calls nothing of this object
  template <class Visit>
  void for_each_queued(Visit&& visit) {
    exclusive_guard const guard{lock_};
    for (range<P>* r = queue_.front(); r != nullptr; r = queue_.next(*r)) visit(static_cast<range<P> const&>(*r));
  }

  /// Removes one range that is marked unmapped, queued or not; doing it twice does nothing.
  ///
  /// \pre no lock of the library held but the one that `held` brings
  void collect(locked_range<P> held) {
    bool const partial = held->has(range_flag::partial_unmap) && !held->has(range_flag::removed);
    if (partial && rest_ == partial_unmap::split) {
      svm_.split(std::move(held));
      return;
    }
    if (partial) static_cast<void>(memory_.evict(held, migration_cause::collection));
    svm_.remove(std::move(held));
  }

 private:
  /// The range that waits longest, and how many wait behind it.
  [[nodiscard]] range_ref<P> pop(std::size_t& waiting) {
    exclusive_guard const guard{lock_};
    range<P>* const first = queue_.pop_front();
    if (first == nullptr) return {};
    waiting = queue_length_.fetch_sub(1) - 1;
    return range_ref<P>::adopt(*first);
  }

  gpusvm<P>& svm_;
  detail::range_memory<P>& memory_;
  partial_unmap const rest_;
  typename P::lock::template mutex<lock_rank::leaf_collector> lock_;
  intrusive_list<range<P>> queue_ SVM_GUARDED_BY(lock_);
  typename P::lock::template atomic<std::uint64_t> queue_length_{0};  // changes under the lock, and is read without
};

}  // namespace svm::inline v0
