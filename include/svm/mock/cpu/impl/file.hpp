// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>

#include <svm/mock/cpu/mm.hpp>

// address_space: files, as far as they change under their mappings, and the registers of devices.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::mmap_same(cpu_va other, std::uint64_t offset, byte_count size, protection allowed,
                                               std::optional<cpu_va> at) -> mapped {
  if (!is_page_aligned(at.value_or(cpu_va{}), size) || offset % PageBytes != 0) return {sys::einval};
  if (!is_user_span(at.value_or(cpu_va{}), size)) return {sys::enomem};
  exclusive_guard const map_guard{map_lock_};
  vma const* const v = vmas_.find(other);
  if (v == nullptr) return {sys::efault};
  if (!v->object || v->kind == mapping_kind::hugetlb) return {sys::einval};
  return insert({{cpu_va{}, size}, allowed, v->kind, v->object, offset}, at);
}

/// Calls `visit(address_space&, vma const& piece)` for each piece, in any process, that maps what an object has between
/// two offsets; the process' map lock is held exclusive.
template <lock Lock, std::size_t PageBytes>
template <class Visit>
void address_space<Lock, PageBytes>::for_each_view(backing_ref const& object, std::uint64_t first, std::uint64_t end,
                                                   Visit&& visit) {
  for (std::size_t i = 0;; ++i) {
    address_space* space = nullptr;
    {
      exclusive_guard const guard{frames_.lock()};
      if (i >= kernel_.processes.size()) return;
      space = kernel_.processes[i];
    }
    exclusive_guard const map_guard{space->map_lock_};
    space->vmas_.for_each_view(*object, [&](vma const& v) {
      if (v.offset >= end || v.offset_of(v.extent.last()) < first) return;
      cpu_va const from = v.offset >= first ? v.extent.start() : v.extent.start() + byte_count{first - v.offset};
      std::uint64_t const room = end - v.offset_of(from);
      std::uint64_t const left = v.extent.last().value - from.value + 1;
      visit(*space, v.piece({from, byte_count{left < room ? left : room}}));
    });
  }
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::truncate(cpu_va a, std::uint64_t end) {
  backing_ref object;
  {
    shared_guard const map_guard{map_lock_};
    vma const* const v = vmas_.find(a);
    if (v == nullptr) return sys::efault;
    if (end % PageBytes != 0 || !v->shows_a_file()) return sys::einval;
    object = v->object;
  }
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    object->end = end;
  }
  // A private copy of what is gone goes too.
  for_each_view(object, end, UINT64_MAX, [&freed](address_space& space, vma const& piece) {
    space.notifiers_.invalidate({piece.extent, invalidation_cause::clear}, [&] {
      exclusive_guard const guard{space.frames_.lock()};
      space.zap_locked(piece.extent, freed);
    });
  });
  {
    exclusive_guard const guard{frames_.lock()};
    for (auto c = object->cache.lower_bound(end); c != object->cache.end(); c = object->cache.erase(c))
      frames_.uncache_locked(c->second, freed);
  }
  tell(freed);
  return sys::ok;
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::punch_hole(cpu_va a, byte_count size) {
  if (!is_page_aligned(a, size)) return sys::einval;
  backing_ref object;
  std::uint64_t first = 0;
  {
    shared_guard const map_guard{map_lock_};
    vma const* const v = vmas_.find(a);
    if (v == nullptr || !v->extent.contains({a, size})) return sys::efault;
    if (!v->shows_a_file()) return sys::einval;
    object = v->object;
    first = v->offset_of(a);
  }
  freed_list freed;
  for_each_view(object, first, first + size.value, [&](address_space& space, vma const& piece) {
    space.notifiers_.invalidate({piece.extent, invalidation_cause::clear}, [&] {
      exclusive_guard const guard{frames_.lock()};
      space.table_.change_each(piece.extent, [&](cpu_va at, pte& e) {
        space.frames_.lock().assert_held();
        auto const cached = object->cache.find(piece.offset_of(at));
        if (cached != object->cache.end() && e.has_page() && e.target == cached->second)
          space.drop_entry_locked(at, e, freed);
      });
    });
  });
  {
    exclusive_guard const guard{frames_.lock()};
    for (auto c = object->cache.lower_bound(first); c != object->cache.end() && c->first - first < size.value;
         c = object->cache.erase(c))
      frames_.uncache_locked(c->second, freed);
  }
  tell(freed);
  return sys::ok;
}

/// Lets `move` have the bytes of a device's registers at `a`.
template <lock Lock, std::size_t PageBytes>
template <class Move>
void address_space<Lock, PageBytes>::access_registers(vma const& v, cpu_va a, Move&& move) {
  exclusive_guard const guard{frames_.lock()};
  auto& bytes = v.object->registers[v.offset_of(a.align_down(page_size))];
  if (!bytes) bytes = owned_array<std::byte>{new std::byte[PageBytes]{}};
  move(&bytes[a.value % PageBytes]);
}

}  // namespace svm::inline v0::mock
