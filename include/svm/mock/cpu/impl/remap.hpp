// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <svm/mock/cpu/mm.hpp>

// address_space: mremap.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::mremap(cpu_va a, byte_count old_size, byte_count new_size, bool dont_unmap,
                                            std::optional<cpu_va> to) -> mapped {
  if (!is_page_aligned(a, old_size) || !is_page_aligned(to.value_or(cpu_va{}), new_size)) return {sys::einval};
  if (dont_unmap && old_size != new_size) return {sys::einval};
  if (!is_user_span(a, old_size) || !is_user_span(to.value_or(a), new_size)) return {sys::enomem};
  steps_.at(step::moving);
  exclusive_guard const map_guard{map_lock_};
  va_range const old{a, old_size};
  vma const* const v = vmas_.find(a);
  if (v == nullptr || !v->extent.contains(old)) return {sys::efault};
  if (v->kind == mapping_kind::hugetlb)
    for (std::uint64_t const n : {a.value, old_size.value, new_size.value, to.value_or(a).value})
      if (n % huge_page_size.value != 0) return {sys::einval};
  vma const source = v->piece(old);
  if (!to && !dont_unmap)
    if (auto const ended = grow_or_shrink(source, new_size)) return {*ended, a};
  if (!to) to = vmas_.find_room(new_size);
  if (!to) return {sys::enomem};
  if (vmas_.first_overlap({*to, new_size}) != nullptr) return {sys::eexist};
  move_to(source, new_size, *to, dont_unmap);
  return {sys::ok, *to};
}

/// Gives a piece of a VMA another size where it is.
template <lock Lock, std::size_t PageBytes>
std::optional<sys> address_space<Lock, PageBytes>::grow_or_shrink(vma const& source, byte_count new_size) {
  va_range const old = source.extent;
  cpu_va const start = old.start();
  if (new_size == old.size()) return sys::ok;
  if (new_size < old.size()) {
    unmap({start + new_size, old.size() - new_size}, invalidation_cause::unmap);
    return sys::ok;
  }
  vma tail = source;
  tail.extent = {old.last() + byte_count{1}, new_size - old.size()};
  tail.offset = source.offset + old.size().value;
  if (vmas_.first_overlap(tail.extent) != nullptr) return sys::enomem;
  page_advice const said = advice_.at(old.last());
  advice_.change(tail.extent, [&said](page_advice& now) { now = said; });
  return insert(tail, tail.extent.start()).error;
}

/// Moves a piece of a VMA, with what its entries name, and cuts or extends its end.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::move_to(vma const& source, byte_count new_size, cpu_va to, bool dont_unmap) {
  va_range const old = source.extent;
  va_range const kept{old.start(), old.size() < new_size ? old.size() : new_size};
  vma moved = source;
  moved.extent = {to, new_size};
  // The VMA goes before the event; the new one comes when its entries are there.
  if (!dont_unmap) vmas_.remove(old, [](vma const&) {});
  freed_list freed;
  notifiers_.invalidate({old, invalidation_cause::unmap}, [&] {
    exclusive_guard const guard{frames_.lock()};
    struct moved_entry {
      cpu_va at;
      pte entry;
    };
    plain_list<moved_entry> entries;
    table_.change_each(kept, [&](cpu_va at, pte& e) { entries.push_back({at, std::exchange(e, pte{})}); });
    for (auto const& [at, e] : entries) {
      cpu_va const there = to + (at - old.start());
      table_.at(there) = e;
      if (e.has_page() && !frames_.is_zero(e.target)) frames_.move_locked(e.target, {this, at}, {this, there});
    }
    if (moved.object) moved.object->map(moved.offset, new_size);  // before the old goes, so that the cache stays
    zap_locked(old, freed);
    if (!dont_unmap) drop_cache_locked(source, freed);
  });
  tell(freed);
  vmas_.insert(moved);
  page_advice const last = advice_.at(old.last());
  advice_.change(moved.extent, [&last](page_advice& now) { now = last; });
  advice_.copy(old.start(), kept.size(), to);
  if (!dont_unmap) advice_.clear(old);
}

}  // namespace svm::inline v0::mock
