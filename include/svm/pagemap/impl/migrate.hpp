// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_walk.hpp>
#include <svm/pagemap/migrator.hpp>

// migrator::migrate_to_device and its steps.

namespace svm::inline v0 {

template <explained_migrating_policies P>
class migrator<P>::migration_to_device {
 public:
  migration_to_device(migrator& to, mm& space, va_range span, migrate_options<P> const& options)
      : to_(to), env_(to.env_), space_(space), span_(span), options_(options), work_(env_, to.kept_) {}

  [[nodiscard]] errc run() {
    page_count const wanted = count_wanted();
    if (wanted.value == 0) return errc::ok;
    result<devmem_ref> const built = to_.build(wanted * mm::page_size, options_);
    if (!built) return built.error();
    devmem<P>& allocation = **built;
    // From here on the allocation goes with its last page, or here when no page came to life.
    scope_guard const finish{[&allocation] { allocation.live_pages().built(); }};
    if (!work_.reserve(pages_in(span_.size(), mm::page_size).value)) return errc::no_memory;
    errc const e = move(allocation);
    if (allocation.live_pages().live() > 1) to_.enlist(allocation);
    // unbind() sets its flag, then walks the list; we enlist, then read the flag: one of us evicts.
    if (!to_.is_bound()) {
      static_cast<void>(to_.evict(allocation, {migration_cause::unbind}));
      return errc::device_gone;
    }
    return e;
  }

 private:
  /// How many pages are to move; none when they are here already.
  [[nodiscard]] page_count count_wanted() {
    page_count const all =
        options_.pages != nullptr ? page_count{options_.pages->count()} : pages_in(span_.size(), mm::page_size);
    page_count here{};
    {
      shared_guard const map_guard{space_.map_lock()};
      std::uint64_t at = 0;
      for_each_run(space_, span_, [&](page_run<page> const& r) {
        if (r.place == page_place::device && r.owner == env_.pagemap.owner()) here += asked_of(at, r.count);
        at += r.count;
        return true;
      });
    }
    if (options_.same_pagemap) return all;
    return here == all || options_.only_what_differs ? all - here : all;
  }

  /// How many of `count` pages from number `first` on may move.
  [[nodiscard]] page_count asked_of(std::uint64_t first, std::uint64_t count) const {
    if (options_.pages == nullptr) return {count};
    auto const from = static_cast<unsigned>(first);
    return {(*options_.pages & page_mask{page_span{from, from + static_cast<unsigned>(count)}}).count()};
  }
  /// Tells the slots which pages are not asked for.
  void leave_others_alone() {
    if (options_.pages == nullptr) return;
    SVM_ASSERT(collects_masks<mm> && work_.slots().size() <= page_mask::pages);
    for (unsigned i = 0; slot & s : work_.slots())
      if (!options_.pages->test(i++)) s.state = slot_state::outside;
  }

  /// The part that runs with the map lock and page locks held.
  [[nodiscard]] errc move(devmem<P>& allocation) {
    shared_guard const map_guard{space_.map_lock()};
    result<vma_info> const vma = space_.find_vma(span_.start());
    if (!vma) return vma.error();
    if (!vma->extent.contains(span_)) return errc::spans_vmas;
    if (!vma->migratable) return errc::not_migratable;

    // The order is the undo: mappings end first, then the session unlocks the pages, then the map lock goes.
    leave_others_alone();
    typename mm::migration session{};
    scope_guard const unmap{[this] { work_.unmap_all(); }};
    if (errc const e = take(session, allocation); e != errc::ok) return e;
    if (errc const e = copy(allocation); e != errc::ok) return e;

    if (options_.timeslice != duration{}) allocation.start_timeslice(env_.clock.now() + options_.timeslice);
    space_.install(session);
    for (slot const& s : work_.slots())
      if (!s.is_collected() && s.state != slot_state::outside) return errc::busy;
    if (peer_bytes_ != byte_count{}) env_.observer.record({event_kind::migrated_peer, span_, peer_bytes_});
    env_.observer.record({event_kind::migrated_to_device, span_, system_bytes_});
    return errc::ok;
  }

  /// Collects the pages, each with a place in the allocation.
  [[nodiscard]] errc take(typename mm::migration& session, devmem<P>& allocation) {
    auto const collect = [&] { return space_.collect(session, span_, work_.slots(), env_.pagemap.owner()); };
    if constexpr (collects_into_destination<mm>) {
      errc e = allocation.wait_cleared();  // to collect is to copy
      if (e == errc::ok) e = assign_places_ahead(allocation);
      if (e == errc::ok) e = collect();
      if (e == errc::ok) return check_collected();
      discard_places();
      return e;
    } else {
      if (errc const e = collect(); e != errc::ok) return e;
      if (errc const e = check_collected(); e != errc::ok) return e;
      return assign_places(allocation);
    }
  }

  [[nodiscard]] static zdd<P>* behind(slot const& s) { return s.has_page() ? zdd<P>::of(s.owner_object) : nullptr; }
  /// True for a page that stays where it is: it is in this memory, or was not asked for.
  [[nodiscard]] bool stays(slot const& s) const {
    if (s.state == slot_state::outside) return true;
    zdd<P> const* const z = behind(s);
    return z != nullptr && &z->allocation().owner() == &to_ && !options_.same_pagemap;
  }

