// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "shell_machine.hpp"

#include "options.hpp"

namespace svmsh {

namespace {

svm::migration_mode to_mock(machine_options::migrate_mode mode) {
  switch (mode) {
    case machine_options::migrate_mode::on:
      return svm::migration_mode::where_possible;
    case machine_options::migrate_mode::off:
      return svm::migration_mode::never;
    case machine_options::migrate_mode::only:
      return svm::migration_mode::required;
  }
  return svm::migration_mode::where_possible;
}

}  // namespace

svm::mock::machine_options to_mock(machine_options const& options, svm::va_range window) {
  svm::mock::machine_options to;
  to.ram = {options.ram};
  to.vram = {options.vram};
  to.gpus = static_cast<unsigned>(options.gpus);
  to.window = window;
  to.notifier_size = {options.notifier};
  to.thp = options.thp;
  to.seed = options.seed;
  to.chunks.clear();
  for (std::uint64_t const size : chunk_sizes(options)) to.chunks.push_back({size});
  to.faults = options.faults ? svm::mock::page_faults::replayed : svm::mock::page_faults::fatal;
  to.driver.migrate = to_mock(options.migrate);
  to.driver.check_pages_threshold = {options.check_pages};
  to.driver.timeslice = svm::milliseconds(options.timeslice_ms);
  to.driver.read_only = options.readonly;
  to.driver.rest = options.split ? svm::partial_unmap::split : svm::partial_unmap::evict;
  if (options.placement.evict == svm::placement::eviction_mode::touched)
    to.eviction = {svm::eviction_order::touched, svm::touch_precision::exact};
  if (options.is_page_wise()) to.placement = options.placement;
  return to;
}

}  // namespace svmsh
