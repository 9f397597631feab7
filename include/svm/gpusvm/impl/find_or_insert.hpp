// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <svm/concepts/page_walk.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/gpusvm/gpusvm.hpp>
#include <svm/gpusvm/impl/fetch_pages.hpp>
#include <svm/gpusvm/impl/plan.hpp>

// gpusvm::find_or_insert, find_or_bind and their steps.

namespace svm::inline v0 {

/// A notifier that `find_or_insert` works with; one that is not in the index yet is unregistered again at the end.
template <explained_policies P>
class gpusvm<P>::candidate {
 public:
  candidate(gpusvm& svm, notifier_ref<P> n, bool fresh) : svm_(svm), notifier_(std::move(n)), fresh_(fresh) {}
  candidate(candidate&& other) noexcept
      : svm_(other.svm_), notifier_(std::move(other.notifier_)), fresh_(std::exchange(other.fresh_, false)) {}
  candidate& operator=(candidate&&) = delete;
  ~candidate() {
    if (fresh_) svm_.env_.mm.unregister_notifier(notifier_->registration_);
  }
  [[nodiscard]] bool is_fresh() const { return fresh_; }
  void published() { fresh_ = false; }
  notifier<P>* operator->() const { return notifier_.get(); }
  notifier<P>& operator*() const { return *notifier_; }

 private:
  gpusvm& svm_;
  notifier_ref<P> notifier_;
  bool fresh_;
};

/// What became of a new range that was to be bound where it is inserted.
template <explained_policies P>
struct gpusvm<P>::first_bind {
  bool is_ready;  ///< all that it takes was there
  errc bound;
  [[nodiscard]] bool is_settled() const;
};

template <explained_policies P>
[[gnu::always_inline]] inline result<range<P>*> gpusvm<P>::make_range(notifier<P>& home, va_range chunk,
                                                                      bool migratable) {
  result<std::byte*> const place = home.spare_.take();
  if (!place) return make_range(home, chunk, migratable, place.error());
  return ::new (*place) range<P>(home.env(), home, chunk, migratable);
}

/// The same after a first try that failed: what was removed may wait for readers.
///
/// \pre no lock of the library held
template <explained_policies P>
[[gnu::noinline]] result<range<P>*> gpusvm<P>::make_range(notifier<P>& home, va_range chunk, bool migratable,
                                                          errc failed) {
  if (failed != errc::quota_exceeded || readers_.retired() == 0) return failed;
  readers_.synchronize();
  result<std::byte*> const place = home.spare_.take();
  if (!place) return place.error();
  return ::new (*place) range<P>(home.env(), home, chunk, migratable);
}

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
                        return insert(home, *made.range, sequence, [] {});
                      });
}

template <explained_policies P>
template <class How, class MayBind>
auto gpusvm<P>::find_or_bind(cpu_va fault, sighting seen, lookup_options const& options, How const& how,
                             MayBind const& may_bind) -> result<lookup<P>> {
  bool tried = false;      // who was disturbed once inserts the range as it is
  bool disturbed = false;  // when all was ready: as a bind that an event came before
  return find_or_make(fault, std::move(seen), options, [&](candidate& home, lookup<P>& made, std::uint64_t sequence) {
    range<P>& r = *made.range;
    if (r.is_migratable() || std::exchange(tried, true)) {
      made.is_settled = disturbed;
      made.bound = errc::retry;
      return insert(home, r, sequence, [] {});
    }
    bind_options binds = how();
    binds.pages.read_only = binds.pages.read_only || !made.vma.writable;
    first_bind outcome;
    errc const e = insert_bound(*home, r, r.interval(), sequence, binds, may_bind, outcome,
                                [&](auto const& then) { return insert(home, r, sequence, then); });
    made.bound = outcome.bound;
    made.is_settled = outcome.is_settled();
    disturbed = outcome.is_ready && e == errc::retry;
    return e == errc::retry ? errc::stale : e;
  });
}

template <explained_policies P>
template <class MayBind>
[[gnu::always_inline]] inline errc gpusvm<P>::bind_new(cpu_va fault, notifier<P>& around, lookup_options const& options,
                                                       bind_options binds, MayBind const& may_bind) {
  if (!shape_.window().contains(fault)) return errc::outside_window;
  mm_user const user{env_.mm};
  if (!user.alive()) return errc::mm_gone;
  std::uint64_t const sequence = env_.mm.read_begin(around.registration_);
  plan found;
  if (errc const e = make_plan(around, false, fault, options, found); e != errc::ok) return e;
  result<range<P>*> const made = make_range(around, found.chunk, false);
  if (!made) return made.error();
  scope_guard uncharge{[this] { spare_.uncharge(); }};
  range_ref<P> ref = range_ref<P>::adopt(**made);
  binds.pages.read_only = binds.pages.read_only || !found.vma.writable;
  first_bind outcome;
  errc const e = insert_bound(
      around, **made, found.chunk, sequence, binds, may_bind,
      outcome, [&](auto const& then) __attribute__((always_inline)) { return insert(around, **made, sequence, then); });
  if (e != errc::ok) return e;
  static_cast<void>(ref.release());  // the index has it
  uncharge.dismiss();                // until it is removed
  range_nodes_.limbo().flush();
  env_.observer.record({event_kind::range_created, found.chunk});
  return outcome.bound;
}