  [[nodiscard]] errc check_collected() const {
    for (slot const& s : work_.slots()) {
      if (s.state == slot_state::outside) continue;
      if (s.state == slot_state::shared) return errc::shared;
      if (!s.is_collected()) return s.is_in_use() ? errc::in_use : errc::busy;
      if (s.owner_object != nullptr && zdd<P>::of(s.owner_object) == nullptr) return errc::unsupported;
      if (stays(s) && !options_.only_what_differs) return errc::busy;
    }
    return !collects_into_destination<mm> || has_places() ? errc::ok : errc::busy;
  }
  /// True when each page that moves has a place: one that was here when places were given may have left.
  [[nodiscard]] bool has_places() const {
    std::size_t end = 0;
    for (std::size_t i = 0; i < work_.slots().size(); ++i) {
      slot const& s = work_.slots()[i];
      if (s.destination != page{}) end = i + s.destination_order.pages().value;
      if (i >= end && !stays(s)) return false;
    }
    return true;
  }

  /// Gives every page that may move a place before it is known what is there: blocks as large as the allocation has them.
  ///
  /// \pre the map lock is held shared, so what is here does not change but by an eviction
  [[nodiscard]] errc assign_places_ahead(devmem<P>& allocation) {
    std::size_t next = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    errc e = errc::ok;
    auto const assign = [&] {
      if (e == errc::ok) e = assign_places_ahead(allocation, begin, end, next);
    };
    if (options_.only_what_differs && !options_.same_pagemap)
      for_each_run(space_, span_, [&](page_run<page> const& r) {
        bool const is_here = r.place == page_place::device && r.owner == env_.pagemap.owner();
        if (is_here) assign();
        end += static_cast<std::size_t>(r.count);
        if (is_here) begin = end;
        return true;
      });
    end = work_.slots().size();
    assign();
    return e;
  }
  [[nodiscard]] errc assign_places_ahead(devmem<P>& allocation, std::size_t begin, std::size_t end, std::size_t& next) {
    auto const is_outside = [this](std::size_t i) { return work_.slots()[i].state == slot_state::outside; };
    std::uint32_t made = 0;
    scope_guard const counted{[&] { allocation.live_pages().blocks_made(made); }};
    while (begin < end) {
      if (is_outside(begin)) {
        ++begin;
        continue;
      }
      std::span<device_page<page> const> const places = allocation.pages().subspan(next);
      if (places.empty()) return errc::busy;  // a page left this memory since they were counted
      page_order order = places[0].order;
      auto const fits = [&] {
        std::uint64_t const count = order.pages().value;
        if (count > end - begin) return false;
        for (std::size_t k = 1; options_.pages != nullptr && k < count; ++k)
          if (is_outside(begin + k)) return false;
        return (span_.start() + mm::page_size * begin).is_aligned(mm::page_size * count);
      };
      while (!fits()) --order.value;
      allocation.live_pages().own_block(space_, places[0].page, order);
      ++made;
      work_.slots()[begin].destination = places[0].page;
      work_.slots()[begin].destination_order = order;
      next += order.pages().value;
      begin += order.pages().value;
    }
    return errc::ok;
  }
  /// Lets go of the places that were given ahead, when nobody took them over.
  void discard_places() {
    for (slot& s : work_.slots())
      if (s.destination != page{}) space_.discard_page(std::exchange(s.destination, page{}));
  }

  /// Gives every page that moves a place in the allocation; a block stays whole where the allocation has one so large.
  [[nodiscard]] errc assign_places(devmem<P>& allocation) {
    std::span<device_page<page> const> const places = allocation.pages();
    std::uint32_t made = 0;
    scope_guard const counted{[&] { allocation.live_pages().blocks_made(made); }};
    std::size_t next = 0;
    for (std::size_t i = 0; i < work_.slots().size();) {
      slot& s = work_.slots()[i];
      if (stays(s)) {
        ++i;
        continue;
      }
      if (next == places.size()) return errc::busy;  // a page left this memory since they were counted
      bool const whole = !s.follows && s.order <= places[next].order;
      page_order const order = whole ? s.order : page_order{};
      allocation.live_pages().own_block(space_, places[next].page, order);
      ++made;
      s.destination = places[next].page;
      s.destination_order = order;
      next += order.pages().value;
      i += order.pages().value;
    }
    return errc::ok;
  }

