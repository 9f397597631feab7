// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/page_mask.hpp>
#include <svm/base/units.hpp>

namespace svm::inline v0 {

/// Says which pages a device accessed, for what learns from that: by the accessed bits of its page table, say.
class page_use {
 public:
  /// The pages that the device accessed since they were mapped for it; those of `pages` alone count.
  ///
  /// \param block  where page 0 is
  /// \pre takes leaf locks and the device's lock only
  [[nodiscard]] virtual page_mask used(cpu_va block, page_mask const& pages) noexcept = 0;

 protected:
  ~page_use() = default;
};

}  // namespace svm::inline v0
