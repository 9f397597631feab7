// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::get_pages, bind and what moves a range's memory.

namespace svm::inline v0 {

template <policies P>
errc gpusvm<P>::get_pages(range_hold<P>& held, page_options const& options) {
  range<P>& r = *held;
  notifier<P>& home = r.owner();
  if (r.has(range_flag::removed)) return errc::gone;  // and stays so, or not, while the range is held
  if (!held.mm_alive()) return errc::mm_gone;

  std::size_t const count = pages_of(r).value;
  scratch_array<page_entry<page>, typename P::allocator> found{env_.memory};
  typename pages<P>::block_array room{env_.memory};
  retry_budget budget{env_.clock};
  while (true) {
    std::uint64_t const sequence = env_.mm.read_begin(home.registration_);
    if (r.has(range_flag::unmapped)) return errc::unmapped;
    if (r.mapping().satisfies(options)) return errc::ok;

    if (!found.reserve(count) || !room.reserve(count)) return errc::no_memory;
    errc e = errc::ok;
    {
      shared_guard const map_guard{env_.mm.map_lock()};
      walk_request<typename P::mm::registration> const request{r.interval(),
                                                               options.read_only ? access::read : access::write,
                                                               env_.pagemap.owner(), home.registration_, sequence};
      e = env_.mm.fault_in(request, std::span{found.data(), count});
    }
    if (e == errc::ok) e = map_found(r, sequence, {found.data(), count}, options, room);
    if (e == errc::busy || e == errc::retry) {
      env_.observer.record({event_kind::interfered_retry, r.interval()});
      if (!budget.interfered()) return errc::busy;
    } else if (e == errc::stale) {  // fault_in promised pages that were not there, and no event came
      env_.observer.record({event_kind::undisturbed_retry, r.interval()});
      if (!budget.undisturbed()) return errc::busy;
    } else {
      return e;
    }
  }
}

/// Maps the pages of a walk for the device, if they still are what the CPU has.
///
/// \errors retry (an event came since `sequence`), stale (an entry is absent), unmapped; those of pages::map
template <policies P>
errc gpusvm<P>::map_found(range<P>& r, std::uint64_t sequence, std::span<page_entry<page> const> found,
                          page_options const& options, typename pages<P>::block_array& room) {
  notifier<P>& home = r.owner();
  shared_guard const guard{home.lock_};
  if (r.has(range_flag::unmapped)) return errc::unmapped;
  if (env_.mm.read_retry(home.registration_, sequence)) return errc::retry;
  for (page_entry<page> const& entry : found)
    if (entry.place == page_place::absent) return errc::stale;
  unmap_locked(r);  // a mapping that is there did not serve
  return r.pages_.map(found, options, room);
}

/// Makes the device forget the range, then ends its DMA mappings.
///
/// \pre the notifier's lock is held exclusive, or shared together with the range's
template <policies P>
void gpusvm<P>::unmap_locked(range<P>& r) {
  r.owner().lock_.assert_held_shared();
  if (!r.pages_.has(page_flag::mapped)) return;
  r.pages_.invalidate();
  env_.device.invalidate(r.interval());
  r.pages_.unmap();
}

template <policies P>
void gpusvm<P>::unmap_pages(range_hold<P>& held) {
  shared_guard const guard{held->owner().lock_};
  unmap_locked(*held);
}

template <policies P>
errc gpusvm<P>::bind(range_hold<P>& held) {
  range<P>& r = *held;
  if (r.has(range_flag::removed)) return errc::gone;
  if (errc const e = env_.device.prepare(r.interval()); e != errc::ok) return e;
  shared_guard const guard{r.owner().lock_};
  if (!r.pages_.has(page_flag::valid)) return errc::retry;
  env_.device.commit(r.interval(), r.pages_.blocks_locked(),
                     r.pages_.has(page_flag::read_only) ? mapping_access::read_only : mapping_access::read_write);
  return errc::ok;
}

template <policies P>
errc gpusvm<P>::migrate_to_device(range_hold<P>& held, duration timeslice) {
  if (held->has(range_flag::removed)) return errc::gone;
  if (!held.mm_alive()) return errc::mm_gone;
  if (!held->is_migratable()) return errc::not_migratable;
  return migrator_.migrate_to_device(held->interval(), timeslice);
}

template <policies P>
page_count gpusvm<P>::count_device_pages(range_hold<P>& held) {
  page_count n{};
  if (!held.mm_alive()) return n;
  shared_guard const map_guard{env_.mm.map_lock()};
  for_each_piece(held->interval(), [&](page_entry<page> const& entry) {
    if (entry.place == page_place::device) n += page_count{1};
    return true;
  });
  return n;
}

}  // namespace svm::inline v0
