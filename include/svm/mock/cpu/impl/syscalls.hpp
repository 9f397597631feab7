// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: the system calls that make and end mappings and change their protection.

namespace svm::inline v0::mock {

/// Puts a VMA, whose extent has the right size, where it may go.
///
/// \pre the map lock is held exclusive
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::insert(vma v, std::optional<cpu_va> at) -> mapped {
  if (!at) at = vmas_.find_room(v.extent.size());
  if (!at) return {sys::enomem};
  v.extent = {*at, v.extent.size()};
  if (vmas_.first_overlap(v.extent) != nullptr) return {sys::eexist};
  if (v.object) {
    exclusive_guard const guard{frames_.lock()};
    v.object->map(v.offset, v.extent.size());
  }
  vmas_.insert(std::move(v));
  return {sys::ok, *at};
}

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::mmap(byte_count size, protection allowed, mapping_kind kind,
                                          std::optional<cpu_va> at) -> mapped {
  byte_count const unit = kind == mapping_kind::hugetlb ? huge_page_size : page_size;
  if (size.value == 0 || size.value % unit.value != 0) return {sys::einval};
  if (at && !at->is_aligned(unit)) return {sys::einval};
  if (!is_user_span(at.value_or(cpu_va{}), size)) return {sys::enomem};
  exclusive_guard const map_guard{map_lock_};
  return insert({{cpu_va{}, size}, allowed, kind, kind == mapping_kind::anon ? backing_ref{} : backing::make()}, at);
}

/// Makes an entry none, and ends its reference.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::drop_entry_locked(cpu_va a, pte& e, freed_list& freed) {
  pte const old = std::exchange(e, pte{});
  if (old.what == pte::state::swapped)
    kernel_.swap.put(old.target.frame);
  else if (old.has_page() && !frames_.is_zero(old.target))
    frames_.unmap_locked(old.target, {this, a}, freed);
}

/// Drops every entry of a span; a huge page that is cut becomes small ones, of which those that are left stay.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::zap_locked(va_range span, freed_list& freed) {
  plain_list<page> cut;
  table_.change_each(span, [&](cpu_va a, pte& e) {
    if (e.has_page() && frames_.is_alive(e.target) && frames_.head(e.target).order.value != 0)
      if (page const first = frames_.first_of(e.target); cut.empty() || cut.back() != first) cut.push_back(first);
    frames_.lock().assert_held();
    drop_entry_locked(a, e, freed);
  });
  for (page const first : cut) frames_.trim_locked(first, freed);
}

/// A piece of a mapping is gone; the page cache keeps what some other mapping still shows.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::drop_cache_locked(vma const& piece, freed_list& freed) {
  if (!piece.object) return;
  backing& object = *piece.object;
  object.unmap(piece.offset, piece.extent.size());
  for (auto c = object.cache.lower_bound(piece.offset);
       c != object.cache.end() && c->first - piece.offset < piece.extent.size().value;)
    if (object.is_mapped(c->first)) {
      ++c;
    } else {
      frames_.uncache_locked(c->second, freed);
      c = object.cache.erase(c);
    }
}

/// True when an end of `span` falls inside a huge page.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::cuts_huge_page(va_range span) const {
  for (cpu_va const end : {span.start(), span.last() + byte_count{1}}) {
    vma const* const v = vmas_.find(end);
    if (v != nullptr && v->kind == mapping_kind::hugetlb && !end.is_aligned(huge_page_size)) return true;
  }
  return false;
}

/// Ends whatever is mapped in a span.
///
/// \pre the map lock is held exclusive
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::unmap(va_range span, invalidation_cause cause) {
  number_map<vma> pieces;  // by start
  freed_list freed;
  vmas_.remove(span, [&](vma const& piece) { pieces.emplace(piece.extent.start().value, piece); });
  advice_.clear(span);
  notifiers_.invalidate({span, cause}, [&] {
    exclusive_guard const guard{frames_.lock()};
    zap_locked(span, freed);
    for (auto const& piece : pieces) drop_cache_locked(piece.second, freed);
  });
  tell(freed);
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::munmap(cpu_va a, byte_count size) {
  if (!is_page_aligned(a, size) || !is_user_span(a, size)) return sys::einval;
  va_range const span{a, size};
  exclusive_guard const map_guard{map_lock_};
  if (cuts_huge_page(span)) return sys::einval;
  if (vmas_.first_overlap(span) != nullptr) unmap(span, invalidation_cause::unmap);
  return sys::ok;
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::mprotect(cpu_va a, byte_count size, protection allowed) {
  if (!is_page_aligned(a, size)) return sys::einval;
  if (!is_user_span(a, size)) return sys::enomem;
  exclusive_guard const map_guard{map_lock_};
  va_range const span{a, size};
  if (cuts_huge_page(span)) return sys::einval;
  for (cpu_va at = a; at <= span.last();) {
    vma const* const v = vmas_.find(at);
    if (v == nullptr) return sys::enomem;  // what came before the hole stays changed
    va_range const piece = v->extent.intersection(span);
    cpu_va const next = piece.last() + byte_count{1};
    if (v->allowed != allowed) {
      vmas_.protect(piece, allowed);
      notifiers_.invalidate({piece, invalidation_cause::protection}, [] {});
    }
    at = next;
  }
  return sys::ok;
}

/// Calls `visit(vma const& piece)` for what is mapped in a span, ascending; false when it has a hole.
template <lock Lock, std::size_t PageBytes>
template <class Visit>
bool address_space<Lock, PageBytes>::for_each_piece(va_range span, Visit&& visit) {
  bool whole = true;
  for (cpu_va at = span.start(); at <= span.last();) {
    va_range const rest = *va_range::from_bounds(at, span.last());
    vma const* const v = vmas_.first_overlap(rest);
    whole = whole && v != nullptr && v->extent.start() <= at;
    if (v == nullptr) break;
    vma const piece = v->piece(rest);
    visit(piece);
    at = piece.extent.last() + byte_count{1};
  }
  return whole;
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::run_exit() {
  if (Lock::held().depth() != 0) report_.violation("O-36", "the last user reference is dropped with a lock held");
  va_range const all{cpu_va{}, byte_count{user_end}};
  exclusive_guard const map_guard{map_lock_};
  notifiers_.invalidate({all, invalidation_cause::release}, [] {});
  unmap(all, invalidation_cause::unmap);
}

}  // namespace svm::inline v0::mock
