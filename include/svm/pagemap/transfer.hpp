// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include <svm/concepts/policies.hpp>

namespace svm::inline v0::detail {

/// Memory for the arrays of a migration, in one piece: a slot a page, a copy block a page, and whose memory each block is.
template <migrating_policies P>
class migration_arrays {
 public:
  using page = typename P::mm::page;
  using slot = migration_slot<page>;
  using block = copy_block<page>;
  using pagemap = typename P::pagemap;

  explicit migration_arrays(typename P::allocator& memory) : memory_(memory) {}
  migration_arrays(migration_arrays const&) = delete;
  migration_arrays& operator=(migration_arrays const&) = delete;
  ~migration_arrays() { clear(); }

  /// Makes room for `count` pages, with slots like new ones; false, and empty, when there is no memory.
  ///
  /// \allocs once, unless there is room already
  [[nodiscard]] bool reserve(std::size_t count) {
    if (count > capacity_ && !grow(count)) return false;
    for (std::size_t i = 0; i < count; ++i) slots_[i] = {};
    return true;
  }
  void clear() {
    if (capacity_ == 0) return;
    for (std::size_t i = 0; i < capacity_; ++i) {
      slots_[i].~slot();
      blocks_[i].~block();
    }
    memory_.deallocate(reinterpret_cast<std::byte*>(slots_), bytes(capacity_), alignment);
    capacity_ = 0;
  }

  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] slot* slots() const { return slots_; }
  [[nodiscard]] block* blocks() const { return blocks_; }
  [[nodiscard]] pagemap** pagemaps() const { return pagemaps_; }

 private:
  [[nodiscard]] static constexpr std::size_t round_up(std::size_t size, std::size_t to) {
    return (size + to - 1) / to * to;
  }
  // Where the arrays of `count` pages lie in their memory.
  [[nodiscard]] static constexpr std::size_t blocks_at(std::size_t count) {
    return round_up(count * sizeof(slot), alignof(block));
  }
  [[nodiscard]] static constexpr std::size_t pagemaps_at(std::size_t count) {
    return round_up(blocks_at(count) + count * sizeof(block), alignof(pagemap*));
  }
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
    return pagemaps_at(count) + count * sizeof(pagemap*);
  }
  static constexpr std::size_t alignment = alignof(slot) > alignof(block) ? alignof(slot) : alignof(block);

  [[nodiscard]] bool grow(std::size_t count) {
    clear();
    bool const fits = count <= SIZE_MAX / (2 * bytes(1));
    std::byte* const place = fits ? memory_.allocate(bytes(count), alignment) : nullptr;
    if (place == nullptr) return false;
    slots_ = reinterpret_cast<slot*>(place);
    blocks_ = reinterpret_cast<block*>(place + blocks_at(count));
    pagemaps_ = reinterpret_cast<pagemap**>(place + pagemaps_at(count));
    capacity_ = count;
    for (std::size_t i = 0; i < count; ++i) {
      ::new (&slots_[i]) slot{};
      ::new (&blocks_[i]) block{};
      ::new (&pagemaps_[i]) pagemap* {};
    }
    return true;
  }

  typename P::allocator& memory_;
  slot* slots_ = nullptr;
  block* blocks_ = nullptr;
  pagemap** pagemaps_ = nullptr;
  std::size_t capacity_ = 0;
};

/// The arrays that a migrator keeps from one migration to the next, as long as some of its memory is in use. One
/// migration at a time has them; who comes meanwhile makes do with the heap.
template <migrating_policies P>
class kept_arrays {
 public:
  using counter = typename P::lock::template atomic<std::uint32_t>;

  /// What needs more pages is not kept: as many as a large folio has.
  static constexpr std::size_t most_pages = 512;

  /// \param in_use  how many allocations have memory
  kept_arrays(typename P::allocator& memory, counter const& in_use) : in_use_(in_use), arrays_(memory) {}

  /// False when somebody has the arrays.
  [[nodiscard]] bool take() { return taken_.exchange(1) == 0; }
  /// \pre they were taken
  [[nodiscard]] migration_arrays<P>& arrays() { return arrays_; }
  void give_back() {
    if (arrays_.capacity() > most_pages) arrays_.clear();
    taken_.store(0);
    // Who ends the last use meanwhile finds them taken, or we find that it did.
    if (in_use_.load() == 0) trim();
  }
  /// Frees them, unless somebody has them, who does it then.
  void trim() {
    if (!take()) return;
    arrays_.clear();
    taken_.store(0);
  }

