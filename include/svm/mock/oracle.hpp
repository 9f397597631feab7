// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <map>
#include <string>

#include <svm/mock/machine.hpp>

// machine: the oracle. Rules are named as in tests/rules.md.

namespace svm::inline v0::mock {

[[nodiscard]] inline std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// Each entry of the GPU's page table leads to the page that the CPU has, with no more permission (O-01, O-02, O-05).
template <lock Lock>
void machine<Lock>::check_gpu_mappings() {
  va_range const all{cpu_va{}, byte_count{UINT64_MAX}};
  device.for_each_mapping(all, [&](typename gpu<Lock>::mapping const& m) {
    if (!frames.is_alive(m.target)) broken.violation("O-01", "the GPU maps a dead page at " + hex(m.at.value));
    pte const cpu = [&] {
      // The page-table lock comes after the device's in the order of ranks.
      return process.entry_at(m.at);
    }();
    if (cpu.is_none() || cpu.target != m.target)
      broken.violation("O-02", "the GPU maps another page than the CPU at " + hex(m.at.value));
    vma const* const v = process.vmas().find(m.at);
    bool const cpu_writable = v != nullptr && v->writable() && (cpu.writable || cpu.what == pte::state::device);
    if (m.writable && !cpu_writable)
      broken.violation("O-05", "the GPU may write where the CPU may not, at " + hex(m.at.value));
  });
  if (!device.tlb_agrees()) broken.violation("O-01", "the TLB and the GPU's page table disagree");
}

/// Ranges, notifiers and DMA mappings agree (O-07, O-09, O-16 to O-20).
template <lock Lock>
void machine<Lock>::check_ranges() {
  va_range const all{cpu_va{}, byte_count{UINT64_MAX}};
  auto& svm = driver.svm();
  if (!svm.check()) broken.violation("O-16", "the indexes of ranges and notifiers are not sound");
  std::uint64_t notifiers = 0;
  svm.for_each_notifier(all, [&](auto&) { ++notifiers; });
  if (notifiers != process.watchers().registered())
    broken.violation("O-19", "the mm knows another number of notifiers than the index");
  if (!process.watchers().is_quiet()) broken.violation("O-22", "an invalidation is open, or the sequence is odd");

  std::uint64_t dma_blocks = 0;
  std::map<std::uint64_t, std::uint64_t> mapped;  // start -> last of mapped ranges
  svm.for_each_range(all, [&](auto const& r) {
    auto const& pages = r.mapping();
    std::uint64_t count = 0;
    for (device_address const& block : pages.blocks_locked()) {
      count += block.order.pages().value;
      dma_blocks += block.path == interconnect::system ? 1 : 0;
    }
    bool const is_mapped = pages.has(page_flag::mapped);
    if (is_mapped && page_size * count != r.interval().size())
      broken.violation("O-09", "the blocks of a range do not add up to it, at " + hex(r.interval().start().value));
    if (is_mapped != (count != 0) || (pages.has(page_flag::valid) && !is_mapped))
      broken.violation("O-20", "the flags of a range contradict its blocks, at " + hex(r.interval().start().value));
    if (r.has(range_flag::unmapped) && is_mapped)
      broken.violation("O-08", "a range that was unmapped has pages, at " + hex(r.interval().start().value));
    if (is_mapped) mapped.emplace(r.interval().start().value, r.interval().last().value);
  });
  if (dma_blocks != dma.live())
    broken.violation("O-07", "there are " + std::to_string(dma.live()) + " DMA mappings and " +
                                 std::to_string(dma_blocks) + " entries of ranges");
  device.for_each_mapping(all, [&](typename gpu<Lock>::mapping const& m) {
    auto const next = mapped.upper_bound(m.at.value);
    if (next == mapped.begin() || std::prev(next)->second < m.at.value)
      broken.violation("O-20", "the GPU maps what no range has mapped, at " + hex(m.at.value));
  });
}

/// References and locks of pages are those of the page table and the page cache (O-11, O-31).
template <lock Lock>
void machine<Lock>::check_frames() {
  std::map<std::uint32_t, std::uint32_t> expected;
  process.for_each_entry({cpu_va{}, byte_count{user_end}}, [&](cpu_va at, pte const& e) {
    if (e.what == pte::state::migrating) broken.violation("O-31", "a migration is left at " + hex(at.value));
    if (!frames.is_alive(e.target)) broken.violation("O-11", "the CPU maps a dead page at " + hex(at.value));
    if (e.what == pte::state::device && (frames.of(e.target).behind == nullptr || !frames.is_device(e.target)))
      broken.violation("O-11", "nothing stands behind the device page at " + hex(at.value));
    ++expected[e.target.frame];
  });
  std::map<backing const*, bool> seen;
  for (auto const& [start, v] : process.vmas().all())
    if (v.object && seen.emplace(v.object.get(), true).second)
      for (auto const& [at, p] : v.object->cache) ++expected[p.frame];
  exclusive_guard const guard{frames.lock()};
  for (auto const& [number, count] : expected) {
    frame const& f = frames.at(number);
    if (f.kind == frame_kind::zero) continue;
    if (f.locked) broken.violation("O-31", "a page is left locked");
    if (f.references != count)
      broken.violation("O-31", "a page has " + std::to_string(f.references) + " references, and " +
                                   std::to_string(count) + " users");
  }
}

template <lock Lock>
void machine<Lock>::check_quiet() {
  if (this_thread_locks.depth() != 0) broken.violation("O-36", "a lock is held after a call returned");
  check_ranges();
  check_gpu_mappings();
  check_frames();
}

template <lock Lock>
std::vector<std::string> machine<Lock>::audit() {
  failures.disarm();
  hooks.hook = nullptr;
  check_quiet();
  shut_down();
  auto const left = [&](std::string_view what, std::uint64_t count) {
    if (count != 0) broken.violation("O-48", std::string{what} + " left: " + std::to_string(count));
  };
  left("user references on the address space", process.users());
  left("notifiers registered", process.watchers().registered());
  left("DMA mappings", dma.live());
  left("bytes of device memory", device_memory.used().value);
  left("bytes of system memory", frames.ram_used().value);
  left("GPU page table entries", device.has_mappings() ? 1 : 0);
  using enum event_kind;
  left("ranges", stats.count(range_created) - stats.count(range_removed));
  left("notifiers in the index", stats.count(notifier_created) - stats.count(notifier_removed));
  left("blocks of bookkeeping memory", memory.live_blocks());
  if (stats.count(undisturbed_retry) != 0) broken.violation("O-41", "a retry that no event explains");
  std::vector<std::string> lines = broken.take();
  for (std::string& line : lock_report().take()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace svm::inline v0::mock
