// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <svm/gpusvm/impl/fetch_pages.hpp>
#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::get_pages, fault_in, attach and bind.

namespace svm::inline v0 {

template <explained_policies P>
errc gpusvm<P>::get_pages(locked_range<P>& held, std::span<device_mapping<P>* const> mappings,
                          page_options const& options) {
  range<P>& r = *held;
  notifier<P>& home = r.owner();
  if (r.has(range_flag::removed)) return errc::gone;  // and stays so, or not, while the range is held
  if (!held.mm_alive()) return errc::mm_gone;
  return detail::fetch_pages<P>(detail::watched_span<P>{r.interval(), home.registration_, home.lock_}, mappings,
                                options, [&r] { return r.has(range_flag::unmapped) ? errc::unmapped : errc::ok; });
}

template <explained_policies P>
result<faulted_in<P>> gpusvm<P>::fault_in(locked_range<P> held, page_options const& options) {
  range<P>& r = *held;
  notifier<P>& home = r.owner();
  if (r.has(range_flag::removed)) return errc::gone;
  if (!held.mm_alive()) return errc::mm_gone;
  if (options.devmem_only) return errc::unsupported;
  result<std::uint64_t> const sequence =
      detail::make_present<P>(env_, detail::watched_span<P>{r.interval(), home.registration_, home.lock_}, options,
                              [&r] { return r.has(range_flag::unmapped) ? errc::unmapped : errc::ok; });
  if (!sequence) return sequence.error();
  return faulted_in<P>{std::move(held), *sequence};
}

template <explained_policies P>
errc gpusvm<P>::attach(locked_range<P>& held, device_mapping<P>& mapping) {
  SVM_ASSERT(!mapping.has(page_flag::mapped));
  notifier<P>& home = held->owner();
  exclusive_guard const guard{home.lock_};
  if (held->has(range_flag::removed)) return errc::gone;
  if (mapping.is_linked() || &mapping == &held->pages_) return errc::exists;
  home.attach_locked(*held, mapping);
  return errc::ok;
}

template <explained_policies P>
void gpusvm<P>::detach(locked_range<P>& held, device_mapping<P>& mapping) {
  notifier<P>& home = held->owner();
  exclusive_guard const guard{home.lock_};
  if (!mapping.is_linked()) return;
  detail::drop_mapping(mapping, held->interval());
  home.detach_locked(*held, mapping);
}

/// Makes the devices forget the range, then ends its DMA mappings.
///
/// \pre the notifier's lock is held exclusive, or shared together with the range's
template <explained_policies P>
void gpusvm<P>::unmap_locked(notifier<P>& home, range<P>& r) {
  home.for_each_mapping_locked(r, [&r](device_mapping<P>& p) { detail::drop_mapping(p, r.interval()); });
  if constexpr (page_wise_policies<P>)
    if (partial_mapping<P>* const p = r.partial()) p->drop_all();
}

template <explained_policies P>
void gpusvm<P>::unmap_pages(locked_range<P>& held) {
  notifier<P>& home = held->owner();
  shared_guard const guard{home.lock_};
  unmap_locked(home, *held);
}

template <explained_policies P>
void gpusvm<P>::sync(locked_range<P>& held, bool to_device) {
  notifier<P>& home = held->owner();
  shared_guard const guard{home.lock_};
  home.for_each_mapping_locked(*held, [to_device](device_mapping<P>& p) { p.sync(to_device); });
  if constexpr (page_wise_policies<P>)
    if (partial_mapping<P>* const p = held->partial()) p->sync(p->valid(), to_device);
}

template <explained_policies P>
errc gpusvm<P>::bind(locked_range<P>& held, device_mapping<P>& mapping, mapping_access permitted) {
  range<P>& r = *held;
  notifier<P>& home = r.owner();
  if (r.has(range_flag::removed)) return errc::gone;
  if (mapping.is_bound(permitted)) {
    settle_events(env_.mm);
    if (std::uint32_t const seen = mapping.flags(); device_mapping<P>::is_bound(seen, permitted)) {
      if ((seen & detail::bit(page_flag::device)) == 0) return errc::ok;  // system memory need not hear that it is used
      shared_guard const guard{home.lock_};
      if (mapping.is_bound(permitted)) {
        mapping.touch_locked(home.lock_);
        return errc::ok;
      }
    }
  }
  if (errc const e = mapping.env().device.prepare(r.interval()); e != errc::ok) return e;
  settle_events(env_.mm);
  shared_guard const guard{home.lock_};
  if (!mapping.has(page_flag::valid)) return errc::retry;
  mapping.commit_locked(home.lock_, r.interval(), permitted);
  return errc::ok;
}

}  // namespace svm::inline v0
