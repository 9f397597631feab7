// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <svm/mock/machine/machine.hpp>

// machine: the rules about addresses. Each holds for every page, entry and range by itself, so that a part can be checked.

namespace svm::inline v0::mock {

[[nodiscard]] inline std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// True when nobody has a lock exclusive.
template <class Mutex>
[[nodiscard]] bool is_readable(Mutex& mutex) {
  if (!mutex.try_lock_shared()) return false;
  mutex.unlock_shared();
  return true;
}
/// True when nobody has a lock.
template <class Mutex>
[[nodiscard]] bool is_free(Mutex& mutex) {
  if (!mutex.try_lock()) return false;
  mutex.unlock();
  return true;
}

/// What a check of a range leaves for the one of the GPU's entries.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
struct machine<Lock, PageBytes, Coherent, Drivers>::range_state {
  va_range span;
  bool may_have_entries;
};

/// Who should have a reference on each frame, by what the page tables and caches say: a number for each that there is.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
struct machine<Lock, PageBytes, Coherent, Drivers>::frame_users {
  std::vector<std::uint32_t> entries;     ///< of page tables: the frame
  std::vector<std::uint32_t> references;  ///< of page tables and caches: the head's frame
  std::vector<std::uint32_t> cached;      ///< of page caches: the frame
  std::vector<std::uint32_t> swap_slots;
};

/// What a check has seen.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
struct machine<Lock, PageBytes, Coherent, Drivers>::census {
  bool is_whole = true;             ///< nothing was left for a later check
  std::vector<range_state> ranges;  ///< of the view that is being checked, ascending
  touched frames;                   ///< behind the CPU's entries; of a check of what changed

  // Of a check of everything.
  bool counts = false;
  std::uint64_t things = 0;
  std::vector<std::uint64_t> dma_blocks;      ///< of ranges, by GPU
  std::uint64_t peer_blocks = 0;              ///< of ranges
  std::vector<std::uint64_t> memory_holders;  ///< who keeps the migrator of a GPU
  frame_users users;
};

/// True when nobody is changing what the rules about a process' addresses are about; the ranges of a notifier apart.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
bool machine<Lock, PageBytes, Coherent, Drivers>::is_at_rest(task& t) {
  if (!is_readable(frames.lock())) return false;
  for (auto const& v : t.views)
    if (!v->device.is_at_rest() || !is_readable(v->in_charge().svm().index_lock())) return false;
  for (card& c : cards_)
    if (!c.dma.is_at_rest()) return false;
  return true;
}

template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_span(task& t, va_range span, moment when, census& seen) {
  check_cpu_entries(t, span, when, seen);
  for (auto const& v : t.views) {
    seen.ranges.clear();
    check_ranges(*v, span, when, seen);
    check_gpu_entries(t, *v, span, when, seen);
  }
}

/// Each entry of the CPU's page table leads to a live page that knows it (O-11). It is writable only where no other
/// process has the page (O-05), and no migration's when all is quiet (O-31).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_cpu_entries(task& t, va_range span, moment when, census& seen) {
  bool const vmas_stay = when == moment::returned || is_readable(t.process.map_lock());
  seen.is_whole = seen.is_whole && vmas_stay;
  t.process.for_each_entry(span, [&](cpu_va at, pte const& e) {
    ++seen.things;
    if (seen.counts && e.what == pte::state::swapped) seen.users.swap_slots.push_back(e.target.frame);
    if (!e.has_page()) return;
    if (e.what == pte::state::migrating && when == moment::returned)
      broken.violation("O-31", "a migration is left at " + hex(at.value));
    if (!frames.is_alive(e.target)) broken.violation("O-11", "the CPU maps a dead page at " + hex(at.value));
    auto const& f = frames.of(e.target);
    std::uint32_t const head = e.target.frame - f.tail;
    if (seen.counts) {
      seen.users.entries.push_back(e.target.frame);
      seen.users.references.push_back(head);
    }
    if (frames.is_device(e.target) ? f.owner_object == nullptr : e.what == pte::state::device)
      broken.violation("O-11", "nothing stands behind the device page at " + hex(at.value));
    if (f.kind == frame_kind::zero) return;
    if (std::find(f.mappings.begin(), f.mappings.end(), mapping_site<Lock, PageBytes>{&t.process, at}) ==
        f.mappings.end())
      broken.violation("O-11", "a page does not know the entry that maps it at " + hex(at.value));
    if (e.writable && f.mappings.size() > 1 && vmas_stay)
      if (vma const* const v = t.process.vmas().find(at); v != nullptr && v->is_private())
        broken.violation("O-05", "a page that is shared may be written at " + hex(at.value));
    if (!seen.counts) seen.frames.note(head, e.target.frame);
  });
}

