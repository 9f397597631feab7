// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <new>

#include <svm/port/frame_table.hpp>

// frame_table: how blocks begin, split and end.

namespace svm::inline v0::port {

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
auto frame_table<Space, Content, Lock, Allocator, PageBytes>::add(page_count count, bool is_device) -> result<page> {
  std::uint64_t const n = count.value;
  std::byte* const place = n > SIZE_MAX / sizeof(frame) ? nullptr : memory_.allocate(n * sizeof(frame), alignof(frame));
  if (place == nullptr) return errc::no_memory;
  frame* const frames = reinterpret_cast<frame*>(place);
  for (std::uint64_t i = 0; i < n; ++i) ::new (&frames[i]) frame{};
  group* const made = svm::detail::construct<group>(memory_, page{}, n, is_device, frames);
  if (made == nullptr) {
    destroy_frames(frames, n);
    return errc::no_memory;
  }
  exclusive_guard const guard{lock_};
  std::uint64_t const alignment = std::bit_floor(n);
  made->first = (next_ + alignment - 1) & ~(alignment - 1);
  next_ = made->first + n;
  for (std::uint64_t i = 0; i < n; ++i) frames[i].first = page{made->first + i};
  groups_.insert(*made);
  return page{made->first};
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
void frame_table<Space, Content, Lock, Allocator, PageBytes>::join_locked(page first, page_order order) {
  for (std::uint64_t i = 0; i < order.pages().value; ++i) of(after(first, i)).first = first;
  frame& block = of(first);
  SVM_ASSERT(block.references == 0);
  block.order = order;
  block.references = 1;
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
void frame_table<Space, Content, Lock, Allocator, PageBytes>::end_block_locked(page first, freed_list& freed) {
  group& home = *find_locked(first);
  frame& block = home.at(first);
  SVM_ASSERT(block.mapped == 0);
  block.locked = false;
  if (home.is_device) {
    block.next_ended = std::exchange(freed.blocks, &block);
  } else if ((home.live -= block.order.pages().value) == 0) {
    drop_locked(home, freed);
  }
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
void frame_table<Space, Content, Lock, Allocator, PageBytes>::tell(freed_list& freed) {
  while (frame* const block = freed.blocks) {
    freed.blocks = block->next_ended;
    // Its owner may remove it, so nothing of it is used afterwards.
    block->owner_object->page_freed(block->first, block->order);
  }
  while (group* const g = freed.groups) {
    freed.groups = g->next_ended;
    destroy_frames(g->frames, g->count);
    svm::detail::destroy(memory_, g);
  }
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
void frame_table<Space, Content, Lock, Allocator, PageBytes>::destroy_frames(frame* frames, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) frames[i].~frame();
  memory_.deallocate(reinterpret_cast<std::byte*>(frames), count * sizeof(frame), alignof(frame));
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
void frame_table<Space, Content, Lock, Allocator, PageBytes>::end_fault(page p) {
  freed_list freed;
  {
    exclusive_guard const guard{lock_};
    head(p).faulting = {};  // of another block than before, when that was split
    put_locked(p, freed);
    trim_locked(p, freed);
  }
  tell(freed);
  changed_.notify_all();
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
bool frame_table<Space, Content, Lock, Allocator, PageBytes>::split_locked(page p, std::uint32_t holders,
                                                                           freed_list& freed) {
  page const first = first_of(p);
  frame& block = of(first);
  page_order const order = block.order;
  page const faulting = block.faulting;
  bool const locked = block.locked;
  if (order == page_order{}) return true;
  if (others_locked(first) != holders + (faulting != page{} ? 1u : 0u)) return false;
  if (block.owner_object != nullptr) block.owner_object->page_split(first, order, {});
  for (std::uint64_t i = 0; i < order.pages().value; ++i) {
    page const single = after(first, i);
    frame& f = of(single);
    f.first = single;
    f.order = {};
    f.locked = locked;
    f.faulting = single == faulting ? faulting : page{};
    f.mapped = static_cast<std::uint32_t>(f.mappings.count_slow());
    f.references = f.mapped + holders + (single == faulting ? 1u : 0u);
    if (f.references == 0) end_block_locked(single, freed);
  }
  return true;
}

template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes>
void frame_table<Space, Content, Lock, Allocator, PageBytes>::trim_locked(page p, freed_list& freed) {
  if (!is_alive(p)) return;
  page const first = first_of(p);
  frame const& block = of(first);
  if (block.mapped == 0) return;
  for (std::uint64_t i = 0; i < block.order.pages().value; ++i)
    if (mappings_locked(after(first, i)) == 0) {
      static_cast<void>(split_locked(first, 0, freed));
      return;
    }
}

}  // namespace svm::inline v0::port
