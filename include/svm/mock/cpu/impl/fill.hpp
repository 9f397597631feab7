// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: first touches, small and huge, and first writes to what is shared.

namespace svm::inline v0::mock {

/// Fills an entry that is still none, which takes over a reference of the caller; false when somebody came first.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::install_if_none(cpu_va a, pte e) {
  exclusive_guard const guard{frames_.lock()};
  pte& current = table_.at(a);
  if (!current.is_none()) return false;
  current = e;
  if (!frames_.is_zero(e.target)) frames_.map_locked(e.target, {this, a});
  return true;
}

/// True when `test(pte const&)` holds for every entry of the 2 MiB around `a`.
template <lock Lock, std::size_t PageBytes>
template <class Test>
bool address_space<Lock, PageBytes>::all_of_block_locked(cpu_va a, Test&& test) {
  cpu_va const start = a.align_down(huge_page_size);
  for (std::uint64_t i = 0; i < huge_pages; ++i)
    if (!test(table_.get(start + page_size * i))) return false;
  return true;
}

/// Points 2 MiB of entries at pages that the caller has a reference on for each block, and drops these references.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::map_block_locked(cpu_va start, plain_list<page> const& pages, freed_list& freed) {
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ++frames_.head(pages[i]).references;
    table_.at(start + page_size * i) = {pages[i], pte::state::present, true};
    frames_.map_locked(pages[i], {this, start + page_size * i});
  }
  for (page const p : pages)
    if (frames_.of(p).tail == 0) frames_.put_locked(p, freed);
}

/// True when the 2 MiB around `a` lie in the VMA and may be one page.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::uses_huge_pages(vma const& v, cpu_va a) const {
  if (v.kind != mapping_kind::anon || !v.extent.contains(aligned_block(a, huge_page_size))) return false;
  switch (advice_.at(a).huge_pages) {
    case page_advice::huge::yes:
      return true;
    case page_advice::huge::no:
      return false;
    case page_advice::huge::as_machine:
      break;
  }
  return kernel_.thp;
}

/// First touch of anonymous memory that may have huge pages; false when it has to be small ones.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::fill_huge(cpu_va a, access_kind want) {
  cpu_va const start = a.align_down(huge_page_size);
  auto const is_none = [](pte const& e) { return e.is_none(); };
  if (want == access_kind::read) {
    exclusive_guard const guard{frames_.lock()};
    if (!all_of_block_locked(a, is_none)) return false;
    for (std::uint64_t i = 0; i < huge_pages; ++i)
      table_.at(start + page_size * i) = {frames_.zero_page(), pte::state::present, false};
    return true;
  }
  {
    exclusive_guard const guard{frames_.lock()};
    if (!all_of_block_locked(a, is_none)) return false;
  }
  result<page> const fresh = frames_.allocate_ram(max_order);
  if (!fresh) return false;
  plain_list<page> pages;
  for (std::uint64_t i = 0; i < huge_pages; ++i) {
    pages.push_back(frames_.after(*fresh, i));
    frames_.clear(pages.back());
  }
  freed_list freed;
  exclusive_guard const guard{frames_.lock()};
  bool const mine = all_of_block_locked(a, is_none);
  if (mine)
    map_block_locked(start, pages, freed);
  else
    frames_.put_locked(*fresh, freed);
  return mine;
}

/// First touch of a reserved huge page.
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::fill_reserved(cpu_va a) -> presence {
  plain_list<page> fresh;
  if (errc const e = frames_.allocate_huge(fresh); e != errc::ok) return {e};
  for (page const p : fresh) frames_.clear(p);
  freed_list freed;
  exclusive_guard const guard{frames_.lock()};
  if (all_of_block_locked(a, [](pte const& e) { return e.is_none(); })) {
    map_block_locked(a.align_down(huge_page_size), fresh, freed);
  } else {
    for (page const p : fresh)
      if (frames_.of(p).tail == 0) frames_.put_locked(p, freed);
  }
  return {};
}

/// The page of a mapping's object, from its cache or new and zero; comes with a reference of its own.
///
/// \errors no_access (the file ends before), no_ram
template <lock Lock, std::size_t PageBytes>
result<page> address_space<Lock, PageBytes>::cached_page(vma const& v, cpu_va a) {
  std::uint64_t const offset = v.offset_of(a.align_down(page_size));
  {
    exclusive_guard const guard{frames_.lock()};
    if (offset >= v.object->end) return errc::no_access;
    if (auto const known = v.object->cache.find(offset); known != v.object->cache.end()) {
      ++frames_.of(known->second).references;
      return known->second;
    }
  }
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return fresh;
  frames_.clear(*fresh);
  freed_list freed;
  exclusive_guard const guard{frames_.lock()};
  auto const [at, inserted] = v.object->cache.emplace(offset, *fresh);
  if (inserted)
    frames_.cache_locked(*fresh);
  else
    frames_.put_locked(*fresh, freed);
  ++frames_.of(at->second).references;
  return at->second;
}