  /// Copies into the allocation: what this device reads by itself in one job, then one job a peer that pushes.
  [[nodiscard]] errc copy(devmem<P>& allocation) {
    bool copied = false;
    work_.start_job(env_.device);
    if (errc const e = for_each_move([&](slot const& s, page_count count) { return pull(s, count); }); e != errc::ok)
      return e;
    if (collects_into_destination<mm> || !work_.job().empty()) {
      time_point const began = detail::moment_for(env_.observer, env_.clock);
      copied = !work_.job().empty();
      if (copied)
        if (errc const e = env_.pagemap.copy_to_device(work_.job()); e != errc::ok) return e;
      record_copied(began, [this](slot const& s) { return !pushes(s); });
    }
    work_.unmap_all();
    while (migrator* const from = options_.source_copies ? next_pusher() : nullptr) {
      work_.start_job(from->env_.device);
      if (errc const e = for_each_move([&](slot const& s, page_count count) { return push(*from, s, count); });
          e != errc::ok)
        return e;
      last_pusher_ = from;
      if (errc const e = allocation.wait_cleared(); e != errc::ok) return e;  // the other device does not wait for it
      time_point const began = detail::moment_for(env_.observer, env_.clock);
      if (errc const e = from->env_.pagemap.copy_to_system(work_.job()); e != errc::ok) return e;
      record_copied(began, [&](slot const& s) { return pushes(s) && &behind(s)->allocation().owner() == from; });
      work_.unmap_all();
    }
    return copied ? errc::ok : allocation.wait_cleared();
  }

  /// Says what a job copied, for each cause, of the slots for which `is_part` is true.
  template <class IsPart>
  void record_copied(time_point began, IsPart&& is_part) {
    page_count along{};
    page_count others{};
    std::size_t covered = 0;
    for (std::size_t i = 0; i < work_.slots().size(); ++i) {
      slot const& s = work_.slots()[i];
      if (s.destination != page{}) covered = i + s.destination_order.pages().value;
      if (i >= covered || !s.has_page() || !is_part(s)) continue;
      bool const is_along = options_.along != nullptr && options_.along->test(static_cast<unsigned>(i));
      (is_along ? along : others) += page_count{1};
    }
    time_point const ended = detail::moment_for(env_.observer, env_.clock);
    auto const record = [&](page_count n, migration_cause cause) {
      move_reason reason = options_.reason;
      reason.cause = cause;
      if (n.value != 0)
        env_.observer.record({.kind = event_kind::copied,
                              .span = span_,
                              .bytes = n * mm::page_size,
                              .reason = reason,
                              .began = began,
                              .ended = ended});
    };
    record(others, options_.reason.cause);
    record(along, migration_cause::prefetch);
  }

  /// Calls `visit(slot, pages)` for each run that has bytes to move.
  template <class Visit>
  [[nodiscard]] errc for_each_move(Visit&& visit) {
    std::size_t const end = work_.slots().size();
    for (std::size_t i = 0; i < end;) {
      slot const& s = work_.slots()[i];
      bool const moves = s.destination != page{} && s.has_page();
      page_count const count = moves ? work_.run_at(i, end) : s.destination_order.pages();
      if (moves)
        if (errc const e = visit(s, count); e != errc::ok) return e;
      i += static_cast<std::size_t>(count.value);
    }
    return errc::ok;
  }

  [[nodiscard]] errc pull(slot const& s, page_count count) {
    zdd<P> const* const from = behind(s);
    if (pushes(s)) return errc::ok;
    (from == nullptr ? system_bytes_ : peer_bytes_) += count * mm::page_size;
    if (s.state == slot_state::moved) return errc::ok;
    if (from == nullptr) return work_.add_system(s.source, s.destination, count, dma_direction::to_device);
    return work_.add_device(from->allocation().owner().env_.pagemap, s.source, s.destination, count,
                            dma_direction::to_device);
  }
  [[nodiscard]] errc push(migrator& from, slot const& s, page_count count) {
    if (!pushes(s) || &behind(s)->allocation().owner() != &from) return errc::ok;
    peer_bytes_ += count * mm::page_size;
    return work_.add_device(env_.pagemap, s.destination, s.source, count, dma_direction::from_device);
  }
  [[nodiscard]] bool pushes(slot const& s) const {
    zdd<P> const* const from = behind(s);
    return options_.source_copies && s.state == slot_state::collected && from != nullptr &&
           &from->allocation().owner() != &to_;
  }
  /// The peer with the lowest member number above the last one's; so each is met once.
  [[nodiscard]] migrator* next_pusher() const {
    migrator* next = nullptr;
    for (slot const& s : work_.slots()) {
      if (s.destination == page{} || !pushes(s)) continue;
      migrator* const owner = &behind(s)->allocation().owner();
      if (comes_after(owner, last_pusher_) && (next == nullptr || comes_after(next, owner))) next = owner;
    }
    return next;
  }
  [[nodiscard]] static bool comes_after(migrator* a, migrator* b) {
    return b == nullptr || a->env_.pagemap.owner().member > b->env_.pagemap.owner().member;
  }

  migrator& to_;
  environment<P>& env_;
  mm& space_;
  va_range const span_;
  migrate_options<P> const& options_;
  detail::transfer<P> work_;
  migrator* last_pusher_ = nullptr;
  byte_count system_bytes_{};
  byte_count peer_bytes_{};
};

template <explained_migrating_policies P>
errc migrator<P>::migrate_to_device(mm& space, va_range span, migrate_options<P> const& options) {
  if (!is_bound()) return errc::device_gone;
  if (is_cancelled(options.cancel)) return errc::interrupted;
  return migration_to_device{*this, space, span, options}.run();
}

}  // namespace svm::inline v0
