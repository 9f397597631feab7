// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/port/page_migration.hpp>

// page_migration: how pages are taken out of the page tables.

namespace svm::inline v0::port {

template <class Self, class Frames, class PageLock>
errc page_migration<Self, Frames, PageLock>::collect(migration& session, va_range span, std::span<slot> slots,
                                                     page_owner reach) noexcept {
  result<vma_info> const vma = self().find_vma(span.start());
  if (!vma) return vma.error();
  if (!vma->extent.contains(span)) return errc::spans_vmas;
  if (!vma->migratable) return errc::not_migratable;
  begin(session, slots);
  session.start_ = span.start();
  session.for_ = reach;
  freed_list freed;
  for (std::size_t first = 0; first < slots.size();) {
    std::size_t end = first;
    while (end < slots.size() && slots[end].state != slot_state::outside) ++end;
    if (end != first) {
      std::span<slot> const run = slots.first(end);
      va_range const asked{span.start() + page_size * first, page_size * (end - first)};
      static_cast<void>(self().invalidate({asked, invalidation_cause::migrate, reach}, [&] {
        exclusive_guard const guard{machine_frames().lock()};
        for (std::size_t i = first; i < end;) i += collect_one_locked(session, run, i, freed);
      }));
    }
    first = end + 1;  // what is at `end`, if anything, is outside
  }
  machine_frames().tell(freed);
  return errc::ok;
}

/// Collects the page at slot `i`, with its block where `slots`, which begin with the session's first, have all of it;
/// returns how many slots that were.
template <class Self, class Frames, class PageLock>
std::size_t page_migration<Self, Frames, PageLock>::collect_one_locked(migration const& session, std::span<slot> slots,
                                                                       std::size_t i, freed_list& freed) {
  cpu_va const a = session.start_ + page_size * i;
  view const now = self().view_locked(a);
  if (now.state == mapping_state::none || now.state == mapping_state::zero) return collect_hole_locked(slots, i, a);
  if (now.state == mapping_state::swapped) return refuse(slots[i], slot_state::swapped);
  if (now.state == mapping_state::migrating || !self().may_lock_locked(now.page))
    return refuse(slots[i], slot_state::locked);
  if (machine_frames().is_device(now.page) && !session.for_.reaches(machine_frames().owner_of(now.page)))
    return refuse(slots[i], slot_state::resident);
  auto const seen = [&](std::size_t k) { return k == i ? now.page : self().view_locked(a + page_size * (k - i)).page; };
  page_order const order = machine_frames().order_of(now.page);
  page_order const whole = is_whole_locked(slots, i, order, seen) ? order : page_order{};
  std::size_t const count = whole.pages().value;
  for (std::size_t k = i; k < i + count; ++k)
    if (machine_frames().mappings_locked(machine_frames().after(now.page, k - i)) != 1)
      return refuse(slots[i], slot_state::shared);
  if (machine_frames().others_locked(now.page) != 0) return refuse(slots[i], slot_state::pinned);
  if (whole != order) static_cast<void>(machine_frames().split_locked(now.page, 0, freed));
  for (std::size_t k = i; k < i + count; ++k) {
    slots[k].source = machine_frames().after(now.page, k - i);
    self().take_out_locked(a + page_size * (k - i));
  }
  return take_locked(slots, i, whole);
}

template <class Self, class Frames, class PageLock>
std::size_t page_migration<Self, Frames, PageLock>::collect_hole_locked(std::span<slot> slots, std::size_t i,
                                                                        cpu_va a) {
  page_order const order = self().hole_order_locked(a, slots.size() - i);
  std::size_t const count = order.pages().value;
  for (std::size_t k = i; k < i + count; ++k) {
    slots[k].state = slot_state::hole;
    slots[k].follows = k != i;
  }
  slots[i].order = order;
  return count;
}

/// True when the block of `source(i)`, of an order, has all its pages in the slots from `i` on, in order.
template <class Self, class Frames, class PageLock>
template <class Source>
bool page_migration<Self, Frames, PageLock>::is_whole_locked(std::span<slot> slots, std::size_t i, page_order order,
                                                             Source&& source) {
  page const first = source(i);
  std::uint64_t const count = order.pages().value;
  if (order == page_order{}) return true;
  if (machine_frames().first_of(first) != first || count > slots.size() - i) return false;
  for (std::uint64_t k = 1; k < count; ++k)
    if (source(i + k) != machine_frames().after(first, k)) return false;
  return true;
}

/// Locks the block that begins at slot `i`, whose sources are set, and returns its number of pages.
template <class Self, class Frames, class PageLock>
std::size_t page_migration<Self, Frames, PageLock>::take_locked(std::span<slot> slots, std::size_t i,
                                                                page_order order) {
  machine_frames().hold_locked(slots[i].source);
  std::size_t const count = order.pages().value;
  for (std::size_t k = i; k < i + count; ++k) {
    slots[k].state = slot_state::collected;
    slots[k].follows = k != i;
    slots[k].order = k == i ? order : page_order{};
    slots[k].owner_object = machine_frames().owner_object_of(slots[k].source);
  }
  return count;
}

template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::collect_pages(migration& session, std::span<slot> slots,
                                                           page_scope const* within, page faulting) noexcept {
  begin(session, slots);
  freed_list freed;
  {
    exclusive_guard const guard{machine_frames().lock()};
    for (std::size_t i = 0; i < slots.size();) i += pick_one_locked(slots, i, within, faulting, freed);
  }
  self().withdraw(slots);
  settle(slots);
  machine_frames().changed().notify_all();
  machine_frames().tell(freed);
}

/// Locks the page named in slot `i`, with its block where the slots name all of it; returns how many slots that were.
template <class Self, class Frames, class PageLock>
std::size_t page_migration<Self, Frames, PageLock>::pick_one_locked(std::span<slot> slots, std::size_t i,
                                                                    page_scope const* within, page faulting,
                                                                    freed_list& freed) {
  page const p = slots[i].source;
  if (!machine_frames().is_alive(p)) return 1;
  bool const has_fault =
      machine_frames().is_alive(faulting) && machine_frames().first_of(faulting) == machine_frames().first_of(p);
  auto const is_inside = [&](page q) {
    machine_frames().lock().assert_held();
    return machine_frames().any_mapping_locked(q, [&](auto const& m) {
      return within == nullptr || (m.space->id() == within->space && within->span.contains(m.at));
    });
  };
  if (!self().may_lock_locked(p)) return refuse(slots[i], slot_state::locked);
  if (!is_inside(p)) return refuse(slots[i], slot_state::elsewhere);
  if (machine_frames().others_locked(p) != (has_fault ? 1u : 0u)) return refuse(slots[i], slot_state::pinned);
  page_order order = machine_frames().order_of(p);
  bool is_whole = is_whole_locked(slots, i, order, [&](std::size_t k) { return slots[k].source; });
  for (std::uint64_t k = 1; is_whole && k < order.pages().value; ++k)
    is_whole = is_inside(machine_frames().after(p, k));
  if (!is_whole) {
    if (!machine_frames().split_locked(p, 0, freed)) return refuse(slots[i], slot_state::pinned);
    order = {};
  }
  return take_locked(slots, i, order);
}

template <class Self, class Frames, class PageLock>
bool page_migration<Self, Frames, PageLock>::is_in_use_locked(std::span<slot const> block) {
  auto const is_mapped = [](auto const& m) { return m.space->view_locked(m.at).state != mapping_state::migrating; };
  for (slot const& s : block)
    if (machine_frames().any_mapping_locked(s.source, is_mapped)) return true;
  return false;
}

/// A mapping of the page of slot `i` that is in use, with those of the next slots that lie behind it.
template <class Self, class Frames, class PageLock>
auto page_migration<Self, Frames, PageLock>::next_run_locked(std::span<slot> slots, std::size_t i) -> mapped_run {
  mapped_run found{};
  if (slots[i].state != slot_state::collected) return found;
  found.owner = machine_frames().owner_of(slots[i].source);
  static_cast<void>(machine_frames().any_mapping_locked(slots[i].source, [&](auto const& m) {
    if (m.space->view_locked(m.at).state == mapping_state::migrating) return false;
    found.space = m.space;
    found.span = {m.at, page_size};
    found.count = 1;
    return true;
  }));
  if (found.space == nullptr) return found;
  auto const goes_on = [&](slot const& s) {
    if (s.state != slot_state::collected || machine_frames().owner_of(s.source) != found.owner) return false;
    view const there = found.space->view_locked(found.span.start() + page_size * found.count);
    return there.state == mapping_state::mapped && there.page == s.source;
  };
  while (i + found.count < slots.size() && goes_on(slots[i + found.count])) ++found.count;
  found.span = {found.span.start(), page_size * found.count};
  return found;
}

template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::withdraw(std::span<slot> slots) {
  constexpr int rounds = 8;  // a fork meanwhile adds mappings
  bool again = true;
  for (int round = 0; again && round < rounds; ++round) {
    again = false;
    for (std::size_t i = 0; i < slots.size();) {
      mapped_run next{};
      {
        exclusive_guard const guard{machine_frames().lock()};
        next = next_run_locked(slots, i);
      }
      std::size_t const count = next.space == nullptr ? 1 : next.count;
      if (next.space != nullptr) {
        self().reached(migration_step::withdrawing);
        again = true;
        static_cast<void>(next.space->invalidate({next.span, invalidation_cause::migrate, next.owner}, [&] {
          exclusive_guard const guard{machine_frames().lock()};
          for (std::size_t k = 0; k < count; ++k) {
            cpu_va const a = next.span.start() + page_size * k;
            view const now = next.space->view_locked(a);
            if (now.state == mapping_state::mapped && now.page == slots[i + k].source) next.space->take_out_locked(a);
          }
        }));
      }
      i += count;
    }
  }
}

/// Lets go of the pages that were picked and have no mapping by now, or a user still.
template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::settle(std::span<slot> slots) {
  freed_list freed;
  {
    exclusive_guard const guard{machine_frames().lock()};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].state != slot_state::collected || slots[i].follows) continue;
      std::span<slot> const block = slots.subspan(i, slots[i].order.pages().value);
      if (!machine_frames().is_mapped_locked(slots[i].source))
        let_go_locked(block, slot_state::raced, freed);  // an unmap came first
      else if (is_in_use_locked(block))
        let_go_locked(block, slot_state::pinned, freed);  // its mappings came faster than they could be followed
    }
  }
  machine_frames().tell(freed);
}

/// Leaves a block that was taken where it is.
template <class Self, class Frames, class PageLock>
void page_migration<Self, Frames, PageLock>::let_go_locked(std::span<slot> block, slot_state why, freed_list& freed) {
  page const head = block.front().source;
  for (slot& s : block) {
    static_cast<void>(machine_frames().any_mapping_locked(s.source, [&](auto const& m) {
      static_cast<void>(m.space->put_back_locked(m.at, s.source, s.source));
      return false;
    }));
    s.state = why;
    if (why == slot_state::raced) s.source = {};
  }
  machine_frames().release_locked(head, freed);
}

}  // namespace svm::inline v0::port