/// A copy that a GPU has of a page in system memory lies in its own memory, holds what the page holds, and is read-only; the
/// CPU does not write the page without an event (O-54).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_copy(typename gpu_type::mapping const& m, pte const& cpu,
                                                             unsigned gpu) {
  auto const say = [&](std::string_view what) {
    broken.violation("O-54", "a copy " + std::string{what} + ", at " + hex(m.at.value));
  };
  if (m.writable) say("may be written");
  if (frames.gpu_of(m.target) != gpu) say("lies in the memory of another GPU");
  if (cpu.what != pte::state::present || frames.is_device(cpu.target)) return say("is of no page of system memory");
  if (cpu.writable || !cpu.guarded) say("is of a page that the CPU may write without an event");
  if (std::memcmp(frames.bytes(m.target), frames.bytes(cpu.target), PageBytes) != 0) say("differs from its page");
}

/// A page that a GPU maps is the one that the CPU has (O-02), or a copy of it. It may be written only where the CPU may (O-05).
///
/// \param vma_allows  called for an entry that allows writing: whether the VMA does
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
template <class Allows>
void machine<Lock, PageBytes, Coherent, Drivers>::check_mapped_page(task& t, typename gpu_type::mapping const& m,
                                                                    unsigned gpu, Allows&& vma_allows) {
  pte const cpu = t.process.entry_at(m.at);  // the page-table lock comes after the device's in the order of ranks
  if (is_copy(m.target)) return check_copy(m, cpu, gpu);
  if (!cpu.has_page() || cpu.target != m.target)
    broken.violation("O-02", "the GPU maps another page than the CPU at " + hex(m.at.value));
  if (m.writable && !(vma_allows() && cpu.writable))
    broken.violation("O-05", "the GPU may write where the CPU may not, at " + hex(m.at.value));
}

/// Each entry of a GPU's page table leads to the page that the CPU has, with no more permission (O-01, O-02, O-05). It
/// lies in a range that is mapped (O-20); so does each of the TLB (O-01).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_gpu_entries(task& t, view& v, va_range span, moment when,
                                                                    census& seen) {
  bool const vmas_stay = when == moment::returned || is_readable(t.process.map_lock());
  seen.is_whole = seen.is_whole && vmas_stay;
  auto around = seen.ranges.begin();
  vma const* mapping = nullptr;  // of the last entry that allows writing
  v.device.for_each_mapping(span, [&](typename gpu_type::mapping const& m) {
    ++seen.things;
    if (!frames.is_alive(m.target)) broken.violation("O-01", "the GPU maps a dead page at " + hex(m.at.value));
    while (around != seen.ranges.end() && around->span.last() < m.at) ++around;
    bool const in_range = around != seen.ranges.end() && around->span.contains(m.at) && around->may_have_entries;
    if (!in_range && std::none_of(t.buffers.begin(), t.buffers.end(), [&](va_range b) { return b.contains(m.at); }))
      broken.violation("O-20", "the GPU maps what no range has mapped, at " + hex(m.at.value));
    if (when == moment::step && t.process.watchers().is_open_over({m.at, page_size})) return;
    check_mapped_page(t, m, v.device.index(), [&] {
      if (!vmas_stay) return true;
      if (mapping == nullptr || !mapping->extent.contains(m.at)) mapping = t.process.vmas().find(m.at);
      return mapping != nullptr && mapping->writable();
    });
  });
  v.device.for_each_stale(span, [&](typename gpu_type::mapping const& m, bool being_flushed) {
    if (!being_flushed || !frames.is_alive(m.target))
      broken.violation("O-01", "the TLB and the GPU's page table disagree");
  });
}

