// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::remove and close.

namespace svm::inline v0 {

template <explained_policies P>
void gpusvm<P>::remove(locked_range<P> held) {
  notifier_ref<P> const home = notifier_ref<P>::share(held->owner());
  bool last = false;
  take_out(std::move(held), last);
  if (last) drop_if_empty(*home);
}

/// Unmaps a range and takes it out of its notifier's index; `last` becomes true when that leaves none in it.
template <explained_policies P>
void gpusvm<P>::take_out(locked_range<P> held, bool& last) {
  range<P>* indexed = nullptr;  // with the index's reference
  {
    locked_range<P> const work{std::move(held)};
    notifier<P>& home = work->owner();
    exclusive_guard const guard{home.lock_};
    if (work->has(range_flag::removed)) return;
    unmap_locked(home, *work);
    while (work->others_.pop_front() != nullptr) {
    }
    home.ranges_.erase(*work);
    work->set(range_flag::removed);
    indexed = &*work;
    last = home.ranges_.empty();
  }
  env_.observer.record({event_kind::range_removed, indexed->interval()});
  readers_.retire(*indexed);
  range_nodes_.limbo().flush();
}

/// Takes a notifier without ranges out of the index, and out of the mm.
template <explained_policies P>
void gpusvm<P>::drop_if_empty(notifier<P>& n) {
  {
    exclusive_guard const index_guard{lock_};
    exclusive_guard const guard{n.lock_};
    if (n.retired_ || !n.ranges_.empty()) return;
    n.retired_ = true;
    notifiers_.erase(n);
  }
  // With no lock held: this waits for callbacks that run. A new notifier may overlap this one meanwhile.
  env_.mm.unregister_notifier(n.registration_);
  env_.observer.record({event_kind::notifier_removed, n.interval()});
  readers_.retire(n);
  notifier_nodes_.limbo().flush();
}

/// Frees what waits for readers.
///
/// \pre no lock of the library held
template <explained_policies P>
void gpusvm<P>::end_sections() {
  bool more = true;
  for (int round = 0; more && round < 2; ++round) {  // nodes that came while others waited
    readers_.synchronize();
    more = range_nodes_.limbo().flush();
    more = notifier_nodes_.limbo().flush() || more;
  }
}

template <explained_policies P>
void gpusvm<P>::close() {
  {
    exclusive_guard const guard{lock_};
    closed_.store(1);
  }
  scope_guard const trim{[this] {
    end_sections();
    spare_.trim();
    range_nodes_.trim();
    notifier_nodes_.trim();
  }};
  while (true) {
    notifier_ref<P> n;
    {
      shared_guard const guard{lock_};
      notifier<P>* const first = notifiers_.first();
      if (first == nullptr) return;
      n = notifier_ref<P>::share(*first);
    }
    range_ref<P> r;
    {
      shared_guard const guard{n->lock_};
      if (range<P>* const first = n->ranges_.first()) r = range_ref<P>::share(*first);
    }
    if (r)
      remove(lock_range(std::move(r)));
    else
      drop_if_empty(*n);
  }
}

}  // namespace svm::inline v0