/// Inserts a new range by `insert(then)`, where `then` maps and binds it.
///
/// \param span  of the range; read from it, it would have to wait for what was just written
/// \errors those of `insert`
template <explained_policies P>
template <class MayBind, class Insert>
[[gnu::always_inline]] inline errc gpusvm<P>::insert_bound(notifier<P>& home, range<P>& made, va_range span,
                                                           std::uint64_t sequence, bind_options const& binds,
                                                           MayBind const& may_bind, first_bind& outcome,
                                                           Insert const& insert) {
  detail::walked_runs<typename P::mm, typename P::allocator> found{env_.memory, span};
  typename device_mapping<P>::resources space{env_};
  outcome.bound = prepare_first(home, span, sequence, binds.pages, found, space);
  outcome.is_ready = outcome.bound == errc::ok;
  settle_events(env_.mm);
  return insert([&]() __attribute__((always_inline)) {
    home.lock_.assert_held_shared();
    if (!outcome.is_ready) return;
    outcome.bound =
        may_bind() ? made.pages_.map(found.all(), binds.pages, space, found.walk().is_uniform()) : errc::retry;
    if (outcome.bound == errc::ok) made.pages_.commit_locked(home.lock_, span, binds.permitted);
  });
}

/// True when `get_pages` and `bind` could do no more than what was tried.
template <explained_policies P>
bool gpusvm<P>::first_bind::is_settled() const {
  return bound == errc::ok || !detail::is_for_get_pages(bound);
}

/// Finds what binding a new range takes, while nobody knows of the range.
///
/// \pre    takes mm (shared)
/// \errors retry: an event came, or a page is absent; those of fault_in and of device::prepare; no_memory
template <explained_policies P>
[[gnu::always_inline]] inline errc gpusvm<P>::prepare_first(
    notifier<P>& home, va_range span, std::uint64_t sequence, page_options const& wanted,
    detail::walked_runs<typename P::mm, typename P::allocator>& found, typename device_mapping<P>::resources& space) {
  errc e = detail::walk_new_span<P>(env_.mm,
                                    {.span = span,
                                     .want = wanted.read_only ? access_kind::read : access_kind::write,
                                     .owner = wanted.owner == nullptr ? env_.own : *wanted.owner,
                                     .registration = home.registration_,
                                     .sequence = sequence},
                                    found);
  if (e == errc::ok && (!detail::is_all_present<P>(found) || env_.mm.read_retry(home.registration_, sequence)))
    return errc::retry;
  if (e == errc::ok) e = space.reserve(found.all(), wanted.allow_mixed);
  if (e == errc::ok) e = env_.device.prepare(span);
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
      if (errc const e = look(fault, seen, [](range<P> const&, std::uint32_t) { return false; }); e != errc::ok)
        return e;
    seen.is_fresh = false;
    if (seen.known) return known_range(std::move(seen.known), fault, options);
    result<candidate> home =
        seen.around ? candidate{*this, std::move(seen.around), false} : make_notifier(fault, options);
    if (!home) return home.error();
    plan found;
    // Read before the VMA is looked up: an unmap that comes later changes the sequence, so the insertion below finds
    // out.
    std::uint64_t const sequence = env_.mm.read_begin((*home)->registration_);
    if (errc const e = make_plan(**home, home->is_fresh(), fault, options, found); e != errc::ok) return e;
    bool const migratable = options.devmem_possible && found.vma.migratable;
    result<range<P>*> const made = make_range(**home, found.chunk, migratable);
    if (!made) return made.error();
    scope_guard uncharge{[this] { spare_.uncharge(); }};
    lookup<P> fresh{range_ref<P>::adopt(**made), lookup<P>::kind::inserted, found.vma};
    errc const e = insert_made(*home, fresh, sequence);
    if (e == errc::ok) {
      uncharge.dismiss();  // until it is removed
      range_nodes_.limbo().flush();
      env_.observer.record({event_kind::range_created, found.chunk});
      return result<lookup<P>>{std::move(fresh)};
    }
    if (e == errc::stale) continue;
    if (e != errc::retry) return e;
    env_.observer.record({event_kind::retry_after_event, found.chunk});
    if (!budget.after_event()) return errc::busy;
  }
}