/// The ranges in a span are disjoint and in order (O-16), and each is sound by itself.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_ranges(view& v, va_range span, moment when, census& seen) {
  auto& svm = v.in_charge().svm();
  svm.for_each_notifier(span, [&](notifier<policies_type>& n) {
    ++seen.things;
    if (when == moment::step && !is_free(n.lock())) {  // somebody works on its ranges: what he does is seen later
      seen.ranges.push_back({n.interval(), true});
      seen.is_whole = false;
      return;
    }
    if (n.interval() != aligned_block(n.interval().start(), shape_.notifier_size()))
      broken.violation("O-17", "a notifier has another size or alignment, at " + hex(n.interval().start().value));
    shared_guard const guard{n.lock()};
    n.for_each_range_locked(span, [&](range<policies_type> const& r) {
      ++seen.things;
      if (!n.interval().contains(r.interval()) || &r.owner() != &n)
        broken.violation("O-17", "a range is not in its notifier, at " + hex(r.interval().start().value));
      if (!seen.ranges.empty() && seen.ranges.back().span.last() >= r.interval().start())
        broken.violation("O-16", "ranges overlap, at " + hex(r.interval().start().value));
      check_range(r, when);
      seen.ranges.push_back({r.interval(), r.mapping().has(page_flag::mapped)});
      if constexpr (has_all_drivers) {
        check_single_pages(v, r);
        if (r.partial() != nullptr) seen.ranges.back().may_have_entries = true;
        if (seen.counts) count_single_pages(v, r, seen);
      }
      if (!seen.counts) return;
      for (device_address const& block : r.mapping().blocks_locked()) {
        seen.dma_blocks[v.device.index()] += block.path == interconnect::system ? 1 : 0;
        seen.peer_blocks += block.path == interconnect::peer ? 1 : 0;
      }
      if (auto* const used = zdd<policies_type>::of(r.mapping().memory_locked()))
        for (std::size_t gpu = 0; gpu < cards_.size(); ++gpu)
          seen.memory_holders[gpu] += &used->allocation().owner() == &cards_[gpu].mover ? 1 : 0;
    });
  });
}

/// Counts what a range has that is mapped page by page.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
template <class Range>
void machine<Lock, PageBytes, Coherent, Drivers>::count_single_pages(view& v, Range const& r, census& seen) {
  auto const* const pages = r.partial();
  if (pages == nullptr) return;
  for (unsigned p = pages->mapped().next(0); p != page_mask::pages; p = pages->mapped().next(p + 1)) {
    seen.dma_blocks[v.device.index()] += pages->address_of(p).path == interconnect::system ? 1 : 0;
    seen.peer_blocks += pages->address_of(p).path == interconnect::peer ? 1 : 0;
    if (auto* const used = zdd<policies_type>::of(pages->memory_of(p)))
      for (std::size_t gpu = 0; gpu < cards_.size(); ++gpu)
        seen.memory_holders[gpu] += &used->allocation().owner() == &cards_[gpu].mover ? 1 : 0;
  }
}

