// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <svm/base/construct.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

/// The working memory of one migration: a slot a page, a copy block a page, and the DMA mappings that the blocks hold.
///
/// Falls back on room for a single page that it carries itself, so that the page the CPU waits for can come back
/// without any memory for bookkeeping.
template <policies P>
class transfer {
 public:
  using page = typename P::mm::page;
  using slot = migration_slot<page>;

  explicit transfer(environment<P>& env) : env_(env), slots_(env.memory), blocks_(env.memory) {}
  transfer(transfer const&) = delete;
  transfer& operator=(transfer const&) = delete;
  ~transfer() { unmap_all(); }

  /// Makes room for `count` pages; false, with room for one, when there is no memory.
  [[nodiscard]] bool reserve(std::size_t count) {
    if (slots_.reserve(count) && blocks_.reserve(count)) {
      slot_span_ = {slots_.data(), count};
      block_span_ = {blocks_.data(), count};
      return true;
    }
    slot_span_ = {&single_slot_, 1};
    block_span_ = {&single_block_, 1};
    single_slot_ = {};
    return false;
  }

  [[nodiscard]] std::span<slot> slots() const { return slot_span_; }

  /// Maps the system page of a block for the device and adds the block to the job.
  ///
  /// \errors dma_map_failed; the job is as it was
  [[nodiscard]] errc add_block(page system, page device, dma_direction direction) {
    result<dma_addr> const mapped = env_.device.dma_map(system, page_order{}, direction);
    if (!mapped) return mapped.error();
    block_span_[count_++] = {*mapped, device, page_order{}};
    direction_ = direction;
    return errc::ok;
  }

  [[nodiscard]] std::span<copy_block<page> const> job() const { return block_span_.first(count_); }
  [[nodiscard]] byte_count bytes() const { return P::mm::page_size * count_; }

  /// Ends every DMA mapping of the job.
  void unmap_all() {
    for (copy_block<page> const& block : job()) env_.device.dma_unmap(block.system, block.order, direction_);
    count_ = 0;
  }

 private:
  environment<P>& env_;
  scratch_array<slot, typename P::allocator> slots_;
  scratch_array<copy_block<page>, typename P::allocator> blocks_;
  slot single_slot_{};
  copy_block<page> single_block_{};
  std::span<slot> slot_span_;
  std::span<copy_block<page>> block_span_;
  std::size_t count_ = 0;
  dma_direction direction_ = dma_direction::bidirectional;
};

}  // namespace svm::inline v0
