// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/refcount.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

template <policies P>
class devmem;

/// What the pages of one device memory allocation have behind them: it counts their blocks, and lets the allocation go
/// with the last.
///
/// Invariants: 1. the count is the number of live blocks plus one while the allocation is being built. 2. when it falls
/// to zero the allocation is detached, exactly once, in the context of the last put of a page.
/// \source drm_pagemap.c, struct drm_pagemap_zdd; here it is part of its allocation instead of an object of its own
template <policies P>
class zdd final : public device_page_owner<typename P::mm::page> {
 public:
  using page = typename P::mm::page;
  using base = device_page_owner<page>;

  explicit zdd(devmem<P>& allocation) : base(family), allocation_(allocation) {}

  /// The zdd that an owner is; null for one of another driver.
  [[nodiscard]] static zdd* of(base* behind) {
    return behind != nullptr && behind->is_of(family) ? static_cast<zdd*>(behind) : nullptr;
  }
  [[nodiscard]] devmem<P>& allocation() const { return allocation_; }

  /// Puts itself behind the block of 2^order pages from `fresh` on, which is free; the block is then locked, with one
  /// reference.
  void adopt(typename P::mm& mm, page fresh, page_order order) {
    live_.get();
    mm.adopt_device_page(fresh, order, *this, coherent_pagemap<typename P::pagemap>);
  }

  /// Ends the building; without a live page that detaches the allocation.
  void built() { put(); }

  [[nodiscard]] page_owner owner() const noexcept override { return allocation_.owner().env().pagemap.owner(); }
  [[nodiscard]] cpu_fault_answer page_faulted(cpu_fault<page> const& fault) noexcept override {
    return allocation_.owner().bring_back(allocation_, fault);
  }
  void page_freed(page first, page_order order) noexcept override {
    allocation_.page_freed(first, order);
    put();
  }
  void page_split(page, page_order from, page_order to) noexcept override {
    auto const blocks = static_cast<std::uint32_t>(from.pages().value >> to.value);
    live_.get(blocks - 1);
  }

  /// The number of live blocks, and one more while the allocation is being built.
  [[nodiscard]] std::uint32_t live() const { return live_.value(); }

 private:
  static constexpr typename base::family family{};

  void put() {
    if (live_.put()) allocation_.detach();  // may end the life of this object
  }

  devmem<P>& allocation_;
  reference_count<typename P::lock::template atomic<std::uint32_t>> live_;
};

}  // namespace svm::inline v0
