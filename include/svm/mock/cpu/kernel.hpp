// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/mock/machine/failure.hpp>
#include <svm/mock/cpu/holes.hpp>
#include <svm/mock/cpu/physical_memory.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/report.hpp>
#include <svm/mock/machine/steps.hpp>
#include <svm/mock/cpu/swap_device.hpp>
#include <svm/mock/machine/virtual_clock.hpp>

namespace svm::inline v0::mock {

/// How a system call or a CPU access ended, in the words of a process.
enum class sys : std::uint8_t { ok, einval, enomem, eexist, sigsegv, sigbus, efault, eagain };

/// What madvise is told.
enum class advice : std::uint8_t {
  dontneed,
  free,  ///< the content may go; here it goes at once
  hugepage,
  nohugepage,
  collapse,
  dontfork,
  dofork,
  wipeonfork,
  keeponfork,
};

/// What all processes of a machine share.
template <lock Lock, std::size_t PageBytes>
struct kernel {
  physical_memory<Lock, PageBytes>& frames;
  virtual_clock& clock;
  failure_plan& failures;
  report& broken;
  steps& hooks;
  bool thp = false;                                         ///< huge pages for anonymous memory without advice
  swap_device<PageBytes> swap{};                            ///< under the page-table lock
  plain_list<address_space<Lock, PageBytes>*> processes{};  ///< under the page-table lock; forks come later
  std::uint64_t last_space_id = 0;                          ///< under the page-table lock
};

}  // namespace svm::inline v0::mock
