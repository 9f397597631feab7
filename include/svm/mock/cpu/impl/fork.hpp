// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: fork.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
address_space<Lock, PageBytes>::address_space(kernel<Lock, PageBytes>& shared, address_space& parent)
    : kernel_(shared),
      frames_(shared.frames),
      clock_(shared.clock),
      report_(shared.broken),
      steps_(shared.hooks),
      notifiers_(shared.failures, shared.broken, shared.hooks) {
  steps_.at(step::forking);
  errc e = errc::ok;
  {
    exclusive_guard const map_guard{parent.map_lock_};
    e = copy_from(parent);
    // Known to others only now, but before the parent's mappings can change again.
    exclusive_guard const guard{frames_.lock()};
    kernel_.processes.push_back(this);
  }
  if (e != errc::ok) exit();
}

/// Gives this process what the parent has: shared memory as it is, the rest to be copied by the first write.
///
/// \pre the parent's map lock is held exclusive
template <lock Lock, std::size_t PageBytes>
errc address_space<Lock, PageBytes>::copy_from(address_space& parent) {
  for (auto const& [start, whole] : parent.vmas_.all()) {
    vma const& v = whole;
    parent.advice_.for_each(v.extent, [&](va_range piece, page_advice const& said) {
      if (said.dont_fork) return;
      static_cast<void>(insert(v.piece(piece), piece.start()));
      advice_.change(piece, [&said](page_advice& now) {
        now = said;
        now.locked = false;
      });
    });
  }
  for (auto const& [start, whole] : parent.vmas_.all()) {
    vma const& v = whole;
    if (!v.is_private()) continue;  // finds its pages in the cache
    plain_list<page> spare;
    std::size_t missing = 0;
    do {
      for (std::size_t i = 0; i < missing; ++i) {
        result<page> const p = frames_.allocate_ram();
        if (!p) {
          for (page const q : spare) frames_.put(q);
          return p.error();
        }
        spare.push_back(*p);
      }
      auto const copy = [&] {
        exclusive_guard const guard{frames_.lock()};
        missing = copy_entries_locked(parent, v, spare);
      };
      if (v.writable())
        parent.notifiers_.invalidate({v.extent, invalidation_cause::protection}, copy);
      else
        copy();
    } while (missing != 0);
    for (page const q : spare) frames_.put(q);
  }
  return errc::ok;
}

/// Shares the pages of a parent's VMA; a page that somebody pinned stays the parent's own, and a spare one gets its
/// content.
///
/// Returns how many spare pages it lacked.
template <lock Lock, std::size_t PageBytes>
std::size_t address_space<Lock, PageBytes>::copy_entries_locked(address_space& parent, vma const& v,
                                                                plain_list<page>& spare) {
  std::size_t missing = 0;
  parent.table_.change_each(v.extent, [&](cpu_va a, pte& e) {
    frames_.lock().assert_held();
    parent.frames_.lock().assert_held();  // the same one
    page_advice const said = parent.advice_.at(a);
    pte& mine = table_.at(a);
    if (said.dont_fork || said.wipe_on_fork || !mine.is_none()) return;
    if (e.what == pte::state::swapped) {
      kernel_.swap.get(e.target.frame);
    } else if (e.has_page() && !frames_.is_zero(e.target)) {
      auto& head = frames_.head(e.target);
      if (e.what == pte::state::present && parent.is_pinned_locked(v, a)) {
        if (spare.empty()) {
          ++missing;
          return;
        }
        page const own = spare.back();
        spare.pop_back();
        frames_.copy(own, e.target);
        mine = {own, pte::state::present, e.writable};
        frames_.map_locked(own, {this, a});
        return;
      }
      ++head.references;
      frames_.map_locked(e.target, {this, a});
    }
    e.writable = false;
    mine = e;
    mine.guarded = false;  // the child's write is of no concern to who has copies of the parent's page
  });
  return missing;
}

/// True when somebody pinned the page at `a`, for which a reserved huge page counts as one, whatever it is made of.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::is_pinned_locked(vma const& v, cpu_va a) {
  auto const is_pinned = [this](pte const& e) { return e.has_page() && frames_.head(e.target).pins != 0; };
  if (v.kind != mapping_kind::hugetlb) return is_pinned(table_.get(a));
  return !all_of_block_locked(a, [&](pte const& e) { return !is_pinned(e); });
}

}  // namespace svm::inline v0::mock
