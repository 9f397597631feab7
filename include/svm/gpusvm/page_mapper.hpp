// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/construct.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/gpusvm/gpusvm.hpp>
#include <svm/gpusvm/impl/fetch_pages.hpp>

namespace svm::inline v0 {

/// Maps single pages of ranges: what `gpusvm::get_pages` and `bind` do for whole ones.
///
/// \source drm_gpusvm_range_get_pages(), for the pages of a service instead of those of a range
template <page_wise_policies P>
class page_mapper {
 public:
  explicit page_mapper(svm_environment<P>& env) : env_(env) {}

  /// Lets a range be mapped page by page from now on; a whole mapping that it has ends.
  ///
  /// \pre    takes notifier (exclusive)
  /// \errors gone, no_memory; unsupported: it has more pages than a mask
  /// \allocs the mapping and two arrays of an element a page, once
  [[nodiscard]] errc open(locked_range<P>& held) {
    range<P>& r = *held;
    if (r.partial() != nullptr) return errc::ok;
    partial_mapping<P>* const made = detail::construct<partial_mapping<P>>(env_.memory, env_, r.interval());
    if (made == nullptr) return errc::no_memory;
    errc e = made->reserve();
    if (e == errc::ok) {
      notifier<P>& home = r.owner();
      exclusive_guard const guard{home.lock_};
      if (r.has(range_flag::removed)) {
        e = errc::gone;
      } else {
        detail::drop_mapping(r.pages_, r.interval());
        r.partial_.mapping = made;
      }
    }
    if (e != errc::ok) detail::destroy(env_.memory, made);
    return e;
  }

  /// Ends the mapping of single pages, so that the range may be mapped whole.
  ///
  /// \pre takes notifier (exclusive)
  void close(locked_range<P>& held) {
    range<P>& r = *held;
    if (r.partial() == nullptr) return;
    partial_mapping<P>* old = nullptr;
    {
      exclusive_guard const guard{r.owner().lock_};
      old = std::exchange(r.partial_.mapping, nullptr);
      old->drop_all();
    }
    detail::destroy(env_.memory, old);
  }

  /// Ends the mappings of single pages; other pages stay mapped.
  ///
  /// \param pages  of the range, from its first one on
  /// \pre takes notifier (exclusive)
  void unmap(locked_range<P>& held, page_mask const& pages) {
    range<P>& r = *held;
    if (r.partial() == nullptr) return;
    exclusive_guard const guard{r.owner().lock_};
    r.partial()->drop(pages);
  }

  /// Which pages of a range the device may use for an access now; none when it is not mapped page by page.
  [[nodiscard]] static page_mask serving(locked_range<P>& held, access_kind want) {
    range<P>& r = *held;
    if (r.partial() == nullptr) return {};
    shared_guard const guard{r.owner().lock_};
    return r.partial()->serving(want);
  }

  /// Which pages of a range are mapped in the memory of a device; none when it is not mapped page by page.
  [[nodiscard]] static page_mask in_device_memory(locked_range<P>& held) {
    range<P>& r = *held;
    page_mask found;
    if (r.partial() == nullptr) return found;
    shared_guard const guard{r.owner().lock_};
    page_mask const& mapped = r.partial()->mapped();
    for (unsigned p = mapped.next(0); p != page_mask::pages; p = mapped.next(p + 1))
      if (r.partial()->memory_of(p) != nullptr) found.set(p);
    return found;
  }

  /// Makes pages present, maps each for the device and points its page table at them. Other pages are neither faulted in
  /// nor mapped, and stay as they are.
  ///
  /// \param pages  of the range, from its first one on
  /// \pre    open; takes mm (shared) and notifier (shared)
  /// \errors gone, unmapped, mm_gone; no_vma, no_access, read_only (the CPU's mappings changed); no_memory, no_ram,
  ///         dma_map_failed; unsupported (memory of a device out of reach); lost; interrupted; in_use; busy (events
  ///         interfered with every try); what `device::prepare` returns. Runs of pages before the error are mapped
  /// \allocs arrays for the walk beyond runs_on_stack runs
  [[nodiscard]] errc map(locked_range<P>& held, page_mask const& pages, mapping_access how,
                         cancellation const* cancel = nullptr) {
    if (errc const e = may_map(held); e != errc::ok) return e;
    for (page_span part = pages.next_run(0); !part.empty(); part = pages.next_run(part.end))
      if (errc const e = map_run(*held, part, how, cancel); e != errc::ok) return e;
    return errc::ok;
  }

