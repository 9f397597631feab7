// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <svm/mock/machine/machine.hpp>
#include <svm/mock/machine/impl/oracle_frames.hpp>
#include <svm/mock/machine/impl/oracle_spans.hpp>

// machine: the oracle. README.md in this folder names the rules.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_gpu(task& t, gpu_type& g) {
  va_range const all{cpu_va{}, byte_count{UINT64_MAX}};
  g.for_each_mapping(all, [&](typename gpu_type::mapping const& m) {
    if (!frames.is_alive(m.target)) broken.violation("O-01", "the GPU maps a dead page at " + hex(m.at.value));
    check_mapped_page(t, m, g.index(), [&] {
      vma const* const around = t.process.vmas().find(m.at);
      return around != nullptr && around->writable();
    });
  });
  if (!g.tlb_agrees()) broken.violation("O-01", "the TLB and the GPU's page table disagree");
  if (!g.is_flushed()) broken.violation("O-27", "a flush was begun and never waited for");
}

/// What every call leaves as it was: no lock is held (O-36), no section is open (O-22), no flush is begun (O-27). User
/// references (O-32) and registrations (O-19) are as many as those who should have them.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_calls() {
  if (Lock::held().depth() != 0) broken.violation("O-36", "a lock is held after a call returned");
  for (task& t : tasks_) {
    if (std::uint32_t const known = t.other_users + (t.process.has_exited() ? 0 : 1); t.process.users() != known)
      broken.violation("O-32", "an address space has " + std::to_string(t.process.users()) + " users, and " +
                                   std::to_string(known) + " are there");
    std::uint64_t notifiers = t.other_notifiers;
    for (auto const& v : t.views) {
      notifiers += v->in_charge().svm().notifier_count() + v->in_charge().attribute_count();
      if (!v->device.is_flushed()) broken.violation("O-27", "a flush was begun and never waited for");
    }
    if (notifiers != t.process.watchers().registered())
      broken.violation("O-19", "the mm knows another number of notifiers than the index");
    if (!t.process.watchers().is_quiet()) broken.violation("O-22", "an invalidation is open, or the sequence is odd");
  }
}

template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_quiet() {
  census seen;
  seen.counts = true;
  seen.dma_blocks.reserve(cards_.size());
  for (card const& c : cards_) seen.dma_blocks.push_back(c.other_dma_blocks);
  seen.memory_holders.assign(cards_.size(), 1);  // the machine itself
  check_calls();
  for (task& t : tasks_) {
    check_span(t, {cpu_va{}, byte_count{UINT64_MAX}}, moment::returned, seen);
    check_index(t);
  }
  check_device_memory(seen);
  check_totals(seen);
  check_frames(seen);
  sweep_cost_ = seen.things;
}

template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_touched(moment when) {
  census seen;
  for (task& t : tasks_) {
    // After most steps there is nothing.
    if (t.process.changed().empty() && t.process.watchers().changed().empty() &&
        std::all_of(t.views.begin(), t.views.end(), [](auto const& v) { return v->device.changed().empty(); }))
      continue;
    touched spans = t.process.changed();
    spans.note(t.process.watchers().changed());
    for (auto const& v : t.views) spans.note(v->device.changed());
    if (spans.overflowed()) sweep_credit_ += things_a_call;
    if (when == moment::step) {
      if (!t.process.watchers().counts_right())
        broken.violation("O-22", "the sequence is odd with no section open, or counts others than are open");
      if (!is_at_rest(t)) continue;
    }
    seen.is_whole = true;
    spans.for_each([&](std::uint64_t first, std::uint64_t last) {
      check_span(t, {cpu_va{first}, byte_count{last - first + 1}}, when, seen);
    });
    if (!seen.is_whole) continue;
    t.process.changed().clear();
    t.process.watchers().changed().clear();
    for (auto const& v : t.views) v->device.changed().clear();
  }
  if (when == moment::step) return;
  check_calls();
  seen.frames.note(frames.changed_frames());
  frames.changed_frames().clear();
  for (card& c : cards_) {
    seen.frames.note(c.dma.changed_frames());
    c.dma.changed_frames().clear();
  }
  check_touched_frames(seen.frames);
}

template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_call() {
  check_touched(moment::returned);
  sweep_credit_ += things_a_call;
  if (sweep_credit_ < sweep_cost_) return;
  sweep_credit_ = 0;
  check_quiet();
}

template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
std::vector<std::string> machine<Lock, PageBytes, Coherent, Drivers>::audit() {
  failures.disarm();
  hooks.hook = nullptr;
  check_quiet();
  shut_down();
  for (card& c : cards_) c.mover.readers().synchronize();  // books of device memory that went after its driver
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
    for (auto const& v : t.views) accounts += v->in_charge().account() != nullptr ? 1 : 0;
  left("blocks of bookkeeping memory", memory.live_blocks() - accounts);
  if (stats.count(unexplained_retry) != 0) broken.violation("O-41", "a retry that no event explains");
  std::vector<std::string> lines = broken.take();
  for (std::string& line : lock_report().take()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace svm::inline v0::mock
