// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_walk.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/gpusvm/gpusvm.hpp>
#include <svm/gpusvm/impl/fetch_pages.hpp>

// gpusvm::find_or_insert, find_or_bind and their steps.

namespace svm::inline v0 {

namespace detail {

/// True for what the first bind of a new range leaves to `get_pages`, which tries again and can have memory moved.
[[nodiscard]] constexpr bool is_for_get_pages(errc e) {
  return e == errc::retry || e == errc::busy || e == errc::stale || e == errc::mixed_placement ||
         e == errc::unsupported || e == errc::not_in_device_memory;
}

}  // namespace detail

template <explained_policies P>
auto gpusvm<P>::find_or_insert(cpu_va fault, lookup_options const& options, sighting seen) -> result<lookup<P>> {
  return find_or_make(fault, std::move(seen), options,
                      [this](candidate& home, lookup<P>& made, std::uint64_t sequence) {
                        insertion_room room;
                        if (errc const e = make_room(home, room); e != errc::ok) return e;
                        return insert(home, room, *made.range, sequence, [] {});
                      });
}

template <explained_policies P>
template <class How, class MayBind>
auto gpusvm<P>::find_or_bind(cpu_va fault, sighting seen, lookup_options const& options, How const& how,
                             MayBind const& may_bind) -> result<lookup<P>> {
  bool tried = false;      // who was disturbed once inserts the range as it is
  bool disturbed = false;  // when all was ready: as a bind that an event came before
  return find_or_make(fault, std::move(seen), options, [&](candidate& home, lookup<P>& made, std::uint64_t sequence) {
    insertion_room room;
    if (errc const e = make_room(home, room); e != errc::ok) return e;
    range<P>& r = *made.range;
    if (r.is_migratable() || std::exchange(tried, true)) {
      made.is_settled = disturbed;
      made.bound = errc::retry;
      return insert(home, room, r, sequence, [] {});
    }
    bind_options binds = how();
    binds.pages.read_only = binds.pages.read_only || !made.vma.writable;
    detail::walked_runs<typename P::mm, typename P::allocator> found{env_.memory, r.interval()};
    typename device_mapping<P>::resources space{env_};
    made.bound = prepare_first(home, r, sequence, binds.pages, found, space);
    bool const is_ready = made.bound == errc::ok;
    settle_events(env_.mm);
    made.is_settled = !is_ready && !detail::is_for_get_pages(made.bound);
    errc const e = insert(home, room, r, sequence, [&] {
      home->lock_.assert_held_shared();
      if (!is_ready || !may_bind()) return;
      made.bound = r.pages_.map(found.all(), binds.pages, space, found.walk().is_uniform());
      made.is_settled = !detail::is_for_get_pages(made.bound);
      if (made.bound == errc::ok) r.pages_.commit_locked(home->lock_, r.interval(), binds.permitted);
    });
    disturbed = is_ready && e == errc::retry;
    return e == errc::retry ? errc::stale : e;
  });
}

/// Finds what binding a new range takes, while nobody knows of the range.
///
/// \pre    takes mm (shared)
/// \errors retry: an event came, or a page is absent; those of fault_in and of device::prepare; no_memory
template <explained_policies P>
errc gpusvm<P>::prepare_first(candidate& home, range<P>& made, std::uint64_t sequence, page_options const& wanted,
                              detail::walked_runs<typename P::mm, typename P::allocator>& found,
                              typename device_mapping<P>::resources& space) {
  errc e = detail::walk_span<P>(env_.mm,
                                {.span = made.interval(),
                                 .want = wanted.read_only ? access_kind::read : access_kind::write,
                                 .owner = wanted.owner == nullptr ? env_.own : *wanted.owner,
                                 .registration = home->registration_,
                                 .sequence = sequence},
                                found);
  if (e == errc::ok && (!detail::is_all_present<P>(found) || env_.mm.read_retry(home->registration_, sequence)))
    return errc::retry;
  if (e == errc::ok) e = space.reserve(found.all(), wanted.allow_mixed);
  if (e == errc::ok) e = env_.device.prepare(made.interval());
  return e;
}

/// The steps that both share.
///
/// \param insert_made  `errc(candidate& home, lookup& made, sequence)` makes the range of `made` known, or answers retry;
///                     once it may answer stale, for a further try that is no retry
template <explained_policies P>
template <class Insert>
auto gpusvm<P>::find_or_make(cpu_va fault, sighting seen, lookup_options const& options, Insert&& insert_made)
    -> result<lookup<P>> {
  if (!shape_.window().contains(fault)) return errc::outside_window;
  mm_user const user{env_.mm};
  if (!user.alive()) return errc::mm_gone;

  for (detail::retry_budget budget{env_.clock};;) {
    if (is_cancelled(options.cancel)) return errc::interrupted;
    if (!seen.is_fresh)
      if (errc const e = look(fault, seen, [](range<P> const&) { return false; }); e != errc::ok) return e;
    seen.is_fresh = false;
    if (seen.known) return known_range(std::move(seen.known), fault, options);
    result<candidate> home =
        seen.around ? candidate{*this, std::move(seen.around), false} : make_notifier(fault, options);
    if (!home) return home.error();
    // Read before the VMA is looked up: an unmap that comes later changes the sequence, so the insertion below finds
    // out.
    std::uint64_t const sequence = env_.mm.read_begin((*home)->registration_);
    result<plan> const found = make_plan(*home, fault, options);
    if (!found) return found.error();
    if (!range_quota_.charge(1)) return errc::quota_exceeded;
    scope_guard uncharge{[this] { range_quota_.uncharge(1); }};
    bool const migratable = options.devmem_possible && found->vma.migratable;
    range<P>* const made = make_range(**home, found->chunk, migratable);
    if (made == nullptr) return errc::no_memory;
    lookup<P> fresh{range_ref<P>::adopt(*made), lookup<P>::kind::inserted, found->vma};
    errc const e = insert_made(*home, fresh, sequence);
    if (e == errc::ok) {
      uncharge.dismiss();  // until it is removed
      env_.observer.record({event_kind::range_created, found->chunk});
      return result<lookup<P>>{std::move(fresh)};
    }
    if (e == errc::stale) continue;
    if (e != errc::retry) return e;
    env_.observer.record({event_kind::interfered_retry, found->chunk});
    if (!budget.after_event()) return errc::busy;
  }
}

template <explained_policies P>
template <class Served>
errc gpusvm<P>::look(cpu_va fault, sighting& found, Served const& served) {
  found.is_fresh = true;
  settle_events(env_.mm);
  shared_guard const guard{lock_};
  if (closed_) return errc::gone;
  notifier<P>* const n = notifiers_.find(fault);
  if (n == nullptr) return errc::ok;
  shared_guard const range_guard{n->lock_};
  range<P>* const r = n->ranges_.find(fault, range_nodes_.layout());
  if (r == nullptr) {
    found.around = notifier_ref<P>::share(*n);
  } else if (served(std::as_const(*r))) {
    r->pages_.touch_locked(n->lock_);
    return errc::exists;
  } else {
    found.known = range_ref<P>::share(*r);
  }
  return errc::ok;
}

/// What is to be said of a range that is there.
template <explained_policies P>
auto gpusvm<P>::known_range(range_ref<P> known, cpu_va fault, lookup_options const& options) -> result<lookup<P>> {
  shared_guard const map_guard{env_.mm.map_lock()};
  result<vma_info> const vma = permitted_vma(fault, options);
  if (!vma) return vma.error();
  va_range const span = known->interval();
  bool const fits = vma->extent.contains(span) && (options.within == nullptr || options.within->contains(span));
  return lookup<P>{std::move(known), fits ? lookup<P>::kind::existing : lookup<P>::kind::stale, *vma};
}

/// A notifier around `fault` that is registered, and not in the index yet.
template <explained_policies P>
auto gpusvm<P>::make_notifier(cpu_va fault, lookup_options const& options) -> result<candidate> {
  {
    // What cannot be served is refused before anything is made; the look that counts comes later, with a sequence.
    shared_guard const map_guard{env_.mm.map_lock()};
    if (result<vma_info> const vma = permitted_vma(fault, options); !vma) return vma.error();
  }
  va_range const span = aligned_block(fault, shape_.notifier_size());
  notifier<P>* const made = detail::construct<notifier<P>>(env_.memory, env_, client_, span, range_nodes_, spare_);
  if (made == nullptr) return errc::no_memory;
  notifier_ref<P> ref = notifier_ref<P>::adopt(*made);
  // Before the map lock is taken: registration may take it, and may wait.
  if (errc const e = env_.mm.register_notifier(made->registration_, span, *made); e != errc::ok) return e;
  return candidate{*this, std::move(ref), true};
}

/// The VMA at `fault`, if it allows what the caller is about to do.
///
/// \pre the map lock is held shared
template <explained_policies P>
result<vma_info> gpusvm<P>::permitted_vma(cpu_va fault, lookup_options const& options) {
  result<vma_info> const vma = env_.mm.find_vma(fault);
  if (!vma) return vma.error();
  if (options.want != access_kind::read && !vma->writable) return errc::read_only;
  if (!vma->readable) return errc::no_access;
  if (options.devmem_only && !vma->migratable) return errc::not_migratable;
  return vma;
}

/// Looks at the VMA and at what is there, and chooses the chunk.
template <explained_policies P>
auto gpusvm<P>::make_plan(candidate& home, cpu_va fault, lookup_options const& options) -> result<plan> {
  shared_guard const map_guard{env_.mm.map_lock()};
  result<vma_info> const vma = permitted_vma(fault, options);
  if (!vma) return vma.error();
  va_range const window = options.within == nullptr ? shape_.window() : shape_.window().intersection(*options.within);
  va_range const bounds = vma->extent.intersection(home->interval()).intersection(window);
  va_range const chunk = detail::choose_chunk(shape_.chunks(), fault, bounds, [&](va_range chosen) {
    if (!home.is_fresh()) {
      shared_guard const guard{home->lock_};
      if (home->ranges_.first_overlap(chosen) != nullptr) return false;
    }
    return chosen.size() > options.check_pages_threshold || all_present_locked(chosen);
  });
  return plan{*vma, chunk};
}

/// True when every page of `span` is present on the CPU.
///
/// \pre the map lock is held shared
/// \allocs none, so that no shortage of memory can shrink a range
template <explained_policies P>
bool gpusvm<P>::all_present_locked(va_range span) {
  bool all = true;
  for_each_run(env_.mm, span, [&](page_run<page> const& r) { return all = r.place != page_place::absent; });
  return all;
}

/// Takes what an insertion needs, before any lock of it is taken.
///
/// \errors no_memory
template <explained_policies P>
errc gpusvm<P>::make_room(candidate const& home, insertion_room& room) {
  auto for_range = range_index::reserve(range_nodes_);
  if (!for_range) return for_range.error();
  room.for_range = std::move(*for_range);
  if (!home.is_fresh()) return errc::ok;
  auto for_notifier = notifier_index::reserve(notifier_nodes_);
  if (!for_notifier) return for_notifier.error();
  room.for_notifier = std::move(*for_notifier);
  return errc::ok;
}

/// Puts a new range into its notifier, and a new notifier into the index, if nothing has changed since `sequence`.
///
/// \param then  called in the same hold of the notifier's lock, when the range is in
/// \errors retry: an event, another range or another notifier came first; gone
template <explained_policies P>
template <class Then>
errc gpusvm<P>::insert(candidate& home, insertion_room& room, range<P>& made, std::uint64_t sequence,
                       Then const& then) {
  if (!home.is_fresh()) {
    exclusive_guard const guard{home->lock_};
    if (home->retired_) return errc::retry;
    if (errc const e = insert_locked(*home, room.for_range, made, sequence); e != errc::ok) return e;
    then();
    return errc::ok;
  }
  {
    exclusive_guard const index_guard{lock_};
    if (closed_) return errc::gone;
    exclusive_guard const guard{home->lock_};
    if (notifiers_.first_overlap(home->interval()) != nullptr) return errc::retry;
    if (errc const e = insert_locked(*home, room.for_range, made, sequence); e != errc::ok) return e;
    [[maybe_unused]] notifier<P>* const in_the_way = notifiers_.insert(room.for_notifier, *home);
    SVM_ASSERT(in_the_way == nullptr);
    home->get();
    home.published();
    then();
  }
  env_.observer.record({event_kind::notifier_created, home->interval()});
  return errc::ok;
}

template <explained_policies P>
errc gpusvm<P>::insert_locked(notifier<P>& home, typename range_index::reserved_nodes& room, range<P>& made,
                              std::uint64_t sequence) {
  home.lock_.assert_held();
  if (env_.mm.read_retry(home.registration_, sequence)) return errc::retry;
  if (home.ranges_.insert(room, made) != nullptr) return errc::retry;
  made.get();
  return errc::ok;
}

}  // namespace svm::inline v0
