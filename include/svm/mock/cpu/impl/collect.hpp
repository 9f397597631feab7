// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <tuple>

#include <svm/mock/cpu/mm.hpp>

// address_space: how a migration takes pages out of the page tables.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::begin(migration& session, std::span<slot> slots, page_owner for_whom) {
  steps_.at(step::collecting);
  session.held_.lock();
  session.home_ = this;
  session.for_ = for_whom;
  session.slots_ = slots;
  session.target_.assign(slots.size(), page{});
}

/// True when the block whose first page is the source of slot `i`, or stands at `at` in the page table, has all its
/// pages in the slots from `i` on, in order.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::is_whole_locked(std::span<slot> slots, std::size_t i, cpu_va const* at) {
  auto const source = [&](std::size_t k) {
    return at == nullptr ? slots[k].source : table_.get(*at + page_size * (k - i)).target;
  };
  page const first = source(i);
  std::uint64_t const count = frames_.of(first).order.pages().value;
  if (frames_.of(first).tail != 0 || count > slots.size() - i) return false;
  for (std::uint64_t k = 1; k < count; ++k)
    if (source(i + k) != frames_.after(first, k)) return false;
  return true;
}

/// Locks the block that begins at slot `i`, whose sources are set, and returns its number of pages.
template <lock Lock, std::size_t PageBytes>
std::size_t address_space<Lock, PageBytes>::take_locked(std::span<slot> slots, std::size_t i, page_order order) {
  auto& head = frames_.head(slots[i].source);
  head.locked = true;
  ++head.references;
  std::size_t const count = order.pages().value;
  for (std::size_t k = i; k < i + count; ++k) {
    slots[k].state = slot_state::collected;
    slots[k].follows = k != i;
    slots[k].order = k == i ? order : page_order{};
    slots[k].owner_object = frames_.of(slots[k].source).owner_object;
  }
  return count;
}

template <lock Lock, std::size_t PageBytes>
errc address_space<Lock, PageBytes>::collect(migration& session, va_range span, std::span<slot> slots,
                                             page_owner reach) noexcept {
  map_lock_.assert_held_shared();
  vma const* const v = vmas_.find(span.start());
  if (v == nullptr) return errc::no_vma;
  if (!v->extent.contains(span)) return errc::spans_vmas;
  if (!v->is_migratable()) return errc::not_migratable;
  begin(session, slots, reach);
  session.start_ = span.start();
  freed_list freed;
  notifiers_.invalidate({span, invalidation_cause::migrate, reach}, [&] {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = 0; i < slots.size();) i += collect_one_locked(session, i, freed);
  });
  tell(freed);
  return errc::ok;
}

/// Collects the page at slot `i`, with its block where all of that is there; returns how many slots that were.
template <lock Lock, std::size_t PageBytes>
std::size_t address_space<Lock, PageBytes>::collect_one_locked(migration& session, std::size_t i, freed_list& freed) {
  std::span<slot> const slots = session.slots_;
  cpu_va const a = session.start_ + page_size * i;
  auto const is_hole = [this](pte const& e) {
    return e.is_none() || (e.what == pte::state::present && frames_.is_zero(e.target));
  };
  auto const refuse = [&](slot_state why) {
    slots[i].state = why;
    return std::size_t{1};
  };
  pte const now = table_.get(a);
  if (is_hole(now)) {
    bool const huge = a.is_aligned(huge_page_size) && slots.size() - i >= huge_pages &&
                      uses_huge_pages(*vmas_.find(a), a) && all_of_block_locked(a, is_hole);
    std::size_t const count = huge ? huge_pages : 1;
    for (std::size_t k = i; k < i + count; ++k) {
      slots[k].state = slot_state::hole;
      slots[k].follows = k != i;
    }
    slots[i].order = huge ? max_order : page_order{};
    return count;
  }
  if (!now.has_page()) return refuse(slot_state::swapped);
  auto const& head = frames_.head(now.target);
  if (now.what == pte::state::migrating || head.locked || kernel_.failures.strikes(failure::lock))
    return refuse(slot_state::locked);
  if (frames_.is_device(now.target) && !session.for_.reaches(frames_.of(now.target).owner))
    return refuse(slot_state::resident);
  bool const is_whole = is_whole_locked(slots, i, &a);
  std::size_t const wanted = is_whole ? head.order.pages().value : 1;
  for (std::size_t k = 0; k < wanted; ++k)
    if (frames_.of(table_.get(a + page_size * k).target).mappings.size() != 1) return refuse(slot_state::shared);
  if (head.references != head.mapped) return refuse(slot_state::pinned);
  if (!is_whole) static_cast<void>(frames_.split_locked(now.target, 0, freed));
  for (std::size_t k = 0; k < wanted; ++k) {
    pte& e = table_.at(a + page_size * k);
    e.what = pte::state::migrating;
    slots[i + k].source = e.target;
  }
  return take_locked(slots, i, is_whole ? frames_.head(now.target).order : page_order{});
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::collect_pages(migration& session, std::span<slot> slots, page_scope const* within,
                                                   page faulting) noexcept {
  begin(session, slots, nobody);
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = 0; i < slots.size();) i += pick_one_locked(slots, i, within, faulting, freed);
  }
  withdraw(session);
  frames_.changed().notify_all();
  tell(freed);
}

