// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "shell_machine.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace svmsh {

/// Every address that a range can have.
inline svm::va_range const everywhere{svm::cpu_va{}, svm::byte_count{UINT64_MAX}};

/// What a range has mapped now.
struct mapped_pages {
  bool valid = false;
  bool device = false;  ///< device pages are among it
  bool system = false;  ///< system pages are among it
  bool read_only = false;
  std::uint64_t dma = 0;  ///< the number of system pages
};

template <class Range>
[[nodiscard]] mapped_pages look_at(Range const& r) {
  mapped_pages seen;
  if (auto const* const pages = r.partial(); pages != nullptr) {
    svm::page_mask const& valid = pages->valid();
    for (unsigned p = valid.next(0); p != svm::page_mask::pages; p = valid.next(p + 1)) {
      bool const system = pages->address_of(p).path == svm::interconnect::system;
      (system ? seen.system : seen.device) = true;
      seen.dma += system ? 1 : 0;
    }
    seen.valid = pages->valid().any();
    seen.read_only = seen.valid && pages->serving(svm::access_kind::write).none();
    return seen;
  }
  auto const& whole = r.mapping();
  seen.valid = whole.has(svm::page_flag::valid);
  seen.device = whole.has(svm::page_flag::device);
  seen.system = whole.has(svm::page_flag::system);
  seen.read_only = seen.valid && whole.has(svm::page_flag::read_only);
  for (svm::device_address const& block : whole.blocks_locked())
    if (block.path == svm::interconnect::system) seen.dma += block.count;
  return seen;
}

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
      view->in_charge().svm().for_each_range(everywhere, [&](auto const& r) { dma_mapped += look_at(r).dma; });
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

/// What the first process and its GPU placed, in the order of the manual page; nothing where whole ranges move.
template <std::size_t PageBytes>
std::vector<stat_line> placement_of(shell_machine<PageBytes>& computer) {
  auto& blocks = computer.first().views[0]->blocks;
  if (!blocks) return {};
  svm::service_counts const c = blocks->counts();
  std::vector<stat_line> lines = {
      {"fault_services", c.fault_services, true},
      {"faults_resident", c.faults_resident, true},
      {"pages_prefetched", c.pages_prefetched, true},
      {"refaults", c.refaults, true},
      {"pages_throttled", c.pages_throttled, true},
      {"pages_pinned", c.pages_pinned, true},
      {"batches", c.batches, true},
      {"duplicates", c.duplicates, true},
  };
  constexpr std::pair<std::string_view, svm::migration_cause> causes[] = {
      {"bytes_gpu_fault", svm::migration_cause::gpu_fault},
      {"bytes_cpu_fault", svm::migration_cause::cpu_fault},
      {"bytes_prefetch", svm::migration_cause::prefetch},
      {"bytes_eviction", svm::migration_cause::eviction},
      {"bytes_counter", svm::migration_cause::counter},
      {"bytes_advice", svm::migration_cause::advice},
      {"bytes_explicit", svm::migration_cause::explicit_migration},
      {"bytes_collection", svm::migration_cause::collection},
      {"bytes_gather", svm::migration_cause::gather},
      {"bytes_unbind", svm::migration_cause::unbind},
      {"bytes_fork", svm::migration_cause::fork},
  };
  for (auto const& [name, cause] : causes) lines.push_back({name, computer.stats.copied(cause), true});
  return lines;
}

}  // namespace svmsh
