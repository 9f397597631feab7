// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <support/scripted.hpp>

namespace support {

/// An allocation of device memory that nobody filled: what stands behind the device pages that a script reports.
template <class Policies>
struct scripted_allocation {
  explicit scripted_allocation(svm::migrator<Policies>& mover)
      : allocation(mover, svm::device_allocation<Policies>{mover.env().pagemap, {}, {}}, {}, false) {}
  ~scripted_allocation() { allocation.owner().put(); }

  svm::devmem<Policies> allocation;
};

/// Device pages as a walk reports them.
template <class Policies>
[[nodiscard]] svm::page_run<typename Policies::mm::page> device_page(std::uint64_t number,
                                                                     scripted_allocation<Policies>& of,
                                                                     std::uint32_t count = 1) {
  svm::zdd<Policies>& behind = of.allocation.live_pages();
  return {.page = {number},
          .owner_object = &behind,
          .owner = behind.owner(),
          .count = count,
          .place = svm::page_place::device,
          .writable = true};
}

}  // namespace support
