// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include <svm/mock/mm.hpp>

// address_space: the system calls that change the VMAs.

namespace svm::inline v0::mock {

[[nodiscard]] inline bool is_page_aligned(cpu_va a, byte_count size) {
  return a.is_aligned(page_size) && size.value != 0 && size.value % page_bytes == 0;
}
/// True when a span lies below the end of user addresses.
[[nodiscard]] inline bool is_user_span(cpu_va a, byte_count size) {
  return a.value <= user_end && size.value <= user_end - a.value;
}

/// The lowest address from 4 GiB on, 2 MiB-aligned, with 2 MiB of nothing on both sides.
template <lock Lock>
std::optional<cpu_va> address_space<Lock>::find_room(byte_count size) const {
  constexpr std::uint64_t first = std::uint64_t{4} << 30;
  constexpr std::uint64_t gap = 2 << 20;
  std::uint64_t candidate = first;
  for (auto const& [start, v] : vmas_.all()) {
    if (v.extent.last().value + 1 + gap <= candidate) continue;
    if (candidate + size.value + gap <= start) break;
    candidate =
        std::max(first, (v.extent.last().value + 1 + gap + huge_page_size.value - 1) & ~(huge_page_size.value - 1));
  }
  if (!is_user_span(cpu_va{candidate}, size)) return std::nullopt;
  return cpu_va{candidate};
}

template <lock Lock>
auto address_space<Lock>::mmap(byte_count size, protection allowed, mapping_kind kind, std::optional<cpu_va> at)
    -> mapped {
  byte_count const unit = kind == mapping_kind::hugetlb ? huge_page_size : page_size;
  if (size.value == 0 || size.value % unit.value != 0) return {sys::einval};
  if (at && !at->is_aligned(unit)) return {sys::einval};
  if (!is_user_span(at.value_or(cpu_va{}), size)) return {sys::enomem};
  exclusive_guard const map_guard{map_lock_};
  if (!at) at = find_room(size);
  if (!at) return {sys::enomem};
  va_range const span{*at, size};
  if (vmas_.first_overlap(span) != nullptr) return {sys::eexist};
  vmas_.insert({span, allowed, kind, kind == mapping_kind::anon ? nullptr : std::make_shared<backing>()});
  return {sys::ok, *at};
}

template <lock Lock>
void address_space<Lock>::zap_locked(va_range span, std::vector<device_page_owner<page>*>& freed) {
  table_.for_each(span, [&](cpu_va, pte& e) {
    page const target = e.target;
    e = {};
    unmap_frame_locked(target, freed);
  });
}

/// The page cache keeps what some part of a mapping still shows.
template <lock Lock>
void address_space<Lock>::drop_cache_locked(vma const& piece, std::vector<device_page_owner<page>*>& freed) {
  if (!piece.object) return;
  auto& cache = piece.object->cache;
  for (auto c = cache.lower_bound(piece.extent.start().value);
       c != cache.end() && piece.extent.contains(cpu_va{c->first}); c = cache.erase(c))
    if (device_page_owner<page>* const owner = frames_.put_locked(c->second)) freed.push_back(owner);
}

/// True when an end of `span` falls inside a huge page.
template <lock Lock>
bool address_space<Lock>::cuts_huge_page(va_range span) const {
  for (cpu_va const end : {span.start(), span.last() + byte_count{1}}) {
    vma const* const v = vmas_.find(end);
    if (v != nullptr && v->kind == mapping_kind::hugetlb && !end.is_aligned(huge_page_size)) return true;
  }
  return false;
}

template <lock Lock>
sys address_space<Lock>::munmap(cpu_va a, byte_count size) {
  if (!is_page_aligned(a, size) || !is_user_span(a, size)) return sys::einval;
  va_range const span{a, size};
  exclusive_guard const map_guard{map_lock_};
  if (cuts_huge_page(span)) return sys::einval;
  if (vmas_.first_overlap(span) == nullptr) return sys::ok;
  std::vector<vma> pieces;
  std::vector<device_page_owner<page>*> freed;
  vmas_.remove(span, [&](vma const& piece) { pieces.push_back(piece); });
  notifiers_.invalidate({span, invalidation_cause::unmap}, [&] {
    exclusive_guard const guard{frames_.lock()};
    zap_locked(span, freed);
    for (vma const& piece : pieces) drop_cache_locked(piece, freed);
  });
  put_all(freed);
  return sys::ok;
}

template <lock Lock>
sys address_space<Lock>::mprotect(cpu_va a, byte_count size, protection allowed) {
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

template <lock Lock>
sys address_space<Lock>::madvise_dontneed(cpu_va a, byte_count size) {
  if (!is_page_aligned(a, size)) return sys::einval;
  if (!is_user_span(a, size)) return sys::enomem;
  shared_guard const map_guard{map_lock_};
  va_range const span{a, size};
  if (cuts_huge_page(span)) return sys::einval;
  bool hole = false;
  for (cpu_va at = a; at <= span.last();) {
    va_range const rest = *va_range::from_bounds(at, span.last());
    vma const* const v = vmas_.first_overlap(rest);
    hole = hole || v == nullptr || v->extent.start() > at;
    if (v == nullptr) break;
    va_range const piece = v->extent.intersection(rest);
    std::vector<device_page_owner<page>*> freed;
    notifiers_.invalidate({piece, invalidation_cause::clear}, [&] {
      exclusive_guard const guard{frames_.lock()};
      zap_locked(piece, freed);
    });
    put_all(freed);
    at = piece.last() + byte_count{1};
  }
  return hole ? sys::enomem : sys::ok;
}

template <lock Lock>
void address_space<Lock>::run_exit() {
  if (this_thread_locks.depth() != 0) report_.violation("O-36", "the last user reference is dropped with a lock held");
  va_range const all{cpu_va{}, byte_count{user_end}};
  exclusive_guard const map_guard{map_lock_};
  std::vector<vma> pieces;
  std::vector<device_page_owner<page>*> freed;
  notifiers_.invalidate({all, invalidation_cause::release}, [] {});
  vmas_.remove(all, [&](vma const& piece) { pieces.push_back(piece); });
  notifiers_.invalidate({all, invalidation_cause::unmap}, [&] {
    exclusive_guard const guard{frames_.lock()};
    zap_locked(all, freed);
    for (vma const& piece : pieces) drop_cache_locked(piece, freed);
  });
  put_all(freed);
}

}  // namespace svm::inline v0::mock