/// Where pages of a range are mapped one by one, the GPU's page table points at just these, and each is mapped for DMA
/// (O-20). The range is not mapped whole besides.
///
/// \pre nobody works on its pages
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
template <class Range>
void machine<Lock, PageBytes, Coherent, Drivers>::check_single_pages(view& v, Range const& r) {
  auto const* const pages = r.partial();
  if (pages == nullptr) return;
  page_mask pointed_at;
  v.device.for_each_mapping(r.interval(), [&](typename gpu_type::mapping const& m) {
    pointed_at.set(static_cast<unsigned>((m.at.value - r.interval().start().value) / PageBytes));
  });
  if (pointed_at != pages->valid() || !pages->mapped().contains(pages->valid()) || r.mapping().has(page_flag::mapped) ||
      (r.has(range_flag::unmapped) && pages->mapped().any()))
    broken.violation("O-20", "the pages of a range contradict the GPU's, at " + hex(r.interval().start().value));
}

/// A range's flags, blocks and references agree (O-08, O-09, O-18, O-20, O-21, O-29).
///
/// \pre nobody works on its pages
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_range(range<policies_type> const& r, moment when) {
  auto const& pages = r.mapping();
  auto const where = [&r] { return hex(r.interval().start().value); };
  std::uint64_t count = 0;
  for (device_address const& block : pages.blocks_locked()) count += block.count;
  bool const is_mapped = pages.has(page_flag::mapped);
  if (is_mapped && page_size * count != r.interval().size())
    broken.violation("O-09", "the blocks of a range do not add up to it, at " + where());
  if (is_mapped != (count != 0) || (pages.has(page_flag::valid) && !is_mapped) ||
      (pages.has(page_flag::bound) && !pages.has(page_flag::valid)) ||
      pages.has(page_flag::device) != (pages.memory_locked() != nullptr))
    broken.violation("O-20", "the flags of a range contradict its blocks, at " + where());
  if (r.has(range_flag::unmapped) && is_mapped)
    broken.violation("O-08", "a range that was unmapped has pages, at " + where());
  auto const& chunks = shape_.chunks();
  if (std::find(chunks.begin(), chunks.end(), r.interval().size()) == chunks.end() ||
      !r.interval().is_aligned(r.interval().size()) || !shape_.window().contains(r.interval()))
    broken.violation("O-18", "a range is no chunk of the window, at " + where());
  // Between two steps somebody may have taken it out of the queue, to remove it.
  bool const waits = r.has(range_flag::unmapped);
  if (r.is_linked() != waits && (r.is_linked() || when == moment::returned))
    broken.violation("O-21", std::string{"a range is "} +
                                 (waits ? "not in the queue of the collector" : "in the queue") + ", at " + where());
  if (when != moment::returned) return;
  std::uint32_t const known = 1 + (r.is_linked() ? 1 : 0);
  if (has_users ? r.references() < known : r.references() != known)
    broken.violation("O-29", "a range has " + std::to_string(r.references()) + " references, and " +
                                 std::to_string(known) + " users, at " + where());
}

/// The indexes are sound (O-16); each notifier has a range and is registered (O-19), and its references are those of its
/// ranges (O-29); the collector's queue has what it should (O-21).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_index(task& t) {
  va_range const all{cpu_va{}, byte_count{UINT64_MAX}};
  for (auto const& v : t.views) {
    auto& svm = v->in_charge().svm();
    if (!svm.check()) broken.violation("O-16", "the indexes of ranges and notifiers are not sound");
    std::vector<notifier<policies_type> const*> kept;  // by ranges that are removed and still in the queue
    v->in_charge().collector().for_each_queued([&](range<policies_type> const& r) {
      if (!r.has(range_flag::unmapped))
        broken.violation("O-21", "a range in the queue is not unmapped, at " + hex(r.interval().start().value));
      if (r.has(range_flag::removed)) kept.push_back(&r.owner());
    });
    svm.for_each_notifier(all, [&](notifier<policies_type>& n) {
      std::size_t const by_queue = static_cast<std::size_t>(std::count(kept.begin(), kept.end(), &n));
      auto const known = static_cast<std::uint32_t>(1 + n.size() + by_queue);
      if (has_users ? n.references() < known : n.references() != known)
        broken.violation("O-29", "a notifier has " + std::to_string(n.references()) + " references, and " +
                                     std::to_string(known) + " users");
    });
  }
}

}  // namespace svm::inline v0::mock