/// Locks the page named in slot `i`, with its block where the slots name all of it; returns how many slots that were.
template <lock Lock, std::size_t PageBytes>
std::size_t address_space<Lock, PageBytes>::pick_one_locked(std::span<slot> slots, std::size_t i,
                                                            page_scope const* within, page faulting,
                                                            freed_list& freed) {
  page const p = slots[i].source;
  if (!frames_.is_alive(p)) return 1;
  auto const* const fault = frames_.is_alive(faulting) ? &frames_.head(faulting) : nullptr;
  auto const is_inside = [&](page q) {
    return std::ranges::any_of(frames_.of(q).mappings, [&](site const& s) {
      return within == nullptr || (s.space->id() == within->space && within->span.contains(s.at));
    });
  };
  auto const refuse = [&](slot_state why) {
    slots[i].state = why;
    return std::size_t{1};
  };
  auto const& head = frames_.head(p);
  if (head.locked || kernel_.failures.strikes(failure::lock)) return refuse(slot_state::locked);
  if (!is_inside(p)) return refuse(slot_state::elsewhere);
  if (head.references != head.mapped + (&head == fault ? 1u : 0u)) return refuse(slot_state::pinned);
  page_order order = head.order;
  bool is_whole = is_whole_locked(slots, i, nullptr);
  for (std::uint64_t k = 1; is_whole && k < order.pages().value; ++k) is_whole = is_inside(frames_.after(p, k));
  if (!is_whole) {
    if (!frames_.split_locked(p, 0, freed)) return refuse(slot_state::pinned);
    order = {};
  }
  return take_locked(slots, i, order);
}

/// Takes the pages that are locked out of the page tables of every process, an event for each run of neighbours; a page
/// that nobody maps by then is let go of, and so is one that somebody still uses.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::withdraw(migration& session) {
  constexpr int rounds = 8;  // a fork meanwhile adds entries
  struct todo {
    address_space* space;
    std::size_t process;  // orders the spaces the same way in every run
    cpu_va at;
    page target;
  };
  std::span<slot> const slots = session.slots_;
  for (int round = 0; round < rounds; ++round) {
    std::vector<todo> all;
    {
      exclusive_guard const guard{frames_.lock()};
      for (slot const& s : slots) {
        if (s.state != slot_state::collected) continue;
        session.for_ = frames_.of(s.source).owner;
        for (site const& where : frames_.of(s.source).mappings) {
          if (where.space->table_.get(where.at).what == pte::state::migrating) continue;
          auto const known = std::ranges::find(kernel_.processes, where.space);
          all.push_back({where.space, static_cast<std::size_t>(known - kernel_.processes.begin()), where.at, s.source});
        }
      }
    }
    if (all.empty()) break;
    steps_.at(step::withdrawing);
    std::ranges::sort(all, {}, [](todo const& t) { return std::tuple{t.process, t.at}; });
    for (std::size_t i = 0; i < all.size();) {
      std::size_t end = i + 1;
      while (end < all.size() && all[end].space == all[i].space && all[end].at == all[end - 1].at + page_size) ++end;
      va_range const run{all[i].at, page_size * (end - i)};
      all[i].space->notifiers_.invalidate({run, invalidation_cause::migrate, session.for_}, [&] {
        exclusive_guard const guard{frames_.lock()};
        for (std::size_t k = i; k < end; ++k) {
          pte& e = all[k].space->table_.at(all[k].at);
          if (e.has_page() && e.target == all[k].target) e.what = pte::state::migrating;
        }
      });
      i = end;
    }
  }
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].state != slot_state::collected || slots[i].follows) continue;
      std::span<slot> const block = slots.subspan(i, slots[i].order.pages().value);
      if (frames_.of(slots[i].source).mapped == 0)
        let_go_locked(block, slot_state::raced, freed);  // an unmap came first
      else if (std::ranges::any_of(block, [&](slot const& s) { return is_in_use_locked(s.source); }))
        let_go_locked(block, slot_state::pinned, freed);  // its entries moved faster than they could be followed
    }
  }
  tell(freed);
}

/// True when an entry of a page is no migration's.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::is_in_use_locked(page p) {
  return std::ranges::any_of(frames_.of(p).mappings, [](site const& where) {
    return where.space->table_.get(where.at).what != pte::state::migrating;
  });
}

/// Leaves a block that was taken where it is.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::let_go_locked(std::span<slot> block, slot_state why, freed_list& freed) {
  page const head = block.front().source;
  for (slot& s : block) {
    for (site const& where : frames_.of(s.source).mappings)
      if (pte& e = where.space->table_.at(where.at); e.what == pte::state::migrating)
        e.what = mapped_state_locked(s.source);
    s.state = why;
    if (why == slot_state::raced) s.source = {};
  }
  release_locked(head, freed);
}

}  // namespace svm::inline v0::mock
