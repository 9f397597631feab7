// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include <svm/base/scope_guard.hpp>
#include <svm/gpusvm/device_mapping.hpp>
#include <svm/gpusvm/retry_budget.hpp>

namespace svm::inline v0 {

/// A span of memory that a registered notifier watches, and the lock under which its mappings are made and torn down.
template <svm_policies P>
struct watched_span {
  va_range span;
  typename P::mm::registration& watched;
  typename P::lock::template shared_mutex<lock_rank::notifier>& lock;
};

/// Makes the device forget a mapping of `span`, then ends its DMA mappings; nothing where there are none.
///
/// \pre the lock of the span's notifier is held exclusive, or shared together with what excludes other changes
template <svm_policies P>
void drop_mapping(device_mapping<P>& mapping, va_range span) {
  if (!mapping.has(page_flag::mapped)) return;
  mapping.invalidate();
  mapping.env().device.invalidate(span);
  mapping.unmap();
}

/// Maps the pages of a walk for the device, if they still are what the CPU has.
///
/// \errors retry (an event came since `sequence`), stale (an entry is absent), what `ended` says; those of pages::map
template <svm_policies P, class Ended>
[[nodiscard]] errc map_found(watched_span<P> const& at, device_mapping<P>& to, std::uint64_t sequence,
                             std::span<typename device_mapping<P>::entry const> found, page_options const& options,
                             typename device_mapping<P>::room& space, Ended const& ended) {
  shared_guard const guard{at.lock};
  if (errc const e = ended(); e != errc::ok) return e;
  if (to.env().mm.read_retry(at.watched, sequence)) return errc::retry;
  for (typename device_mapping<P>::entry const& entry : found)
    if (entry.place == page_place::absent) return errc::stale;
  drop_mapping(to, at.span);  // a mapping that is there did not serve
  if (errc const e = to.map(found, options, space); e != errc::ok) return e;
  to.touch_locked();
  return errc::ok;
}

/// Makes the pages of a span present and maps them for a device, or finds them so: the engine of ranges and buffers.
///
/// \param ended  called under the span's lock: `ok`, or why nothing may be mapped any more
/// \pre    what excludes other changes of the mapping is held (rank range at most); a user reference on the mm; takes mm
///         (shared) and notifier (shared)
/// \errors what `ended` says; no_vma, no_access, read_only, lost; mixed_placement, not_in_device_memory, unsupported;
///         no_memory, no_ram, dma_map_failed; interrupted; in_use: others keep a page locked or pinned; busy: events
///         used up every try, or a second. The mapping is as it was, or not mapped
/// \allocs two arrays of an element a page, of which one is kept
/// \complexity O(pages) a try; at most retry_budget::event_rounds tries
/// \source drm_gpusvm_get_pages()
template <svm_policies P, class Ended>
[[nodiscard]] errc fetch_pages(watched_span<P> const& at, device_mapping<P>& to, page_options const& options,
                               Ended const& ended) {
  svm_environment<P>& env = to.env();
  std::size_t const count = pages_in(at.span.size(), P::mm::page_size).value;
  scratch_array<typename device_mapping<P>::entry, typename P::allocator> found{env.memory};
  typename device_mapping<P>::room space{env};
  retry_budget budget{env.clock};
  while (true) {
    if (is_cancelled(options.cancel)) return errc::interrupted;
    std::uint64_t const sequence = env.mm.read_begin(at.watched);
    if (errc const e = ended(); e != errc::ok) return e;
    if (to.satisfies(options)) {
      shared_guard const guard{at.lock};
      if (to.satisfies(options)) {
        to.touch_locked();
        return errc::ok;
      }
    }

    if (!found.reserve(count)) return errc::no_memory;
    errc e = errc::ok;
    {
      shared_guard const map_guard{env.mm.map_lock()};
      page_owner const owner = options.owner == nullptr ? env.own : *options.owner;
      walk_request<typename P::mm::registration> const request{
          at.span, options.read_only ? access_kind::read : access_kind::write, owner, at.watched, sequence};
      e = env.mm.fault_in(request, std::span{found.data(), count});
    }
    if (e == errc::ok) e = space.reserve(count, found[0].place == page_place::system, options.allow_mixed);
    if (e == errc::ok)
      e = map_found<P>(at, to, sequence, std::span<typename device_mapping<P>::entry const>{found.data(), count},
                       options, space, ended);
    if (e == errc::busy || e == errc::retry) {
      env.observer.record({event_kind::interfered_retry, at.span});
      if (!budget.after_event()) return errc::busy;
    } else if (e == errc::stale) {  // fault_in promised pages that were not there, and no event came
      env.observer.record({event_kind::undisturbed_retry, at.span});
      if (!budget.unexplained()) return errc::busy;
    } else {
      return e;
    }
  }
}

}  // namespace svm::inline v0
