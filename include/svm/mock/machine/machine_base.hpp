// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/concepts/lock.hpp>
#include <svm/mock/cpu/kernel.hpp>
#include <svm/mock/cpu/physical_memory.hpp>
#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/explored.hpp>
#include <svm/mock/machine/failure.hpp>
#include <svm/mock/machine/machine_options.hpp>
#include <svm/mock/machine/report.hpp>
#include <svm/mock/machine/statistics.hpp>
#include <svm/mock/machine/steps.hpp>
#include <svm/mock/machine/virtual_clock.hpp>

namespace svm::inline v0::mock {

/// The parts of the machine that need no other but the failures and the report; they outlive all that follows.
template <lock Lock, std::size_t PageBytes>
struct machine_base {
  explicit machine_base(machine_options const& options)
      : memory(failures, broken, &Lock::held),
        frames(options.ram, options.vram, failures, broken, options.gpus, options.joins_pages),
        shared{frames, clock, failures, broken, hooks, options.thp} {
    clock.lets_others_go = lets_others_go<Lock>;
  }

  report broken;
  failure_plan failures;
  steps hooks;
  virtual_clock clock;
  statistics stats;
  counting_allocator memory;
  physical_memory<Lock, PageBytes> frames;
  kernel<Lock, PageBytes> shared;
};

}  // namespace svm::inline v0::mock
