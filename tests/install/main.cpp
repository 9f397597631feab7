// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// A program of somebody who uses the library: prints the version, and returns 0 when the library works.
#include <svm/base/interval.hpp>
#include <svm/version.hpp>

#include <cstdio>

int main() {
  using namespace svm::literals;
  auto const page = svm::va_range::make(svm::cpu_va{0x1000}, 4_KiB);
  std::puts(svm::version_string);
  return page.has_value() && page->contains(svm::cpu_va{0x1fff}) && !page->contains(svm::cpu_va{0x2000}) ? 0 : 1;
}
