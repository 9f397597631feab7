// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/refcount.hpp>
#include <svm/concepts/mappable_memory.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

template <migrating_policies P>
class devmem;

/// Zone device data: the owner object of the pages of one allocation of device memory. It counts their live blocks, and
/// lets the allocation go with the last.
///
/// Invariants: 1. the count is the number of live blocks plus one while the allocation is being built. 2. when it falls
/// to zero the allocation is detached, exactly once, in the context of the last put of a page.
/// \source drm_pagemap.c, struct drm_pagemap_zdd; here it is part of its allocation instead of an object of its own
template <migrating_policies P>
class zdd final : public mappable_memory<typename P::mm::page, typename P::device> {
 public:
  using page = typename P::mm::page;
  using base = mappable_memory<page, typename P::device>;

  explicit zdd(devmem<P>& allocation) : base(devmem_pages), allocation_(allocation) {}

  /// The zdd that an owner is; null for one of another driver.
  [[nodiscard]] static zdd* of(device_page_owner<page>* object) { return of(base::of(object)); }
  [[nodiscard]] static zdd* of(base* memory) {
    return memory != nullptr && memory->is_from(devmem_pages) ? static_cast<zdd*>(memory) : nullptr;
  }
  [[nodiscard]] devmem<P>& allocation() const { return allocation_; }

  /// Puts itself behind the block of 2^order pages from `fresh` on, which is free; the block is then locked, with one
  /// reference. It is counted by `blocks_made`.
  void own_block(typename P::mm& mm, page fresh, page_order order) {
    mm.adopt_device_page(fresh, order, *this, coherent_pagemap<typename P::pagemap>);
  }
  /// Counts blocks that it was put behind: all at once, since each count is an atomic step.
  ///
  /// \pre it is being built, and none of the blocks was put since
  void blocks_made(std::uint32_t count) {
    if (count != 0) live_.get(count);
  }

  /// Ends the building; without a live page that detaches the allocation.
  void built() { put_live(); }

  [[nodiscard]] page_owner owner() const noexcept override { return allocation_.owner().env().pagemap.owner(); }
  [[nodiscard]] cpu_fault_answer page_faulted(cpu_fault<page> const& fault) noexcept override {
    return allocation_.owner().bring_back(allocation_, fault);
  }
  // For a device mapping of the pages; the references are the migrator's.
  [[nodiscard]] result<device_address> map_run(typename P::device& device, page first, page_count count,
                                               dma_direction direction) noexcept override {
    if constexpr (discarding_policies<P>)
      if (direction != dma_direction::to_device) allocation_.marks().clear(allocation_, first, count);
    return allocation_.owner().env().pagemap.map(device, first, count, direction);
  }
  void unmap_run(typename P::device& device, device_address const& run) noexcept override {
    allocation_.owner().env().pagemap.unmap(device, run);
  }
  void get() noexcept override { allocation_.owner().get(); }
  void put() noexcept override { allocation_.owner().put(); }
  void touch() noexcept override { allocation_.touch(); }

  void page_freed(page first, page_order order) noexcept override {
    allocation_.page_freed(first, order);
    put_live();
  }
  void page_split(page, page_order from, page_order to) noexcept override {
    auto const blocks = static_cast<std::uint32_t>(from.pages().value >> to.value);
    live_.get(blocks - 1);
  }

  /// The number of live blocks, and one more while the allocation is being built.
  [[nodiscard]] std::uint32_t live() const { return live_.value(); }

 private:
  static constexpr typename base::provider devmem_pages{};

  void put_live() {
    if (live_.put()) allocation_.detach();  // may end the life of this object
  }

  devmem<P>& allocation_;
  reference_count<typename P::lock::template atomic<std::uint32_t>> live_;
};

}  // namespace svm::inline v0
