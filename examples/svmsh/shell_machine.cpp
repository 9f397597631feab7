// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "shell_machine.hpp"

#include <cstdint>

namespace svmsh {

namespace mock = svm::mock;

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

std::variant<std::unique_ptr<shell_machine>, std::string> make_machine(machine_options const& options) {
  svm::result<svm::va_range> const window =
      svm::va_range::make(svm::cpu_va{options.vm_start}, svm::byte_count{options.vm_size});
  if (!window) return std::string{"vm_start, vm_size: "} + svm::describe(window.error()).cause;
  mock::machine_options to;
  to.ram = {options.ram};
  to.vram = {options.vram};
  to.window = *window;
  to.notifier_size = {options.notifier};
  to.chunks.clear();
  for (std::uint64_t const size : options.chunks) to.chunks.push_back({size});
  to.driver.migrate = to_mock(options.migrate);
  to.driver.check_pages_threshold = {options.check_pages};
  to.driver.timeslice = svm::milliseconds(options.timeslice_ms);
  to.driver.read_only = options.readonly;
  svm::result<svm::geometry> const shape = shell_machine::check(to);
  if (!shape) return std::string{svm::describe(shape.error()).cause};
  return std::make_unique<shell_machine>(to, *shape);
}

std::vector<stat_line> statistics_of(shell_machine& computer) {
  using enum svm::event_kind;
  auto const& s = computer.stats;
  std::uint64_t dma_mapped = 0;
  svm::va_range const everything{svm::cpu_va{}, svm::byte_count{UINT64_MAX}};
  computer.driver.svm().for_each_range(everything, [&](auto const& r) {
    for (svm::device_address const& block : r.mapping().blocks_locked())
      if (block.path == svm::interconnect::system) dma_mapped += block.order.pages().value;
  });
  return {
      {"gpu_faults", s.count(gpu_fault), true},
      {"gpu_fault_retries", s.count(gpu_fault_retry), true},
      {"ranges_created", s.count(range_created), true},
      {"ranges_removed", s.count(range_removed), true},
      {"notifiers_created", s.count(notifier_created), true},
      {"notifiers_removed", s.count(notifier_removed), true},
      {"migrations_to_vram", s.count(migrated_to_device), true},
      {"migrations_to_ram", s.count(migrated_to_system), true},
      {"migrations_failed", s.count(migration_failed), true},
      {"bytes_to_vram", s.bytes(migrated_to_device), true},
      {"bytes_to_ram", s.bytes(migrated_to_system), true},
      {"bytes_peer", 0, true},
      {"dma_mapped_pages", dma_mapped, true},
      {"vram_used", computer.device_memory.used().value, true},
      {"ram_used", computer.frames.ram_used().value, true},
      {"cpu_faults", computer.process.cpu_faults(), false},
      {"invalidations", s.count(invalidated), false},
      {"tlb_flushes", computer.device.tlb_flushes(), false},
  };
}

}  // namespace svmsh
