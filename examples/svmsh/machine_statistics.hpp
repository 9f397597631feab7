// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "shell_machine.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace svmsh {

/// Every address that a range can have.
inline svm::va_range const everywhere{svm::cpu_va{}, svm::byte_count{UINT64_MAX}};

/// The statistics in the order of the manual page, the exact ones first; processes that have ended count as well.
template <std::size_t PageBytes>
std::vector<stat_line> statistics_of(shell_machine<PageBytes>& computer) {
  using enum svm::event_kind;
  auto const& s = computer.stats;
  std::uint64_t dma_mapped = 0, vram_used = 0, cpu_faults = 0, flushes = 0;
  for (auto& task : computer.tasks()) {
    cpu_faults += task.process.cpu_faults();
    for (auto const& view : task.views) {
      flushes += view->device.tlb_flushes();
      view->in_charge().svm().for_each_range(everywhere, [&](auto const& r) {
        for (svm::device_address const& block : r.mapping().blocks_locked())
          if (block.path == svm::interconnect::system) dma_mapped += block.count;
      });
    }
  }
  for (std::size_t n = 0; n < computer.gpus(); ++n) vram_used += computer.gpu_card(n).memory.used().value;
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
      {"bytes_peer", s.bytes(migrated_peer), true},
      {"dma_mapped_pages", dma_mapped, true},
      {"vram_used", vram_used, true},
      {"ram_used", computer.frames.ram_used().value, true},
      {"cpu_faults", cpu_faults, false},
      {"invalidations", s.count(invalidated), false},
      {"tlb_flushes", flushes, false},
  };
}

}  // namespace svmsh
