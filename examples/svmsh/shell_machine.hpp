// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "system.hpp"

#include <svm/mock/full.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace svmsh {

/// The simulated machine that svmsh drives; each page size has its own.
template <std::size_t PageBytes>
using shell_machine = svm::mock::full_machine<svm::mock::rank_checked<svm::null_lock>, PageBytes>;

/// The options as the machine takes them; the span of addresses apart, which may be refused.
svm::mock::machine_options to_mock(machine_options const& options, svm::va_range window);

/// Builds the machine, or says in one sentence why the library refuses the configuration.
template <std::size_t PageBytes>
[[nodiscard]] std::variant<std::unique_ptr<shell_machine<PageBytes>>, std::string> make_machine(
    machine_options const& options) {
  svm::result<svm::va_range> const window =
      svm::va_range::make(svm::cpu_va{options.vm_start}, svm::byte_count{options.vm_size});
  if (!window) return std::string{"vm_start, vm_size: "} + svm::describe(window.error()).cause;
  svm::mock::machine_options const to = to_mock(options, *window);
  svm::result<svm::gpusvm_layout> const shape = shell_machine<PageBytes>::check(to);
  if (!shape) return std::string{svm::describe(shape.error()).cause};
  return std::make_unique<shell_machine<PageBytes>>(to, *shape);
}

}  // namespace svmsh
