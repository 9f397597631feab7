// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_walk.hpp>
#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::find_or_insert and its steps.

namespace svm::inline v0 {

template <explained_policies P>
auto gpusvm<P>::find_or_insert(cpu_va fault, lookup_options const& options) -> result<lookup<P>> {
  if (!shape_.window().contains(fault)) return errc::outside_window;
  mm_user const user{env_.mm};
  if (!user.alive()) return errc::mm_gone;

  retry_budget budget{env_.clock};
  do {
    if (is_cancelled(options.cancel)) return errc::interrupted;
    range_ref<P> known;
    notifier_ref<P> around;
    if (errc const e = look_at(fault, known, around); e != errc::ok) return e;
    if (known) return known_range(std::move(known), fault, options);
    result<candidate> home = around ? candidate{*this, std::move(around), false} : make_notifier(fault, options);
    if (!home) return home.error();
    // Taken before the VMA is looked up: an unmap that comes later changes it, so the insertion below finds out.
    std::uint64_t const sequence = env_.mm.read_begin((*home)->registration_);
    result<plan> const found = make_plan(*home, fault, options);
    if (!found) return found.error();
    if (!range_quota_.charge(1)) return errc::quota_exceeded;
    scope_guard uncharge{[this] { range_quota_.uncharge(1); }};
    bool const migratable = options.devmem_possible && found->vma.migratable;
    range<P>* const made = construct<range<P>>(env_.memory, (*home)->env(), **home, found->chunk, migratable);
    if (made == nullptr) return errc::no_memory;
    range_ref<P> ref = range_ref<P>::adopt(*made);
    errc const e = insert(*home, *made, sequence);
    if (e == errc::ok) {
      uncharge.dismiss();  // until it is removed
      env_.observer.record({event_kind::range_created, found->chunk});
      return lookup<P>{std::move(ref), lookup<P>::kind::inserted, found->vma};
    }
    if (e != errc::retry) return e;
    env_.observer.record({event_kind::interfered_retry, found->chunk});
  } while (budget.after_event());
  return errc::busy;
}

/// Looks for the range around `fault`, and where there is none for the notifier; both may be absent.
///
/// \errors gone
template <explained_policies P>
errc gpusvm<P>::look_at(cpu_va fault, range_ref<P>& known, notifier_ref<P>& around) {
  shared_guard const guard{lock_};
  if (closed_) return errc::gone;
  notifier<P>* const n = notifiers_.find(fault);
  if (n == nullptr) return errc::ok;
  shared_guard const range_guard{n->lock_};
  if (range<P>* const r = n->ranges_.find(fault, range_nodes_.layout()))
    known = range_ref<P>::share(*r);
  else
    around = notifier_ref<P>::share(*n);
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
  notifier<P>* const made = construct<notifier<P>>(env_.memory, env_, client_, span, range_nodes_);
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
  va_range const chunk = choose_chunk(shape_.chunks(), fault, bounds, [&](va_range chosen) {
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

/// Puts a new range into its notifier, and a new notifier into the index, if nothing has changed since `sequence`.
///
/// \errors retry: an event, another range or another notifier came first; no_memory
template <explained_policies P>
errc gpusvm<P>::insert(candidate& home, range<P>& made, std::uint64_t sequence) {
  auto range_room = range_index::reserve(range_nodes_);
  if (!range_room) return range_room.error();
  if (!home.is_fresh()) {
    exclusive_guard const guard{home->lock_};
    return home->retired_ ? errc::retry : insert_locked(*home, *range_room, made, sequence);
  }
  auto notifier_room = notifier_index::reserve(notifier_nodes_);
  if (!notifier_room) return notifier_room.error();
  {
    exclusive_guard const index_guard{lock_};
    if (closed_) return errc::gone;
    exclusive_guard const guard{home->lock_};
    if (notifiers_.first_overlap(home->interval()) != nullptr) return errc::retry;
    if (errc const e = insert_locked(*home, *range_room, made, sequence); e != errc::ok) return e;
    [[maybe_unused]] notifier<P>* const in_the_way = notifiers_.insert(*notifier_room, *home);
    SVM_ASSERT(in_the_way == nullptr);
    home->get();
    home.published();
  }
  env_.observer.record({event_kind::notifier_created, home->interval()});
  return errc::ok;
}

template <explained_policies P>
errc gpusvm<P>::insert_locked(notifier<P>& home, typename range_index::reservation& room, range<P>& made,
                              std::uint64_t sequence) {
  home.lock_.assert_held();
  if (env_.mm.read_retry(home.registration_, sequence)) return errc::retry;
  if (home.ranges_.insert(room, made) != nullptr) return errc::retry;
  made.get();
  return errc::ok;
}

}  // namespace svm::inline v0