 private:
  counter const& in_use_;
  migration_arrays<P> arrays_;
  counter taken_{0};
};

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

  explicit transfer(environment<P>& env) : own_(env.memory) {}
  /// Uses arrays that are kept, when they are free.
  transfer(environment<P>& env, kept_arrays<P>& kept) : own_(env.memory), kept_(&kept) {}
  transfer(transfer const&) = delete;
  transfer& operator=(transfer const&) = delete;
  ~transfer() {
    unmap_all();
    if (has_kept_) kept_->give_back();
  }

  /// Makes room for `count` pages; false, with room for one, when there is no memory.
  [[nodiscard]] bool reserve(std::size_t count) {
    if (count > 1 && kept_ != nullptr && !has_kept_) has_kept_ = kept_->take();
    migration_arrays<P>& arrays = has_kept_ ? kept_->arrays() : own_;
    if (count > 1 && arrays.reserve(count)) {
      slots_ = {arrays.slots(), count};
      blocks_ = arrays.blocks();
      pagemaps_ = arrays.pagemaps();
      return true;
    }
    slots_ = {&single_slot_, 1};
    blocks_ = &single_block_;
    pagemaps_ = &single_pagemap_;
    single_slot_ = {};
    return count <= 1;
  }

  [[nodiscard]] std::span<slot> slots() const { return slots_; }

  /// Starts a job that `device` copies; every block is gathered for it.
  ///
  /// \pre the job before is unmapped
  void start_job(typename P::device& device) { device_ = &device; }

  /// Maps contiguous system memory for the copying device and adds it to the job, beside as much memory of the device.
  ///
  /// \errors dma_map_failed; the job is as it was
  [[nodiscard]] errc add_system(page system, page local, page_count count, dma_direction direction) {
    result<dma_addr> const mapped = device_->dma_map(system, count, direction);
    if (!mapped) return mapped.error();
    add({{.address = *mapped, .direction = direction, .count = static_cast<std::uint32_t>(count.value)}, local},
        nullptr);
    return errc::ok;
  }
  /// Maps contiguous memory of another device (or of its own) for the copying device and adds it to the job.
  ///
  /// \errors those of pagemap::map; the job is as it was
  [[nodiscard]] errc add_device(typename P::pagemap& pagemap, page remote, page local, page_count count,
                                dma_direction direction) {
    result<device_address> const mapped = pagemap.map(*device_, remote, count, direction);
    if (!mapped) return mapped.error();
    add({*mapped, local}, &pagemap);
    return errc::ok;
  }

  /// How many pages from slot `i` on, before slot `end`, one mapping and one copy will do for: those of its block, and of
  /// the next ones as far as both sides are contiguous and of one kind.
  ///
  /// \pre the slot has a destination
  [[nodiscard]] page_count run_at(std::size_t i, std::size_t end) const {
    slot const& first = slots_[i];
    std::uint64_t count = first.destination_order.pages().value;
    while (i + count < end) {
      slot const& next = slots_[i + count];
      if (next.destination != P::mm::page_at(first.destination, count) || next.state != first.state ||
          next.owner_object != first.owner_object || next.source != P::mm::page_at(first.source, count))
        break;
      count += next.destination_order.pages().value;
    }
    return {count};
  }

  [[nodiscard]] std::span<block const> job() const { return {blocks_, count_}; }
  [[nodiscard]] byte_count bytes() const {
    page_count n{};
    for (block const& b : job()) n += b.remote.pages();
    return n * P::mm::page_size;
  }

  /// Ends every mapping of the job, and the job.
  void unmap_all() {
    for (std::size_t i = 0; i < count_; ++i) {
      device_address const& remote = blocks_[i].remote;
      if (pagemaps_[i] != nullptr)
        pagemaps_[i]->unmap(*device_, remote);
      else
        device_->dma_unmap(remote.address, remote.pages(), remote.direction);
    }
    count_ = 0;
  }

 private:
  void add(block const& b, typename P::pagemap* pagemap) {
    blocks_[count_] = b;
    pagemaps_[count_] = pagemap;
    ++count_;
  }

  migration_arrays<P> own_;
  kept_arrays<P>* kept_ = nullptr;
  bool has_kept_ = false;
  slot single_slot_{};
  block single_block_{};
  typename P::pagemap* single_pagemap_ = nullptr;
  std::span<slot> slots_;
  block* blocks_ = nullptr;
  typename P::pagemap** pagemaps_ = nullptr;  // whose memory `remote` is; null: the system's
  std::size_t count_ = 0;
  typename P::device* device_ = nullptr;
};

}  // namespace svm::inline v0::detail
