// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/base/page_mask.hpp>
#include <svm/base/time.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// What comes back to system memory for a CPU fault, in place of the allocation of its page.
struct cpu_fault_plan {
  va_range window;          ///< at most as many pages as a mask has, around the fault
  page_mask pages{};        ///< of the window, from its first one on; the faulting one among them
  time_point wait_until{};  ///< the page stays until then, if so: the fault waits and comes again
};

/// Says what comes back for a CPU fault.
template <class Page>
class cpu_fault_planner {
 public:
  /// Makes a plan; false for a fault of which it has nothing to say.
  ///
  /// \pre the map lock is held shared, and none of a later rank; takes locks of rank history and of later ones than page
  [[nodiscard]] virtual bool plan(cpu_fault<Page> const& fault, cpu_fault_plan& out) noexcept = 0;
  /// Pages came back for a fault: of the plan, where there was one.
  ///
  /// \param plan  as `plan` left it, whatever that returned
  /// \pre as `plan`
  virtual void came_back(cpu_fault<Page> const& fault, cpu_fault_plan const& plan) noexcept = 0;

 protected:
  ~cpu_fault_planner() = default;
};

}  // namespace svm::inline v0
