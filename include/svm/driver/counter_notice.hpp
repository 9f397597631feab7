// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>

namespace svm::inline v0 {

/// What a GPU's access counters told of a region of 2 MiB that it reaches over a link, and what became of it.
struct counter_notice {
  cpu_va address{};               ///< of the last access, aligned to 64 KiB
  std::uint32_t sub_regions = 0;  ///< those of 64 KiB that were accessed, a bit each

  errc error = errc::ok;    ///< as svm_driver::fault
  bool is_cleared = false;  ///< the region is to count again; otherwise it stays silent
};

}  // namespace svm::inline v0