template <explained_policies P>
[[gnu::always_inline]] inline typename gpusvm<P>::glimpse gpusvm<P>::glance(cpu_va a) const
    SVM_NO_THREAD_SAFETY_ANALYSIS {
  notifier<P>* const n = notifiers_.find_unlocked(a, notifier_nodes_.layout());
  return {n, n == nullptr ? nullptr : n->ranges_.find_unlocked(a, range_nodes_.layout())};
}

template <explained_policies P>
void gpusvm<P>::glance(cpu_va a, glimpse& seen) const SVM_NO_THREAD_SAFETY_ANALYSIS {
  if (seen.known != nullptr && seen.known->interval().contains(a)) return;
  if (seen.around == nullptr || !seen.around->interval().contains(a))
    seen.around = notifiers_.find_unlocked(a, notifier_nodes_.layout());
  seen.known = seen.around == nullptr ? nullptr : seen.around->ranges_.find_unlocked(a, range_nodes_.layout());
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
  notifier<P>* const made = detail::construct<notifier<P>>(
      env_.memory, env_, client_, span, range_nodes_, spare_.at(span.start().value / shape_.notifier_size().value));
  if (made == nullptr) return errc::no_memory;
  notifier_ref<P> ref = notifier_ref<P>::adopt(*made);
  // Before the map lock is taken: registration may take it, and may wait.
  if (errc const e = env_.mm.register_notifier(made->registration_, span, *made); e != errc::ok) return e;
  return candidate{*this, std::move(ref), true};
}

/// Puts a new range into its notifier, and a new notifier into the index, if nothing has changed since `sequence`.
///
/// \param then  called in the same hold of the notifier's lock, when the range is in
/// \errors retry: an event, another range or another notifier came first; gone; no_memory
template <explained_policies P>
template <class Then>
errc gpusvm<P>::insert(candidate& home, range<P>& made, std::uint64_t sequence, Then const& then) {
  auto const keep = [&] {
    made.get();
    then();
  };
  return home.is_fresh() ? insert_first(home, made, sequence, keep) : insert(*home, made, sequence, keep);
}

/// The same where the notifier is in the index, which takes over a reference on the range. Nodes are reserved where it
/// turns out that they are needed.
template <explained_policies P>
template <class Then>
[[gnu::always_inline]] inline errc gpusvm<P>::insert(notifier<P>& home, range<P>& made, std::uint64_t sequence,
                                                     Then const& then) {
  typename range_index::reserved_nodes nodes;
  typename range_index::reserved_nodes* room = nullptr;
  while (true) {
    {
      exclusive_guard const guard{home.lock_};
      if (home.retired_) return errc::retry;
      errc const e = insert_locked(home, room, made, sequence);
      if (e == errc::ok) then();
      if (e != errc::no_memory) return e;
    }
    if (errc const e = range_index::replenish(range_nodes_, nodes); e != errc::ok) return e;
    room = &nodes;
  }
}

/// The same for the first range of a notifier that is not in the index yet.
template <explained_policies P>
template <class Then>
errc gpusvm<P>::insert_first(candidate& home, range<P>& made, std::uint64_t sequence, Then const& then) {
  auto nodes = notifier_index::reserve(notifier_nodes_);
  if (!nodes) return nodes.error();
  {
    exclusive_guard const index_guard{lock_};
    if (closed_.load() != 0) return errc::gone;
    exclusive_guard const guard{home->lock_};
    if (notifiers_.first_overlap(home->interval()) != nullptr) return errc::retry;
    // It is alone, so that it takes no node.
    if (errc const e = insert_locked(*home, nullptr, made, sequence); e != errc::ok) return e;
    [[maybe_unused]] notifier<P>* const in_the_way = notifiers_.insert(*nodes, *home);
    SVM_ASSERT(in_the_way == nullptr);
    home->get();
    home.published();
    then();
  }
  notifier_nodes_.limbo().flush();
  env_.observer.record({event_kind::notifier_created, home->interval()});
  return errc::ok;
}

/// The index takes over a reference on the range.
///
/// \param room  nodes; null: none
/// \errors retry; no_memory: it takes nodes
template <explained_policies P>
[[gnu::always_inline]] inline errc gpusvm<P>::insert_locked(notifier<P>& home,
                                                            typename range_index::reserved_nodes* room, range<P>& made,
                                                            std::uint64_t sequence) {
  home.lock_.assert_held();
  if (env_.mm.read_retry(home.registration_, sequence)) return errc::retry;
  if (room == nullptr) {
    chunk_insertion const how = home.ranges_.insert_in_place(made);
    if (how != chunk_insertion::done) return how == chunk_insertion::overlaps ? errc::retry : errc::no_memory;
  } else if (home.ranges_.insert(*room, made) != nullptr) {
    return errc::retry;
  }
  return errc::ok;
}

}  // namespace svm::inline v0
