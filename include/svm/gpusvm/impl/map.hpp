// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/device_mapping.hpp>

// pages::map and its steps.

namespace svm::inline v0 {

/// Says whether these pages may be one mapping, and what its flags would be.
template <svm_policies P>
errc device_mapping<P>::classify(std::span<entry const> found, page_options const& wanted, std::uint32_t& flags) const {
  entry const* device = nullptr;
  entry const* system = nullptr;
  for (entry const& e : found) {
    entry const*& first = e.place == page_place::device ? device : system;
    if (first == nullptr) first = &e;
    if (e.owner != first->owner || (!wanted.allow_mixed && e.owner_object != first->owner_object))
      return errc::mixed_placement;
  }
  if (device != nullptr && system != nullptr && !wanted.allow_mixed) return errc::mixed_placement;
  bool const peer = device != nullptr && device->owner != env_.own;
  if (wanted.devmem_only && (system != nullptr || peer)) return errc::not_in_device_memory;
  if (device != nullptr && memory::of(device->owner_object) == nullptr) return errc::unsupported;

  flags = bit(page_flag::mapped) | bit(page_flag::valid);
  if (device != nullptr) flags |= bit(page_flag::device);
  if (system != nullptr) flags |= bit(page_flag::system);
  if (peer) flags |= bit(page_flag::peer);
  if (wanted.read_only) flags |= bit(page_flag::read_only);
  return errc::ok;
}

/// Remembers whose memory a block is.
template <svm_policies P>
void device_mapping<P>::use_memory(memory& used, room& space) {
  if (memory_ == nullptr) {
    memory_ = &used;
    used.get();
  }
  if (memory_ == &used) return;
  further_memory& more = *space.further_;  // only a mixed mapping comes here
  if (more.count == 0 || more.list[more.count - 1] != &used) more.list[more.count++] = &used;
}

template <svm_policies P>
errc device_mapping<P>::map_block(entry const& first, page_order order, dma_direction direction, room& space,
                                  device_address& out) {
  if (first.place == page_place::device) {
    memory& owner = *memory::of(first.owner_object);
    use_memory(owner, space);
    result<device_address> const mapped = owner.map_run(env_.device, first.page, order, direction);
    if (!mapped) return mapped.error();
    out = *mapped;
    return errc::ok;
  }
  if constexpr (iova_device<typename P::device, page>) {
    if (space.size_ != byte_count{}) {
      if (errc const e = env_.device.link_iova(space.base_, iova_linked_, first.page, order, direction); e != errc::ok)
        return e;
      out = {space.base_ + iova_linked_, interconnect::system, order, direction};
      iova_linked_ += order.pages() * P::mm::page_size;
      return errc::ok;
    }
  }
  result<dma_addr> const mapped = env_.device.dma_map(first.page, order, direction);
  if (!mapped) return mapped.error();
  out = {*mapped, interconnect::system, order, direction};
  return errc::ok;
}

/// Ends the mappings of `blocks`, which are all that there are.
template <svm_policies P>
void device_mapping<P>::unmap_blocks(std::span<device_address const> blocks) {
  bool const one_by_one = iova_size_ == byte_count{};
  for (device_address const& b : blocks) {
    if (b.path != interconnect::system)
      memory_->unmap_run(env_.device, b);
    else if (one_by_one)
      env_.device.dma_unmap(b.address, b.order, b.direction);
  }
  if constexpr (iova_device<typename P::device, page>)
    if (!one_by_one) env_.device.release_iova(iova_base_, iova_size_, iova_linked_, direction_);
  iova_size_ = iova_linked_ = {};
}

template <svm_policies P>
errc device_mapping<P>::map(std::span<entry const> found, page_options const& wanted, room& space) {
  SVM_ASSERT(!has(page_flag::mapped));
  std::uint32_t flags = 0;
  if (errc const e = classify(found, wanted, flags); e != errc::ok) return e;

  direction_ = wanted.read_only ? dma_direction::to_device : dma_direction::bidirectional;
  if ((flags & bit(page_flag::system)) == 0) space.release_iova();
  iova_base_ = space.base_;
  iova_size_ = space.size_;
  if (space.further_ != nullptr) space.further_->count = 0;
  std::size_t mapped = 0;
  scope_guard undo{[&] {
    unmap_blocks({space.blocks_.data(), mapped});
    space.size_ = {};  // went with the blocks
    forget_memory();
  }};
  for (std::size_t i = 0; i < found.size();) {
    // A block ends with the contiguous memory or with the span, whichever comes first.
    auto const left = static_cast<std::uint8_t>(std::bit_width(found.size() - i) - 1);
    page_order const order{found[i].order.value < left ? found[i].order.value : left};
    if (errc const e = map_block(found[i], order, direction_, space, space.blocks_[mapped]); e != errc::ok) return e;
    ++mapped;
    i += order.pages().value;
  }
  if constexpr (iova_device<typename P::device, page>)
    if (iova_linked_ != byte_count{})
      if (errc const e = env_.device.sync_iova(iova_base_, iova_linked_); e != errc::ok) return e;
  undo.dismiss();
  space.size_ = {};
  blocks_.swap(space.blocks_);
  if (space.further_ != nullptr) std::swap(further_, space.further_);
  count_ = mapped;
  flags_.store(flags);
  return errc::ok;
}

}  // namespace svm::inline v0