  /// Calls `attempt(registration, sequence)` until no event disturbs it any more, for what is to be mapped of a run of pages.
  ///
  /// \pre    open
  /// \errors gone, unmapped, mm_gone; what `attempt` says but retry, stale and busy; interrupted; busy: events interfered
  ///         with every try
  template <class Attempt>
  [[nodiscard]] errc until_undisturbed(locked_range<P>& held, page_span part, cancellation const* cancel,
                                       Attempt&& attempt) {
    if (errc const e = may_map(held); e != errc::ok) return e;
    return try_on(*held, part, cancel, attempt);
  }

  /// Points the device's page table at memory for reading, page by page, if no event came since `sequence`.
  ///
  /// \param found   returns the memory of a page, as a walk would tell of it
  /// \param mapped  becomes the pages that are mapped
  /// \pre    open; takes notifier (shared)
  /// \errors retry (an event came); what `device::prepare` returns, and mapping the memory: pages before the one
  ///         that failed are mapped
  /// \allocs none
  template <class Found>
  [[nodiscard]] errc map_for_reading(locked_range<P>& held, page_mask const& pages, std::uint64_t sequence,
                                     Found&& found, page_mask& mapped) {
    range<P>& r = *held;
    notifier<P>& home = r.owner();
    partial_mapping<P>& mapping = *r.partial();
    if (errc const e = env_.device.prepare(mapping.span_of(pages.hull())); e != errc::ok) return e;
    settle_events(env_.mm);
    shared_guard const guard{home.lock_};
    if (env_.mm.read_retry(home.registration_, sequence)) return errc::retry;
    for (unsigned p = pages.next(0); p != page_mask::pages; p = pages.next(p + 1)) {
      page_run<typename P::mm::page> const one = found(p);
      if (errc const e = mapping.map_locked(home.lock_, {&one, 1}, p, mapping_access::read_only); e != errc::ok)
        return e;
      mapped.set(p);
    }
    return errc::ok;
  }

 private:
  [[nodiscard]] static errc may_map(locked_range<P>& held) {
    if (held->has(range_flag::removed)) return errc::gone;
    return held.mm_alive() ? errc::ok : errc::mm_gone;
  }
  [[nodiscard]] static errc ended(range<P> const& r) { return r.has(range_flag::unmapped) ? errc::unmapped : errc::ok; }
  /// `until_undisturbed` for a range that may be mapped.
  template <class Attempt>
  [[nodiscard]] errc try_on(range<P>& r, page_span part, cancellation const* cancel, Attempt&& attempt) {
    notifier<P>& home = r.owner();
    detail::watched_span<P> const at{r.partial()->span_of(part), home.registration_, home.lock_};
    return detail::until_undisturbed<P>(
        env_, at, cancel, [&r] { return ended(r); },
        [&](std::uint64_t sequence) { return attempt(home.registration_, sequence); });
  }
  [[nodiscard]] errc map_run(range<P>& r, page_span part, mapping_access how, cancellation const* cancel) {
    notifier<P>& home = r.owner();
    partial_mapping<P>& mapping = *r.partial();
    va_range const span = mapping.span_of(part);
    if (errc const e = env_.device.prepare(span); e != errc::ok) return e;
    detail::walked_runs<typename P::mm, typename P::allocator> found{env_.memory, span};
    return try_on(r, part, cancel, [&](auto& watched, std::uint64_t sequence) {
      errc const e =
          detail::walk_span<P>(env_.mm,
                               {.span = span,
                                .want = how == mapping_access::read_only ? access_kind::read : access_kind::write,
                                .owner = env_.own,
                                .registration = watched,
                                .sequence = sequence},
                               found);
      if (e != errc::ok) return e;
      settle_events(env_.mm);
      shared_guard const guard{home.lock_};
      if (errc const now = ended(r); now != errc::ok) return now;
      if (env_.mm.read_retry(watched, sequence)) return errc::retry;
      if (!detail::is_all_present<P>(found)) return errc::stale;
      return mapping.map_locked(home.lock_, found.all(), part.first, how);
    });
  }

  svm_environment<P>& env_;
};

}  // namespace svm::inline v0
