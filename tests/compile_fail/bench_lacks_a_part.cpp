// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: a bench of (page_migration needs `other\(\)`, a second process|address_space needs `va_range map|page_migration needs `void set_locked)
// each-with: WITHOUT_SECOND_PROCESS WITHOUT_UNMAP WITHOUT_PINS
#include <memory>
#include <optional>
#include <vector>

#include "../static/archetypes.hpp"

#include <svm/conformance/mm.hpp>

struct process {
  archetypes::mm& mm();
  svm::va_range map(std::size_t);
#if defined FIXED || !defined WITHOUT_UNMAP
  void unmap(svm::va_range);
#endif
  bool store(svm::cpu_va, std::uint64_t);
  std::optional<std::uint64_t> load(svm::cpu_va);
};
struct bench : process {
  using page = archetypes::page;
  bool has_vma(svm::cpu_va);
  void exit();
  bool is_live(page);
  std::uint64_t peek(page);
  void poke(page, std::uint64_t);
  void set_locked(page, bool);
#if defined FIXED || !defined WITHOUT_PINS
  void set_pinned(page, bool);
#endif
  std::vector<page> device_pages(std::size_t);
  svm::page_owner owner();
#if defined FIXED || !defined WITHOUT_SECOND_PROCESS
  process& other();
#endif
};

svm::conformance::broken_promises found() {
  return svm::conformance::mm::check_all([] { return std::make_unique<bench>(); });
}
