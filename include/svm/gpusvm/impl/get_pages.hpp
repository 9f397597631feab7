// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <svm/gpusvm/impl/fetch_pages.hpp>
#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::get_pages, bind and what moves a range's memory.

namespace svm::inline v0 {

template <explained_policies P>
errc gpusvm<P>::get_pages(locked_range<P>& held, std::span<device_mapping<P>* const> mappings,
                          page_options const& options) {
  range<P>& r = *held;
  notifier<P>& home = r.owner();
  if (r.has(range_flag::removed)) return errc::gone;  // and stays so, or not, while the range is held
  if (!held.mm_alive()) return errc::mm_gone;
  return fetch_pages<P>(watched_span<P>{r.interval(), home.registration_, home.lock_}, mappings, options,
                        [&r] { return r.has(range_flag::unmapped) ? errc::unmapped : errc::ok; });
}

template <explained_policies P>
result<faulted_in<P>> gpusvm<P>::fault_in(locked_range<P> held, page_options const& options) {
  range<P>& r = *held;
  notifier<P>& home = r.owner();
  if (r.has(range_flag::removed)) return errc::gone;
  if (!held.mm_alive()) return errc::mm_gone;
  if (options.devmem_only) return errc::unsupported;
  result<std::uint64_t> const sequence =
      make_present<P>(env_, watched_span<P>{r.interval(), home.registration_, home.lock_}, options,
                      [&r] { return r.has(range_flag::unmapped) ? errc::unmapped : errc::ok; });
  if (!sequence) return sequence.error();
  return faulted_in<P>{std::move(held), *sequence};
}

template <explained_policies P>
errc gpusvm<P>::attach(locked_range<P>& held, device_mapping<P>& mapping) {
  SVM_ASSERT(!mapping.has(page_flag::mapped));
  exclusive_guard const guard{held->owner().lock_};
  if (held->has(range_flag::removed)) return errc::gone;
  if (mapping.is_linked()) return errc::exists;
  held->attach_locked(mapping);
  return errc::ok;
}

template <explained_policies P>
void gpusvm<P>::detach(locked_range<P>& held, device_mapping<P>& mapping) {
  exclusive_guard const guard{held->owner().lock_};
  if (!mapping.is_linked()) return;
  drop_mapping(mapping, held->interval());
  held->detach_locked(mapping);
}

/// Makes the devices forget the range, then ends its DMA mappings.
///
/// \pre the notifier's lock is held exclusive, or shared together with the range's
template <explained_policies P>
void gpusvm<P>::unmap_locked(range<P>& r) {
  r.owner().lock_.assert_held_shared();
  r.for_each_mapping_locked([&r](device_mapping<P>& p) { drop_mapping(p, r.interval()); });
}

template <explained_policies P>
void gpusvm<P>::unmap_pages(locked_range<P>& held) {
  shared_guard const guard{held->owner().lock_};
  unmap_locked(*held);
}

template <explained_policies P>
void gpusvm<P>::sync(locked_range<P>& held, bool to_device) {
  shared_guard const guard{held->owner().lock_};
  held->for_each_mapping_locked([to_device](device_mapping<P>& p) { p.sync(to_device); });
}

template <explained_policies P>
errc gpusvm<P>::bind(locked_range<P>& held, device_mapping<P>& mapping, mapping_access permitted) {
  range<P>& r = *held;
  if (r.has(range_flag::removed)) return errc::gone;
  if (std::uint32_t const seen = mapping.flags(); device_mapping<P>::is_bound(seen, permitted)) {
    if ((seen & bit(page_flag::device)) == 0) return errc::ok;  // system memory need not hear that it is used
    shared_guard const guard{r.owner().lock_};
    if (mapping.is_bound(permitted)) {
      mapping.touch_locked();
      return errc::ok;
    }
  }
  if (errc const e = mapping.env().device.prepare(r.interval()); e != errc::ok) return e;
  shared_guard const guard{r.owner().lock_};
  if (!mapping.has(page_flag::valid)) return errc::retry;
  mapping.commit_locked(r.interval(), permitted);
  return errc::ok;
}

}  // namespace svm::inline v0
