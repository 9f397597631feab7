// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/base/page_mask.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// What comes back to system memory for a CPU fault, in place of the allocation of its page.
struct cpu_fault_plan {
  va_range window;    ///< at most as many pages as a mask has, around the fault
  page_mask pages{};  ///< of the window, from its first one on; the faulting one among them
};

/// Says what comes back for a CPU fault.
template <class Page>
class cpu_fault_planner {
 public:
  /// Makes a plan; false for a fault of which it has nothing to say.
  ///
  /// \pre the map lock is held shared, and none of a later rank; takes no other lock before rank notifier
  [[nodiscard]] virtual bool plan(cpu_fault<Page> const& fault, cpu_fault_plan& out) noexcept = 0;

 protected:
  ~cpu_fault_planner() = default;
};

}  // namespace svm::inline v0
