// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/page_use.hpp>

namespace svm::inline v0::mock {

/// The accessed bits of a simulated GPU.
template <class Gpu>
class accessed_pages final : public page_use {
 public:
  explicit accessed_pages(Gpu& device) : device_(device) {}

  [[nodiscard]] page_mask used(cpu_va block, page_mask const& pages) noexcept override {
    page_mask found;
    for (unsigned p = pages.next(0); p != page_mask::pages; p = pages.next(p + 1))
      if (device_.was_accessed(block + Gpu::page_size * p)) found.set(p);
    return found;
  }

 private:
  Gpu& device_;
};

}  // namespace svm::inline v0::mock
