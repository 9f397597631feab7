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
  range_ref<P> indexed;  // the index's reference, dropped when no lock is held any more
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
    indexed = range_ref<P>::adopt(*work);
    last = home.ranges_.empty();
  }
  range_quota_.uncharge(1);
  env_.observer.record({event_kind::range_removed, indexed->interval()});
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
  n.put();
}

template <explained_policies P>
void gpusvm<P>::close() {
  {
    exclusive_guard const guard{lock_};
    closed_ = true;
  }
  scope_guard const trim{[this] {
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
