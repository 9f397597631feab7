// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/refcount.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

template <policies P>
class devmem;

/// What the pages of one device memory allocation have behind them: it counts them, and lets the allocation go with the
/// last.
///
/// Invariants: 1. the count is the number of live pages plus one while the allocation is being built. 2. when it falls
/// to zero the allocation is detached, exactly once, in the context of the last put of a page.
/// \source drm_pagemap.c, struct drm_pagemap_zdd; here it is part of its allocation instead of an object of its own
template <policies P>
class zdd final : public device_page_owner<typename P::mm::page> {
 public:
  using page = typename P::mm::page;

  explicit zdd(devmem<P>& allocation) : allocation_(allocation) {}

  /// Puts itself behind `fresh`, a page of the allocation that is free; the page is then locked, with one reference.
  void adopt(typename P::mm& mm, page fresh) {
    live_.get();
    mm.adopt_device_page(fresh, *this);
  }

  /// Ends the building; without a live page that detaches the allocation.
  void built() { put(); }

  [[nodiscard]] cpu_fault_answer page_faulted(cpu_fault<page> const& fault) noexcept override {
    return allocation_.owner().bring_back(allocation_, fault);
  }
  void page_freed() noexcept override { put(); }

  /// The number of live pages, and one more while the allocation is being built.
  [[nodiscard]] std::uint32_t live() const { return live_.value(); }

 private:
  void put() {
    if (live_.put()) allocation_.detach();  // may end the life of this object
  }

  devmem<P>& allocation_;
  reference_count<typename P::lock::template atomic<std::uint32_t>> live_;
};

}  // namespace svm::inline v0