/// First touch of a page.
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::fill_hole(vma const& v, cpu_va a, access_kind want) -> presence {
  if (v.kind == mapping_kind::hugetlb) return fill_reserved(a);
  if (uses_huge_pages(v, a) && fill_huge(a, want)) return {};
  return fill_small(v, a.align_down(page_size), want);
}

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::fill_small(vma const& v, cpu_va a, access_kind want) -> presence {
  if (v.kind != mapping_kind::anon) {
    result<page> const cached = cached_page(v, a);
    if (!cached) return {cached.error()};
    bool const shared = v.kind == mapping_kind::shared;
    if (shared || want == access_kind::read) {
      if (!install_if_none(a, {*cached, pte::state::present, shared})) frames_.put(*cached);
      return {};
    }
    // A private page beside the cached one.
    result<page> const own = frames_.allocate_ram();
    if (own) {
      frames_.copy(*own, *cached);
      if (!install_if_none(a, {*own, pte::state::present, true})) frames_.put(*own);
    }
    frames_.put(*cached);
    return {own.error()};
  }
  if (want == access_kind::read) {
    static_cast<void>(install_if_none(a, {frames_.zero_page(), pte::state::present, false}));
    return {};
  }
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return {fresh.error()};
  frames_.clear(*fresh);
  if (!install_if_none(a, {*fresh, pte::state::present, true})) frames_.put(*fresh);
  return {};
}

/// True when nothing but one entry each of this process has the pages of a block.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::is_exclusive_locked(page p) {
  page const first = frames_.first_of(p);
  auto const& head = frames_.of(first);
  if (head.kind == frame_kind::zero || head.references != head.mapped + head.pins) return false;
  for (std::uint64_t i = 0; i < head.order.pages().value; ++i) {
    auto const& mappings = frames_.of(frames_.after(first, i)).mappings;
    if (mappings.size() > 1 || (mappings.size() == 1 && mappings[0].space != this)) return false;
  }
  return true;
}

/// Replaces 2 MiB of present entries by copies of what they show, if nothing changes meanwhile.
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::copy_block(cpu_va a, plain_list<page> const& fresh) -> presence {
  va_range const block = aligned_block(a, huge_page_size);
  freed_list freed;
  notifiers_.invalidate({block, invalidation_cause::clear}, [&] {
    exclusive_guard const guard{frames_.lock()};
    if (!all_of_block_locked(a, [](pte const& e) { return e.what == pte::state::present && !e.writable; })) {
      for (page const p : fresh)
        if (frames_.of(p).tail == 0) frames_.put_locked(p, freed);
      return;
    }
    for (std::uint64_t i = 0; i < huge_pages; ++i) {
      cpu_va const at = block.start() + page_size * i;
      pte& e = table_.at(at);
      frames_.copy(fresh[i], e.target);
      drop_entry_locked(at, e, freed);
    }
    map_block_locked(block.start(), fresh, freed);
  });
  tell(freed);
  return {};
}

/// First write to a page that is shared with the zero page, the page cache or another process: the process gets one of
/// its own, or has it already when all others went away.
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::break_sharing(vma const& v, cpu_va a, pte seen) -> presence {
  a = a.align_down(page_size);
  bool all_zero = false;
  if (seen.guarded) {
    end_protection(a);
    return {};
  }
  {
    exclusive_guard const guard{frames_.lock()};
    pte const now = table_.get(a);
    if (now.what != pte::state::present || now.target != seen.target || now.writable || now.guarded) return {};
    if (is_exclusive_locked(now.target)) {
      if (v.kind != mapping_kind::hugetlb) table_.at(a).writable = true;
      cpu_va const start = a.align_down(huge_page_size);
      for (std::uint64_t i = 0; v.kind == mapping_kind::hugetlb && i < huge_pages; ++i)
        table_.at(start + page_size * i).writable = true;
      return {};
    }
    all_zero = uses_huge_pages(v, a) && all_of_block_locked(a, [&](pte const& e) {
                 return e.what == pte::state::present && frames_.is_zero(e.target);
               });
  }
  plain_list<page> block;
  if (v.kind == mapping_kind::hugetlb) {
    errc const e = frames_.allocate_huge(block);
    return e == errc::ok ? copy_block(a, block) : presence{e};
  }
  if (all_zero)
    if (result<page> const huge = frames_.allocate_ram(max_order)) {
      for (std::uint64_t i = 0; i < huge_pages; ++i) block.push_back(frames_.after(*huge, i));
      return copy_block(a, block);
    }
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return {fresh.error()};
  bool replaced = false;
  freed_list freed;
  notifiers_.invalidate({page_around(a), invalidation_cause::clear}, [&] {
    exclusive_guard const guard{frames_.lock()};
    pte& current = table_.at(a);
    if (current.what != pte::state::present || current.target != seen.target || current.writable) return;
    frames_.copy(*fresh, seen.target);
    page const folio = frames_.first_of(seen.target);
    drop_entry_locked(a, current, freed);
    frames_.trim_locked(folio, freed);
    current = {*fresh, pte::state::present, true};
    frames_.map_locked(*fresh, {this, a});
    replaced = true;
  });
  if (!replaced) frames_.put(*fresh);
  tell(freed);
  return {};
}

}  // namespace svm::inline v0::mock
