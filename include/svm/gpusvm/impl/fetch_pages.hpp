// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/gpusvm/device_mapping.hpp>
#include <svm/gpusvm/retry_budget.hpp>

namespace svm::inline v0::detail {

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

/// True when a walk covers its span, and finds no page absent.
template <svm_policies P>
[[nodiscard]] bool is_all_present(walked_runs<typename P::mm, typename P::allocator>& found) {
  if (!found.walk().is_complete()) return false;
  if (found.walk().is_uniform()) return found.all().front().place != page_place::absent;
  for (page_run<typename P::mm::page> const& r : found.all())
    if (r.place == page_place::absent) return false;
  return true;
}

/// Maps the pages of a walk for the device, if they still are what the CPU has.
///
/// \errors retry (an event came since `sequence`), stale (a page is absent), what `ended` says; those of
///         device_mapping::map
template <svm_policies P, class Ended>
[[nodiscard]] errc map_found(watched_span<P> const& at, device_mapping<P>& to, std::uint64_t sequence,
                             walked_runs<typename P::mm, typename P::allocator>& found, page_options const& options,
                             typename device_mapping<P>::resources& space, Ended const& ended) {
  settle_events(to.env().mm);
  shared_guard const guard{at.lock};
  if (errc const e = ended(); e != errc::ok) return e;
  if (to.env().mm.read_retry(at.watched, sequence)) return errc::retry;
  if (!is_all_present<P>(found)) return errc::stale;
  drop_mapping(to, at.span);  // a mapping that is there did not serve
  if (errc const e = to.map(found.all(), options, space, found.walk().is_uniform()); e != errc::ok) return e;
  to.note_fetched();
  to.touch_locked(at.lock);
  return errc::ok;
}

/// Goes on with a walk that was full.
///
/// \allocs an array for the runs
template <svm_policies P>
[[nodiscard, gnu::noinline]] errc walk_on(typename P::mm& mm, walk_request<typename P::mm::registration> request,
                                          walked_runs<typename P::mm, typename P::allocator>& found) {
  page_walk<typename P::mm>& walk = found.walk();
  while (true) {
    if (errc const e = found.grow(); e != errc::ok) return e;
    request.span = walk.rest();
    shared_guard const map_guard{mm.map_lock()};
    errc const e = mm.fault_in(request, walk);
    if (e != errc::ok || !walk.is_full()) return e;
  }
}

/// As `walk_span`, for a walk that has not begun.
template <svm_policies P>
[[nodiscard, gnu::always_inline]] inline errc walk_new_span(typename P::mm& mm,
                                                            walk_request<typename P::mm::registration> const& request,
                                                            walked_runs<typename P::mm, typename P::allocator>& found) {
  page_walk<typename P::mm>& walk = found.walk();
  {
    shared_guard const map_guard{mm.map_lock()};
    errc const e = mm.fault_in(request, walk);
    if (e != errc::ok || !walk.is_full()) return e;
  }
  return walk_on<P>(mm, request, found);
}

/// Makes the pages of a span present, and finds out where they are.
///
/// The sequence is from before the walk, which may drop the map lock on the way: an event that comes between two parts
/// of it changes the sequence as any other does.
/// \pre    no lock of rank mm or later held; a user reference on the mm; takes mm (shared)
/// \errors those of mm::fault_in; no_memory
/// \allocs none up to runs_on_stack runs
template <svm_policies P>
[[nodiscard]] errc walk_span(typename P::mm& mm, walk_request<typename P::mm::registration> const& request,
                             walked_runs<typename P::mm, typename P::allocator>& found) {
  page_walk<typename P::mm>& walk = found.walk();
  walk.restart();
  return walk_new_span<P>(mm, request, found);
}

/// Calls `attempt(sequence)` until no event disturbs it any more.
///
/// \param ended  asked before each attempt: `ok`, or why there is to be none
/// \errors what `ended` says; what `attempt` says, unless it is busy or retry (an event), or stale (a page is absent
///         though no event came); interrupted; busy: such answers used up every try, or a second
/// \complexity at most retry_budget::event_rounds attempts
template <svm_policies P, class Ended, class Attempt>
[[nodiscard]] errc until_undisturbed(svm_environment<P>& env, watched_span<P> const& at, cancellation const* cancel,
                                     Ended const& ended, Attempt&& attempt) {
  retry_budget budget{env.clock};
  while (true) {
    if (is_cancelled(cancel)) return errc::interrupted;
    settle_events(env.mm);  // so that what is valid below has no event to come
    std::uint64_t const sequence = env.mm.read_begin(at.watched);
    if (errc const e = ended(); e != errc::ok) return e;
    errc const e = attempt(sequence);
    if (e == errc::busy || e == errc::retry) {
      env.observer.record({event_kind::retry_after_event, at.span});
      if (!budget.after_event()) return errc::busy;
    } else if (e == errc::stale) {  // fault_in promised pages that were not there, and no event came
      env.observer.record({event_kind::unexplained_retry, at.span});
      if (!budget.unexplained()) return errc::busy;
    } else {
      return e;
    }
  }
}

/// True when all mappings serve the request; then their memory was told that it is used.
///
/// \pre takes notifier (shared)
template <svm_policies P>
[[nodiscard]] bool all_satisfy(watched_span<P> const& at, std::span<device_mapping<P>* const> mappings,
                               page_options const& options) {
  for (device_mapping<P> const* const m : mappings)
    if (!m->satisfies(options)) return false;
  shared_guard const guard{at.lock};
  for (device_mapping<P> const* const m : mappings)
    if (!m->satisfies(options)) return false;
  for (device_mapping<P>* const m : mappings) m->touch_locked(at.lock);
  return true;
}

/// Makes the pages of a span present and maps them for devices, or finds them so: the engine of ranges and buffers.
///
/// A mapping that serves the request, from before or from an attempt that an event disturbed, stays as it is.
///
/// \param mappings  of one span; on error none of them stays mapped that was mapped here
/// \param ended  called under the span's lock: `ok`, or why nothing may be mapped any more
/// \pre    what excludes other changes of the mappings is held (rank range at most); a user reference on the mm; takes mm
///         (shared) and notifier (shared)
/// \errors what `ended` says; no_vma, no_access, read_only, lost; mixed_placement, not_in_device_memory, unsupported;
///         no_memory, no_ram, dma_map_failed; interrupted; in_use: others keep a page locked or pinned; busy: events
///         used up every try, or a second. Each mapping is as it was, or not mapped
/// \allocs none for one run; else an array of an element a run for each mapping, which is kept, and those of walk_span
/// \complexity O(pages) a try at worst, O(runs) a mapping beside the walk; at most retry_budget::event_rounds tries
/// \source drm_gpusvm_get_pages()
template <svm_policies P, class Ended>
[[nodiscard]] errc fetch_pages(watched_span<P> const& at, std::span<device_mapping<P>* const> mappings,
                               page_options const& options, Ended const& ended) {
  if (mappings.empty()) return errc::ok;
  svm_environment<P>& env = mappings.front()->env();
  walked_runs<typename P::mm, typename P::allocator> found{env.memory, at.span};
  errc const said = until_undisturbed<P>(env, at, options.cancel, ended, [&](std::uint64_t sequence) {
    if (all_satisfy(at, mappings, options)) return errc::ok;
    errc e = walk_span<P>(env.mm,
                          {.span = at.span,
                           .want = options.read_only ? access_kind::read : access_kind::write,
                           .owner = options.owner == nullptr ? env.own : *options.owner,
                           .registration = at.watched,
                           .sequence = sequence},
                          found);
    for (device_mapping<P>* const m : mappings) {
      if (e != errc::ok) break;
      if (m->satisfies(options)) continue;
      typename device_mapping<P>::resources space{m->env()};
      if (found.walk().is_complete()) e = space.reserve(found.all(), options.allow_mixed);
      if (e == errc::ok) e = map_found<P>(at, *m, sequence, found, options, space, ended);
    }
    return e;
  });
  for (device_mapping<P>* const m : mappings) {
    if (!m->take_fetched() || said == errc::ok) continue;
    shared_guard const guard{at.lock};
    drop_mapping(*m, at.span);
  }
  return said;
}

/// Makes the pages of a span present, and maps them for no device.
///
/// \param ended  as above
/// \pre    no lock of rank mm or later held; a user reference on the mm; takes mm (shared)
/// \errors as `fetch_pages`, but for those of a mapping
/// \allocs none
template <svm_policies P, class Ended>
[[nodiscard]] result<std::uint64_t> make_present(svm_environment<P>& env, watched_span<P> const& at,
                                                 page_options const& options, Ended const& ended) {
  using run = page_run<typename P::mm::page>;
  std::uint64_t present_since = 0;
  errc const said = until_undisturbed<P>(env, at, options.cancel, ended, [&](std::uint64_t sequence) {
    run room[1];  // of no interest but for being there: fault_in makes all pages present before it adds the first
    page_walk<typename P::mm> walk{at.span, room};
    walk_request<typename P::mm::registration> const request{
        .span = at.span,
        .want = options.read_only ? access_kind::read : access_kind::write,
        .owner = options.owner == nullptr ? env.own : *options.owner,
        .registration = at.watched,
        .sequence = sequence};
    shared_guard const map_guard{env.mm.map_lock()};
    errc const e = env.mm.fault_in(request, walk);
    if (e != errc::ok) return e;
    bool const reported = walk.is_complete() || walk.is_full();
    if (!reported || walk.runs()[0].place == page_place::absent) return errc::stale;
    present_since = sequence;
    return errc::ok;
  });
  if (said != errc::ok) return said;
  return present_since;
}

}  // namespace svm::inline v0::detail
