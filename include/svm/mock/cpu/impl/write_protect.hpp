// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: pages that the CPU does not write without an event.

namespace svm::inline v0::mock {

/// True for an entry of private system memory that nobody but page tables has.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::may_protect_locked(cpu_va a) {
  pte const e = table_.get(a);
  if (e.what != pte::state::present || frames_.is_zero(e.target) || frames_.is_device(e.target)) return false;
  vma const* const v = vmas_.find(a);
  return v != nullptr && v->kind == mapping_kind::anon && frames_.others_locked(e.target) == 0;
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::write_protect(va_range span, std::span<page> pages) noexcept {
  map_lock_.assert_held_shared();
  auto const at = [&](std::size_t i) { return span.start() + page_size * i; };
  auto const is_open = [&](std::size_t i) {
    shared_guard const guard{frames_.lock()};
    return may_protect_locked(at(i)) && !table_.get(at(i)).guarded;
  };
  for (std::size_t i = 0; i < pages.size();) {
    std::size_t end = i;
    while (end < pages.size() && is_open(end)) ++end;
    if (end != i)
      notifiers_.invalidate({{at(i), page_size * (end - i)}, invalidation_cause::protection}, [&] {
        exclusive_guard const guard{frames_.lock()};
        for (std::size_t k = i; k < end; ++k) {
          if (!may_protect_locked(at(k))) continue;
          pte& e = table_.at(at(k));
          e.guarded = true;
          e.writable = false;
        }
      });
    i = end + 1;
  }
  exclusive_guard const guard{frames_.lock()};
  page held{};  // the block of the last page: the reference on it is ours
  for (std::size_t i = 0; i < pages.size(); ++i) {
    pages[i] = {};
    pte const e = table_.get(at(i));
    if (!e.guarded || !e.has_page()) continue;
    page const first = frames_.first_of(e.target);
    if (first != held && !may_protect_locked(at(i))) continue;
    held = first;
    pages[i] = e.target;
    ++frames_.head(first).references;
  }
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::put_pages(std::span<page const> pages) noexcept {
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    for (page const p : pages) {
      if (p == page{}) continue;
      frames_.put_locked(p, freed);
      frames_.trim_locked(p, freed);
    }
  }
  tell(freed);
}

/// Lets a page be written again that was protected: everybody is told first.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::end_protection(cpu_va a) {
  notifiers_.invalidate({page_around(a), invalidation_cause::protection}, [&] {
    exclusive_guard const guard{frames_.lock()};
    table_.at(a).guarded = false;
  });
}

}  // namespace svm::inline v0::mock
