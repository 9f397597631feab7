// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/gpusvm.hpp>

#include <cstdint>
#include <utility>

// gpusvm::look and its steps: what a fault does without a lock.

namespace svm::inline v0 {

template <explained_policies P>
auto gpusvm<P>::keep(glimpse const& seen, section& in) -> sighting {
  sighting kept;
  if (seen.known != nullptr)
    kept.known = range_ref<P>::share(*seen.known);
  else if (seen.around != nullptr)
    kept.around = notifier_ref<P>::share(*seen.around);
  readers_.leave(in);
  kept.is_fresh = !is_closed();
  return kept;
}

template <explained_policies P>
template <class Served>
errc gpusvm<P>::look(cpu_va fault, sighting& found, Served const& served) {
  section in = enter_section();
  glimpse const seen = glance(fault);
  bool is_hit = false;
  if (seen.known != nullptr) {
    std::uint32_t const flags = seen.known->pages_.flags();
    is_hit = served(std::as_const(*seen.known), flags);
    if (is_hit && touch_in_section(*seen.known, flags)) {
      leave_section(in);
      return is_closed() ? errc::gone : errc::exists;
    }
  }
  found = keep(seen, in);
  if (!found.is_fresh) return errc::gone;
  return is_hit && touch_if_served(*found.known, served) ? errc::exists : errc::ok;
}

// What is found without a lock is there. What is not may be: see `section_readers`.
template <explained_policies P>
range_ref<P> gpusvm<P>::find(cpu_va a) {
  range_ref<P> found;
  section in = readers_.enter();
  if (range<P>* const known = glance(a).known; known != nullptr) found = range_ref<P>::share(*known);
  readers_.leave(in);
  return found ? std::move(found) : first_in({a, byte_count{1}});
}

/// Tells the device memory of a range that it is used, if the range still serves.
template <explained_policies P>
template <class Served>
bool gpusvm<P>::touch_if_served(range<P>& r, Served const& served) {
  notifier<P>& home = r.owner();
  shared_guard const guard{home.lock_};
  if (!served(std::as_const(r), r.pages_.flags())) return false;
  r.pages_.touch_locked(home.lock_);
  return true;
}

}  // namespace svm::inline v0
