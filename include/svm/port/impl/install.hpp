// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/port/page_migration.hpp>

// page_migration: how the pages that were taken out move, and how everything comes back into place.

namespace svm::inline v0::port {

/// Splits every source, and every large hole, that does not move whole.
template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::split_for_targets(migration& session) {
  std::span<slot> const slots = session.slots_;
  freed_list freed;
  {
    exclusive_guard const guard{machine_frames().lock()};
    slot_targets to{machine_frames(), slots};
    for (std::size_t i = 0; i < slots.size();) {
      slot const head = slots[i];
      std::size_t const end = i + head.order.pages().value;
      bool moves = false;
      for (std::size_t k = i; k < end; ++k) moves = to.has(k) || moves;
      bool const whole = head.destination != page{} && head.destination_order == head.order;
      if (moves && !whole && head.order != page_order{}) {
        bool const split = head.state == slot_state::hole || machine_frames().split_locked(head.source, 1, freed);
        for (std::size_t k = i; k < end; ++k) {
          if (split) {
            slots[k].follows = false;
            slots[k].order = {};
          } else {
            slots[k].state = slot_state::raced;  // somebody took a reference since
          }
        }
      }
      i = end;
    }
  }
  machine_frames().tell(freed);
}

/// Maps destinations where nothing, or the zero page, was.
///
/// A zero page that is still there may be mapped by a device again: its end is an event.
template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::install_holes(migration& session, std::size_t first, std::size_t end,
                                                           slot_targets to) {
  va_range const span{session.start_ + page_size * first, page_size * (end - first)};
  bool all_none = true;
  {
    exclusive_guard const guard{machine_frames().lock()};
    for (std::size_t i = first; all_none && i < end; ++i)
      all_none = self().view_locked(session.start_ + page_size * i).state == mapping_state::none;
  }
  auto const fill = [&] {
    exclusive_guard const guard{machine_frames().lock()};
    for (std::size_t i = first; i < end; ++i) {
      page const target = to.of(i);
      cpu_va const a = session.start_ + page_size * i;
      mapping_state const now = self().view_locked(a).state;
      bool const is_free = now == mapping_state::none || (now == mapping_state::zero && !all_none);
      if (!is_free || !self().fill_hole_locked(a, target)) session.slots_[i].state = slot_state::raced;
    }
  };
  if (all_none)
    fill();
  else
    static_cast<void>(self().invalidate({span, invalidation_cause::migrate, session.for_}, fill));
}

template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::install(migration& session) noexcept {
  self().reached(migration_step::installing);
  split_for_targets(session);
  session.installed_ = true;
  std::span<slot> const slots = session.slots_;
  slot_targets to{machine_frames(), slots};
  for (std::size_t i = 0; i < slots.size();) {
    std::size_t end = i + 1;
    if (!to.has(i)) {
      i = end;
      continue;
    }
    if (slots[i].state == slot_state::hole) {
      slot_targets const from_here = to;
      while (end < slots.size() && slots[end].state == slot_state::hole && to.has(end)) ++end;
      install_holes(session, i, end, from_here);
    } else {
      exclusive_guard const guard{machine_frames().lock()};
      std::uint32_t const mine = machine_frames().is_faulting_locked(slots[i].source) ? 2 : 1;
      if (machine_frames().others_locked(slots[i].source) != mine ||
          machine_frames().mappings_locked(slots[i].source) == 0)
        slots[i].state = slot_state::raced;  // another thread looks at it, or an unmap came first
    }
    i = end;
  }
}

template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::finalize(migration& session) noexcept {
  if (session.home_ == nullptr) return;
  freed_list freed;
  {
    exclusive_guard const guard{machine_frames().lock()};
    std::span<slot> const slots = session.slots_;
    slot_targets to{machine_frames(), slots};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      page const target = to.of(i);
      restore_locked(slots[i], session.installed_ ? target : page{}, freed);
    }
    for (slot const& s : slots) {
      bool const held = s.source != page{} && (s.state == slot_state::collected || s.state == slot_state::raced);
      if (held && !s.follows) machine_frames().release_locked(s.source, freed);
      if (s.destination != page{}) machine_frames().release_locked(s.destination, freed);
    }
  }
  machine_frames().changed().notify_all();
  session.home_ = nullptr;
  session.held_.unlock();
  machine_frames().tell(freed);
  self().reached(migration_step::finalized);
}

/// Points every mapping of a slot's page where it belongs: to its target, or to itself when it has none.
template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::restore_locked(slot const& s, page to, freed_list& freed) {
  if (s.source == page{} || (s.state != slot_state::collected && s.state != slot_state::raced)) return;
  if (to == page{}) to = s.source;
  // Wherever it is mapped by now: a fork or a move of the mapping may have come between.
  machine_frames().move_mappings_locked(
      s.source, to, [&](auto const& m) { return m.space->put_back_locked(m.at, s.source, to); }, freed);
}

}  // namespace svm::inline v0::port
