// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/construct.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0::detail {

/// The working memory of one migration: a slot a page, a copy block a page, and the mappings that the blocks hold.
///
/// One job is gathered at a time; all its blocks are copied by one device. The object has room for a single page in
/// itself. So the page that the CPU waits for can come back without any memory for bookkeeping.
template <migrating_policies P>
class transfer {
 public:
  using page = typename P::mm::page;
  using slot = migration_slot<page>;
  using block = copy_block<page>;

  explicit transfer(environment<P>& env) : slots_(env.memory), blocks_(env.memory), pagemaps_(env.memory) {}
  transfer(transfer const&) = delete;
  transfer& operator=(transfer const&) = delete;
  ~transfer() { unmap_all(); }

  /// Makes room for `count` pages; false, with room for one, when there is no memory.
  [[nodiscard]] bool reserve(std::size_t count) {
    if (slots_.reserve(count) && blocks_.reserve(count) && pagemaps_.reserve(count)) {
      slot_span_ = {slots_.data(), count};
      block_span_ = {blocks_.data(), count};
      pagemap_span_ = {pagemaps_.data(), count};
      return true;
    }
    slot_span_ = {&single_slot_, 1};
    block_span_ = {&single_block_, 1};
    pagemap_span_ = {&single_pagemap_, 1};
    single_slot_ = {};
    return false;
  }

  [[nodiscard]] std::span<slot> slots() const { return slot_span_; }

  /// Starts a job that `device` copies; every block is gathered for it.
  ///
  /// \pre the job before is unmapped
  void start_job(typename P::device& device) { device_ = &device; }

  /// Maps a block of system memory for the copying device and adds it to the job.
  ///
  /// \errors dma_map_failed; the job is as it was
  [[nodiscard]] errc add_system(page system, page local, page_order order, dma_direction direction) {
    result<dma_addr> const mapped = device_->dma_map(system, order.pages(), direction);
    if (!mapped) return mapped.error();
    add({{.address = *mapped, .direction = direction, .count = static_cast<std::uint32_t>(order.pages().value)}, local},
        nullptr);
    return errc::ok;
  }
  /// Maps a block of another device's memory (or of its own) for the copying device and adds it to the job.
  ///
  /// \errors those of pagemap::map; the job is as it was
  [[nodiscard]] errc add_device(typename P::pagemap& pagemap, page remote, page local, page_order order,
                                dma_direction direction) {
    result<device_address> const mapped = pagemap.map(*device_, remote, order.pages(), direction);
    if (!mapped) return mapped.error();
    add({*mapped, local}, &pagemap);
    return errc::ok;
  }

  [[nodiscard]] std::span<block const> job() const { return block_span_.first(count_); }
  [[nodiscard]] byte_count bytes() const {
    page_count n{};
    for (block const& b : job()) n += b.remote.pages();
    return n * P::mm::page_size;
  }

  /// Ends every mapping of the job, and the job.
  void unmap_all() {
    for (std::size_t i = 0; i < count_; ++i) {
      device_address const& remote = block_span_[i].remote;
      if (pagemap_span_[i] != nullptr)
        pagemap_span_[i]->unmap(*device_, remote);
      else
        device_->dma_unmap(remote.address, remote.pages(), remote.direction);
    }
    count_ = 0;
  }

 private:
  void add(block const& b, typename P::pagemap* pagemap) {
    block_span_[count_] = b;
    pagemap_span_[count_] = pagemap;
    ++count_;
  }

  scratch_array<slot, typename P::allocator> slots_;
  scratch_array<block, typename P::allocator> blocks_;
  scratch_array<typename P::pagemap*, typename P::allocator> pagemaps_;  // whose memory `remote` is; null: the system's
  slot single_slot_{};
  block single_block_{};
  typename P::pagemap* single_pagemap_ = nullptr;
  std::span<slot> slot_span_;
  std::span<block> block_span_;
  std::span<typename P::pagemap*> pagemap_span_;
  std::size_t count_ = 0;
  typename P::device* device_ = nullptr;
};

}  // namespace svm::inline v0::detail
