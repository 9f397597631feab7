// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <string>

#include <svm/mock/machine.hpp>

// machine: the oracle. Rules are named as in tests/rules.md.

namespace svm::inline v0::mock {

[[nodiscard]] inline std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// Each entry of a GPU's page table leads to the page that the CPU has, with no more permission (O-01, O-02, O-05), and
/// no flush is left unfinished (O-27).
template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::check_gpu(task& t, gpu_type& g) {
  g.for_each_mapping({cpu_va{}, byte_count{UINT64_MAX}}, [&](typename gpu_type::mapping const& m) {
    if (!frames.is_alive(m.target)) broken.violation("O-01", "the GPU maps a dead page at " + hex(m.at.value));
    pte const cpu = t.process.entry_at(m.at);  // the page-table lock comes after the device's in the order of ranks
    if (!cpu.has_page() || cpu.target != m.target)
      broken.violation("O-02", "the GPU maps another page than the CPU at " + hex(m.at.value));
    vma const* const mapping = t.process.vmas().find(m.at);
    if (m.writable && (mapping == nullptr || !mapping->writable() || !cpu.writable))
      broken.violation("O-05", "the GPU may write where the CPU may not, at " + hex(m.at.value));
  });
  if (!g.tlb_agrees()) broken.violation("O-01", "the TLB and the GPU's page table disagree");
  if (!g.is_flushed()) broken.violation("O-27", "a flush was begun and never waited for");
}

template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::check_gpu_mappings() {
  for (task& t : tasks_)
    for (auto const& v : t.views) check_gpu(t, v->device);
}

/// Ranges, notifiers and DMA mappings agree (O-07 to O-09, O-16 to O-20, O-22).
template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::check_ranges() {
  va_range const all{cpu_va{}, byte_count{UINT64_MAX}};
  std::vector<std::uint64_t> dma_blocks;
  for (card const& c : cards_) dma_blocks.push_back(c.other_dma_blocks);
  std::uint64_t peer_blocks = 0;
  for (task& t : tasks_) {
    std::uint64_t notifiers = t.other_notifiers;
    for (std::size_t n = 0; n < t.views.size(); ++n) {
      view& v = *t.views[n];
      auto& svm = v.driver.svm();
      if (!svm.check()) broken.violation("O-16", "the indexes of ranges and notifiers are not sound");
      svm.for_each_notifier(all, [&](auto&) { ++notifiers; });
      notifiers += v.driver.attribute_count_slow();

      std::map<std::uint64_t, std::uint64_t> mapped;  // start -> last of mapped ranges
      svm.for_each_range(all, [&](auto const& r) {
        auto const& pages = r.mapping();
        std::uint64_t count = 0;
        for (device_address const& block : pages.blocks_locked()) {
          count += block.order.pages().value;
          dma_blocks[n] += block.path == interconnect::system ? 1 : 0;
          peer_blocks += block.path == interconnect::peer ? 1 : 0;
        }
        std::string const where = hex(r.interval().start().value);
        bool const is_mapped = pages.has(page_flag::mapped);
        if (is_mapped && page_size * count != r.interval().size())
          broken.violation("O-09", "the blocks of a range do not add up to it, at " + where);
        if (is_mapped != (count != 0) || (pages.has(page_flag::valid) && !is_mapped))
          broken.violation("O-20", "the flags of a range contradict its blocks, at " + where);
        if (r.has(range_flag::unmapped) && is_mapped)
          broken.violation("O-08", "a range that was unmapped has pages, at " + where);
        if (is_mapped) mapped.emplace(r.interval().start().value, r.interval().last().value);
      });
      v.device.for_each_mapping(all, [&](typename gpu_type::mapping const& m) {
        auto const next = mapped.upper_bound(m.at.value);
        if (next == mapped.begin() || std::prev(next)->second < m.at.value)
          broken.violation("O-20", "the GPU maps what no range has mapped, at " + hex(m.at.value));
      });
    }
    if (notifiers != t.process.watchers().registered())
      broken.violation("O-19", "the mm knows another number of notifiers than the index");
    if (!t.process.watchers().is_quiet()) broken.violation("O-22", "an invalidation is open, or the sequence is odd");
  }
  for (card const& c : cards_) peer_blocks += c.other_peer_blocks;
  std::uint64_t peer_maps = 0;
  for (std::size_t n = 0; n < cards_.size(); ++n) {
    peer_maps += cards_[n].memory.peer_maps();
    if (std::uint64_t const live = cards_[n].dma.live(); live != dma_blocks[n])
      broken.violation("O-07", "there are " + std::to_string(live) + " DMA mappings and " +
                                   std::to_string(dma_blocks[n]) + " entries of ranges");
  }
  if (peer_maps != peer_blocks)
    broken.violation("O-07", "there are " + std::to_string(peer_maps) + " mappings of peers' memory and " +
                                 std::to_string(peer_blocks) + " entries of ranges");
}

/// Device memory in use is the sum of the allocations, each page is in one, live pages are in some, and what stands
/// behind them counts them (O-11, O-29, O-33).
template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::check_device_memory() {
  for (std::size_t n = 0; n < cards_.size(); ++n) {
    std::vector<std::uint32_t> taken;
    cards_[n].memory.for_each_page([&](page p) { taken.push_back(p.frame); });
    std::ranges::sort(taken);
    std::uint64_t live = 0;
    std::vector<zdd<policies_type>*> behind;  // of each live block
    {
      exclusive_guard const guard{frames.lock()};
      for (std::uint32_t const number : taken) {
        auto const& f = frames.at(number);
        if (f.kind != frame_kind::device) continue;
        ++live;
        if (auto* const owner = f.tail == 0 ? zdd<policies_type>::of(f.behind) : nullptr) behind.push_back(owner);
      }
    }
    std::ranges::sort(behind, std::less{});
    for (auto block = behind.begin(); block != behind.end();) {
      auto const end = std::find_if(block, behind.end(), [&](auto* other) { return other != *block; });
      if (static_cast<std::ptrdiff_t>((*block)->live()) != end - block)
        broken.violation("O-29", "an allocation counts " + std::to_string((*block)->live()) + " live blocks, and " +
                                     std::to_string(end - block) + " are");
      block = end;
    }
    if (std::ranges::adjacent_find(taken) != taken.end())
      broken.violation("O-33", "a page of device memory is in two allocations");
    if (page_size * taken.size() != cards_[n].memory.used())
      broken.violation("O-33", "the device memory in use is not the sum of the allocations");
    if (live != frames.live_device_pages(static_cast<unsigned>(n)))
      broken.violation("O-11", "a device page is alive outside every allocation");
  }
}

/// Who should have a reference on each frame, by what the page tables and caches say.
template <lock Lock, std::size_t PageBytes, bool Coherent>
struct machine<Lock, PageBytes, Coherent>::frame_users {
  std::map<std::uint32_t, std::uint32_t> entries;     ///< of page tables, by frame
  std::map<std::uint32_t, std::uint32_t> references;  ///< by the head's frame
  std::map<std::uint32_t, std::uint32_t> swap_slots;
};

template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::count_users(frame_users& users) {
  std::set<backing const*> seen;
  for (task& t : tasks_) {
    t.process.for_each_entry({cpu_va{}, byte_count{user_end}}, [&](cpu_va at, pte const& e) {
      if (e.what == pte::state::swapped) {
        ++users.swap_slots[e.target.frame];
        return;
      }
      if (e.what == pte::state::lost) return;
      if (e.what == pte::state::migrating) broken.violation("O-31", "a migration is left at " + hex(at.value));
      if (!frames.is_alive(e.target)) broken.violation("O-11", "the CPU maps a dead page at " + hex(at.value));
      auto const& f = frames.of(e.target);
      if (frames.is_device(e.target) ? f.behind == nullptr : e.what == pte::state::device)
        broken.violation("O-11", "nothing stands behind the device page at " + hex(at.value));
      if (e.writable && f.mappings.size() > 1 && t.process.vmas().find(at) != nullptr &&
          t.process.vmas().find(at)->is_private())
        broken.violation("O-05", "a page that is shared may be written at " + hex(at.value));
      ++users.entries[e.target.frame];
      ++users.references[e.target.frame - f.tail];
    });
    for (auto const& [start, v] : t.process.vmas().all())
      if (v.object && seen.insert(v.object.get()).second)
        for (auto const& [at, p] : v.object->cache) ++users.references[p.frame];
  }
}

/// References and locks of pages are those of page tables, page cache and pins (O-11, O-31).
template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::check_frames() {
  frame_users users;
  count_users(users);
  exclusive_guard const guard{frames.lock()};
  for (auto const& [number, count] : users.entries)
    if (auto const& f = frames.at(number); f.kind != frame_kind::zero && f.mappings.size() != count)
      broken.violation("O-11", "a page knows " + std::to_string(f.mappings.size()) + " entries, and " +
                                   std::to_string(count) + " map it");
  for (auto const& [number, count] : users.references) {
    auto const& f = frames.at(number);
    if (f.kind == frame_kind::zero) continue;
    if (f.locked) broken.violation("O-31", "a page is left locked");
    if (f.references != count + f.pins)
      broken.violation("O-31", "a page has " + std::to_string(f.references) + " references, and " +
                                   std::to_string(count + f.pins) + " users");
  }
  for (auto const& [slot, count] : users.swap_slots)
    if (shared.swap.references(slot) != count)
      broken.violation("O-31", "a swap slot has another number of references than users");
  if (shared.swap.used() != users.swap_slots.size()) broken.violation("O-31", "a swap slot has no user");
}

template <lock Lock, std::size_t PageBytes, bool Coherent>
void machine<Lock, PageBytes, Coherent>::check_quiet() {
  if (Lock::held().depth() != 0) broken.violation("O-36", "a lock is held after a call returned");
  check_ranges();
  check_gpu_mappings();
  check_device_memory();
  check_frames();
}

template <lock Lock, std::size_t PageBytes, bool Coherent>
std::vector<std::string> machine<Lock, PageBytes, Coherent>::audit() {
  failures.disarm();
  hooks.hook = nullptr;
  check_quiet();
  shut_down();
  auto const left = [&](std::string_view what, std::uint64_t count) {
    if (count != 0) broken.violation("O-48", std::string{what} + " left: " + std::to_string(count));
  };
  for (task& t : tasks_) {
    left("user references on the address space", t.process.users());
    left("notifiers registered", t.process.watchers().registered());
    for (auto const& v : t.views) left("GPU page table entries", v->device.has_mappings() ? 1 : 0);
  }
  for (card& c : cards_) {
    left("DMA mappings", c.dma.live());
    left("reservations of DMA addresses", c.dma.reservations());
    left("mappings of peers' memory", c.memory.peer_maps());
    left("bytes of device memory", c.memory.used().value);
  }
  left("bytes of system memory", frames.ram_used().value);
  left("swap slots", shared.swap.used());
  using enum event_kind;
  left("ranges", stats.count(range_created) - stats.count(range_removed));
  left("notifiers in the index", stats.count(notifier_created) - stats.count(notifier_removed));
  std::uint64_t accounts = 0;  // each lives as long as its gpusvm
  for (task& t : tasks_)
    for (auto const& v : t.views) accounts += v->driver.svm().account() != nullptr ? 1 : 0;
  left("blocks of bookkeeping memory", memory.live_blocks() - accounts);
  if (stats.count(undisturbed_retry) != 0) broken.violation("O-41", "a retry that no event explains");
  std::vector<std::string> lines = broken.take();
  for (std::string& line : lock_report().take()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace svm::inline v0::mock
