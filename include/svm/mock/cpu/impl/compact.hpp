// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: what the kernel does to physical pages on its own account.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::replace_page(cpu_va a) {
  a = a.align_down(page_size);
  shared_guard const map_guard{map_lock_};
  page first{};
  page_order order{};
  cpu_va start{};
  {
    exclusive_guard const guard{frames_.lock()};
    pte const seen = table_.get(a);
    if (seen.what != pte::state::present || frames_.is_zero(seen.target) || frames_.is_device(seen.target))
      return false;
    first = frames_.first_of(seen.target);
    order = frames_.of(first).order;
    std::uint64_t const before = frames_.of(seen.target).tail * std::uint64_t{PageBytes};
    if (a.value < before) return false;
    start = {a.value - before};
  }
  std::uint64_t const count = order.pages().value;
  auto const may_move = [&] {  // every page where it belongs, this process' alone, and nobody else's
    if (!frames_.is_alive(first) || frames_.of(first).locked || frames_.of(first).references != count) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      pte const e = table_.get(start + page_size * i);
      if (e.what != pte::state::present || e.target != frames_.after(first, i) || !e.writable) return false;
    }
    return true;
  };
  {
    exclusive_guard const guard{frames_.lock()};
    if (!may_move()) return false;
  }
  result<page> const fresh = frames_.allocate_ram(order);
  if (!fresh) return false;
  bool replaced = false;
  freed_list freed;
  notifiers_.invalidate({{start, page_size * count}, invalidation_cause::migrate}, [&] {
    exclusive_guard const guard{frames_.lock()};
    replaced = may_move();
    for (std::uint64_t i = 0; replaced && i < count; ++i) {
      cpu_va const at = start + page_size * i;
      page const to = frames_.after(*fresh, i);
      pte& e = table_.at(at);
      frames_.copy(to, e.target);
      drop_entry_locked(at, e, freed);
      ++frames_.of(*fresh).references;
      e = {to, pte::state::present, true};
      frames_.map_locked(to, {this, at});
    }
    frames_.put_locked(*fresh, freed);
  });
  tell(freed);
  return replaced;
}

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::split_page(cpu_va a) {
  a = a.align_down(page_size);
  shared_guard const map_guard{map_lock_};
  bool split = false;
  freed_list freed;
  notifiers_.invalidate({aligned_block(a, huge_page_size), invalidation_cause::clear}, [&] {
    exclusive_guard const guard{frames_.lock()};
    pte const e = table_.get(a);
    if (!e.has_page() || frames_.is_zero(e.target)) return;
    auto const& head = frames_.head(e.target);
    split = head.order.value != 0 && !head.locked && frames_.split_locked(e.target, 0, freed);
  });
  tell(freed);
  return split;
}

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::reap(va_range span) {
  shared_guard const map_guard{map_lock_};
  freed_list freed;
  bool const done = notifiers_.invalidate({span, invalidation_cause::clear, nobody, false}, [&] {
    exclusive_guard const guard{frames_.lock()};
    static_cast<void>(for_each_piece(span, [&](vma const& piece) {
      frames_.lock().assert_held();
      if (piece.kind != mapping_kind::hugetlb) zap_locked(piece.extent, freed);
    }));
  });
  tell(freed);
  return done;
}

}  // namespace svm::inline v0::mock
