// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include <svm/mock/cpu/mm.hpp>

// address_space: how a migration moves the pages that it took, and puts everything back into place.

namespace svm::inline v0::mock {

/// Gives each slot its page of the destination that covers it, and splits every source that does not move whole.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::assign_targets(migration& session) {
  std::span<slot> const slots = session.slots_;
  freed_list freed;
  exclusive_guard const guard{frames_.lock()};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].destination == page{}) continue;
    std::size_t const end = std::min(slots.size(), i + slots[i].destination_order.pages().value);
    for (std::size_t k = i; k < end; ++k)
      if (slots[k].is_collected()) session.target_[k] = frames_.after(slots[i].destination, k - i);
  }
  for (std::size_t i = 0; i < slots.size();) {
    std::size_t const end = i + std::max<std::size_t>(1, slots[i].order.pages().value);
    bool const moves =
        std::any_of(session.target_.begin() + static_cast<std::ptrdiff_t>(i),
                    session.target_.begin() + static_cast<std::ptrdiff_t>(end), [](page p) { return p != page{}; });
    bool const whole = slots[i].destination != page{} && slots[i].destination_order == slots[i].order;
    if (slots[i].is_collected() && slots[i].order.value != 0 && moves && !whole) {
      bool const is_hole = slots[i].state == slot_state::hole;
      bool const split = is_hole || frames_.split_locked(slots[i].source, 1, freed);
      for (std::size_t k = i; k < end; ++k) {
        if (split) {
          slots[k].follows = false;
          slots[k].order = {};
        } else {
          session.target_[k] = {};  // somebody took a reference since
          slots[k].state = slot_state::raced;
        }
      }
    }
    i = end;
  }
}

/// Maps destinations where nothing, or the zero page, was.
///
/// A zero page that is still there may be mapped by a device again: its end is an event.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::install_holes(migration& session, std::size_t first, std::size_t end) {
  cpu_va const start = session.start_ + page_size * first;
  va_range const run{start, page_size * (end - first)};
  bool all_none = true;
  {
    exclusive_guard const guard{frames_.lock()};
    table_.for_each(run, [&](cpu_va, pte const&) { all_none = false; });
  }
  auto const fill = [&] {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = first; i < end; ++i) {
      page const to = session.target_[i];
      cpu_va const at = session.start_ + page_size * i;
      pte& now = table_.at(at);
      bool const zero = now.what == pte::state::present && frames_.is_zero(now.target);
      if (!now.is_none() && (all_none || !zero)) {
        session.slots_[i].state = slot_state::raced;
        session.target_[i] = {};
        continue;
      }
      now = {to, mapped_state_locked(to), true};
      ++frames_.head(to).references;
      frames_.map_locked(to, {this, at});
    }
  };
  if (all_none)
    fill();
  else
    notifiers_.invalidate({run, invalidation_cause::migrate, session.for_}, fill);
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::install(migration& session) noexcept {
  steps_.at(step::installing);
  assign_targets(session);
  std::span<slot> const slots = session.slots_;
  for (std::size_t i = 0; i < slots.size();) {
    std::size_t end = i + 1;
    if (session.target_[i] == page{}) {
      i = end;
      continue;
    }
    if (slots[i].state == slot_state::hole) {
      while (end < slots.size() && slots[end].state == slot_state::hole && session.target_[end] != page{}) ++end;
      install_holes(session, i, end);
    } else {
      exclusive_guard const guard{frames_.lock()};
      auto const& head = frames_.head(slots[i].source);
      bool const mine = head.references == head.mapped + 1 + (head.faulting ? 1u : 0u);
      if (!mine || frames_.of(slots[i].source).mappings.empty()) {  // somebody looks at it, or an unmap came first
        slots[i].state = slot_state::raced;
        session.target_[i] = {};
      }
    }
    i = end;
  }
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::finalize(migration& session) noexcept {
  if (session.home_ == nullptr) return;
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    std::span<slot> const slots = session.slots_;
    for (std::size_t i = 0; i < slots.size(); ++i) restore_locked(session, i, freed);
    for (slot const& s : slots) {
      bool const held = s.source != page{} && (s.state == slot_state::collected || s.state == slot_state::raced);
      if (held && !s.follows) release_locked(s.source, freed);
      if (s.destination != page{}) release_locked(s.destination, freed);
    }
  }
  frames_.changed().notify_all();
  session.home_ = nullptr;
  session.held_.unlock();
  tell(freed);
  steps_.at(step::finalized);
}

/// Points every entry of a slot's page where it belongs.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::restore_locked(migration& session, std::size_t i, freed_list& freed) {
  slot const& s = session.slots_[i];
  if (s.source == page{} || (s.state != slot_state::collected && s.state != slot_state::raced)) return;
  page const to = session.target_[i] == page{} ? s.source : session.target_[i];
  // Wherever it is mapped by now: a fork or a move of the mapping may have come between.
  for (site const& where : std::vector<site>{frames_.of(s.source).mappings}) {
    pte& e = where.space->table_.at(where.at);
    if (e.what != pte::state::migrating || e.target != s.source) {
      report_.violation("O-11", "an entry of a page under migration names another one");
      continue;
    }
    e.target = to;
    e.what = mapped_state_locked(to);
    if (to == s.source) continue;
    ++frames_.head(to).references;
    frames_.map_locked(to, where);
    frames_.unmap_locked(s.source, where, freed);
  }
}

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::allocate_page(page_order order) noexcept -> result<page> {
  result<page> const fresh = frames_.allocate_ram(order);
  if (!fresh) return fresh;
  exclusive_guard const guard{frames_.lock()};
  frames_.of(*fresh).locked = true;
  return fresh;
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::adopt_device_page(page p, page_order order, device_page_owner<page>& owner,
                                                       bool coherent) noexcept {
  exclusive_guard const guard{frames_.lock()};
  frames_.adopt_locked(p, order, owner, coherent);
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::discard_page(page p) noexcept {
  {
    exclusive_guard const guard{frames_.lock()};
    frames_.of(p).locked = false;
  }
  frames_.put(p);
}

}  // namespace svm::inline v0::mock
