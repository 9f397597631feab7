// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: madvise.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::madvise(cpu_va a, byte_count size, advice what) {
  if (!is_page_aligned(a, size)) return sys::einval;
  if (!is_user_span(a, size)) return sys::enomem;
  va_range const span{a, size};
  if (what == advice::dontneed || what == advice::free) {
    shared_guard const map_guard{map_lock_};
    if (cuts_huge_page(span)) return sys::einval;
    bool all_anonymous = true;
    bool const whole = for_each_piece(span, [&](vma const& piece) {
      if (what == advice::free && piece.kind != mapping_kind::anon) {
        all_anonymous = false;
        return;
      }
      freed_list freed;
      notifiers_.invalidate({piece.extent, invalidation_cause::clear}, [&] {
        exclusive_guard const guard{frames_.lock()};
        zap_locked(piece.extent, freed);
      });
      tell(freed);
    });
    return !all_anonymous ? sys::einval : whole ? sys::ok : sys::enomem;
  }
  exclusive_guard const map_guard{map_lock_};
  // A fork takes a reserved huge page whole or not at all.
  bool const is_of_forks =
      what == advice::dontfork || what == advice::dofork || what == advice::wipeonfork || what == advice::keeponfork;
  if (is_of_forks && cuts_huge_page(span)) return sys::einval;
  sys collapsed = sys::ok;
  bool const whole = for_each_piece(span, [&](vma const& piece) {
    if (what != advice::collapse) {
      advice_.change(piece.extent, [what](page_advice& now) {
        if (what == advice::hugepage || what == advice::nohugepage)
          now.huge_pages = what == advice::hugepage ? page_advice::huge::yes : page_advice::huge::no;
        else if (what == advice::dontfork || what == advice::dofork)
          now.dont_fork = what == advice::dontfork;
        else
          now.wipe_on_fork = what == advice::wipeonfork;
      });
      return;
    }
    cpu_va block = piece.extent.start().align_down(huge_page_size);
    if (block < piece.extent.start()) block = block + huge_page_size;
    for (; piece.extent.contains(block) && piece.extent.contains({block, huge_page_size});
         block = block + huge_page_size)
      if (sys const e = piece.kind == mapping_kind::anon ? collapse({block, huge_page_size}) : sys::einval;
          e != sys::ok && collapsed == sys::ok)
        collapsed = e;
  });
  return collapsed != sys::ok ? collapsed : whole ? sys::ok : sys::enomem;
}

/// Makes 2 MiB of small pages, holes among them, one huge page.
///
/// \pre the map lock is held exclusive
template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::collapse(va_range block) {
  cpu_va const start = block.start();
  auto const may_move = [this](pte const& e) {
    frames_.lock().assert_held_shared();
    if (e.is_none() || (e.what == pte::state::present && frames_.is_zero(e.target))) return true;
    if (e.what != pte::state::present || frames_.is_device(e.target)) return false;
    auto const& head = frames_.head(e.target);
    return !head.locked && head.pins == 0 && is_exclusive_locked(e.target);
  };
  {
    exclusive_guard const guard{frames_.lock()};
    pte const first = table_.get(start);
    bool const is_huge = first.has_page() && frames_.head(first.target).order == max_order &&
                         all_of_block_locked(start, [&](pte const& e) {
                           return e.has_page() && frames_.first_of(e.target) == first.target;
                         });
    if (is_huge) return sys::ok;
    if (!all_of_block_locked(start, may_move)) return sys::eagain;
  }
  result<page> const huge = frames_.allocate_ram(max_order);
  if (!huge) return sys::enomem;
  bool done = false;
  freed_list freed;
  notifiers_.invalidate({block, invalidation_cause::clear}, [&] {
    exclusive_guard const guard{frames_.lock()};
    done = all_of_block_locked(start, may_move);
    if (!done) {
      frames_.put_locked(*huge, freed);
      return;
    }
    plain_list<page> pages;
    for (std::uint64_t i = 0; i < huge_pages; ++i) {
      pages.push_back(frames_.after(*huge, i));
      pte const e = table_.get(start + page_size * i);
      if (e.is_none())
        frames_.clear(pages.back());
      else
        frames_.copy(pages.back(), e.target);
    }
    zap_locked(block, freed);
    map_block_locked(start, pages, freed);
  });
  tell(freed);
  return done ? sys::ok : sys::eagain;
}

}  // namespace svm::inline v0::mock
