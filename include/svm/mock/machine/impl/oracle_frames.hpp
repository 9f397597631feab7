// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <svm/mock/machine/machine.hpp>
#include <svm/mock/machine/impl/oracle_spans.hpp>

// machine: the rules about page frames, device memory, and sums.

namespace svm::inline v0::mock {

/// The DMA mappings are those of the ranges (O-07), and each migrator is kept by who uses it (O-29). All bytes that were
/// copied have a cause (O-53).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_totals(census const& seen) {
  std::uint64_t peer_maps = 0;
  for (std::size_t n = 0; n < cards_.size(); ++n) {
    peer_maps += cards_[n].memory.peer_maps();
    if (std::uint64_t const live = cards_[n].dma.live(); live != seen.dma_blocks[n])
      broken.violation("O-07", "there are " + std::to_string(live) + " DMA mappings and " +
                                   std::to_string(seen.dma_blocks[n]) + " entries of ranges");
    if (auto const known = seen.memory_holders[n], held = std::uint64_t{cards_[n].mover.references()};
        has_users ? held < known : held != known)
      broken.violation(
          "O-29", "a migrator has " + std::to_string(held) + " references, and " + std::to_string(known) + " users");
  }
  std::uint64_t copied = 0;
  for (card const& c : cards_) copied += c.memory.copied() - c.other_copied;
  if (std::uint64_t const told = stats.bytes(event_kind::copied); told != copied)
    broken.violation("O-53", "the engines copied " + std::to_string(copied) + " bytes, and " + std::to_string(told) +
                                 " have a cause");
  std::uint64_t peer_blocks = seen.peer_blocks;
  for (card const& c : cards_) peer_blocks += c.other_peer_blocks;
  if (peer_maps != peer_blocks)
    broken.violation("O-07", "there are " + std::to_string(peer_maps) + " mappings of peers' memory and " +
                                 std::to_string(peer_blocks) + " entries of ranges");
}

/// An allocation counts its live blocks, and nobody else has it (O-29).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_allocation(zdd<policies_type>& behind, std::uint64_t live) {
  if (behind.live() != live)
    broken.violation("O-29", "an allocation counts " + std::to_string(behind.live()) + " live blocks, and " +
                                 std::to_string(live) + " are");
  std::uint32_t const references = behind.allocation().references();
  if (has_users ? references < 1 : references != 1)
    broken.violation("O-29", "an allocation has " + std::to_string(references) + " references, and 1 user");
}

/// Device memory in use is the sum of the allocations, and each page is in one (O-33). A live page leads to its
/// allocation (O-11), which counts its live blocks (O-29).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_device_memory(census& seen) {
  for (std::size_t n = 0; n < cards_.size(); ++n) {
    std::vector<std::uint32_t> taken;
    cards_[n].memory.for_each_page([&](page p) { taken.push_back(p.frame); });
    std::sort(taken.begin(), taken.end());
    std::uint64_t live = 0;
    std::vector<zdd<policies_type>*> behind;  // of each live block
    {
      exclusive_guard const guard{frames.lock()};
      for (std::uint32_t const number : taken) {
        auto const& f = frames.at(number);
        if (f.kind != frame_kind::device) continue;
        ++live;
        if (auto* const owner = f.tail == 0 ? zdd<policies_type>::of(f.owner_object) : nullptr) behind.push_back(owner);
      }
    }
    std::sort(behind.begin(), behind.end(), std::less{});
    for (auto block = behind.begin(); block != behind.end();) {
      auto const end = std::find_if(block, behind.end(), [&](auto* other) { return other != *block; });
      check_allocation(**block, static_cast<std::uint64_t>(end - block));
      ++seen.memory_holders[n];
      block = end;
    }
    if (std::adjacent_find(taken.begin(), taken.end()) != taken.end())
      broken.violation("O-33", "a page of device memory is in two allocations");
    if (page_size * taken.size() != cards_[n].memory.used())
      broken.violation("O-33", "the device memory in use is not the sum of the allocations");
    if (live != frames.live_device_pages(static_cast<unsigned>(n)))
      broken.violation("O-11", "a device page is alive outside every allocation");
    seen.things += taken.size();
  }
}

/// Calls `visit(number, count)` for each number that there is, and sorts them.
template <class Visit>
void for_each_count(std::vector<std::uint32_t>& numbers, Visit&& visit) {
  std::sort(numbers.begin(), numbers.end());
  for (auto at = numbers.begin(); at != numbers.end();) {
    auto const end = std::upper_bound(at, numbers.end(), *at);
    visit(*at, static_cast<std::uint32_t>(end - at));
    at = end;
  }
}

/// Adds what page caches have.
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::count_cached(census& seen) {
  number_set objects;
  for (task& t : tasks_) {
    seen.things += t.process.vmas().all().size();
    for (auto const& [start, v] : t.process.vmas().all())
      if (v.object && objects.emplace(v.object->number).second)
        for (auto const& [at, p] : v.object->cache) {
          seen.users.references.push_back(p.frame);
          seen.users.cached.push_back(p.frame);
          ++seen.things;
        }
  }
}

/// References and locks of pages are those of page tables, page cache and pins (O-11, O-31).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_frames(census& seen) {
  count_cached(seen);
  frame_users& users = seen.users;
  exclusive_guard const guard{frames.lock()};
  // An entry that its page does not know was met at its address.
  for_each_count(users.entries, [&](std::uint32_t number, std::uint32_t count) {
    if (auto const& f = frames.at(number); f.kind != frame_kind::zero && f.mappings.size() > count)
      broken.violation("O-11", "a page knows " + std::to_string(f.mappings.size()) + " entries, and " +
                                   std::to_string(count) + " map it");
  });
  std::sort(users.cached.begin(), users.cached.end());
  for_each_count(users.references, [&](std::uint32_t number, std::uint32_t count) {
    auto const& f = frames.at(number);
    if (f.kind == frame_kind::zero) return;
    if (f.locked) broken.violation("O-31", "a page is left locked");
    if (f.references != count + f.pins)
      broken.violation("O-31", "a page has " + std::to_string(f.references) + " references, and " +
                                   std::to_string(count + f.pins) + " users");
    auto const [first, end] = std::equal_range(users.cached.begin(), users.cached.end(), number);
    if (f.cached != static_cast<std::uint64_t>(end - first))
      broken.violation("O-31", "the page cache has a page that does not know it, or the reverse");
  });
  std::uint64_t slots = 0;
  for_each_count(users.swap_slots, [&](std::uint32_t slot, std::uint32_t count) {
    ++slots;
    if (shared.swap.references(slot) != count)
      broken.violation("O-31", "a swap slot has another number of references than users");
  });
  if (shared.swap.used() != slots) broken.violation("O-31", "a swap slot has no user");
}

/// The blocks that some frames belong to: references, locks and entries (O-11, O-31), DMA mappings (O-03, O-07), and the
/// allocations behind them (O-29).
template <lock Lock, std::size_t PageBytes, bool Coherent, drivers Drivers>
void machine<Lock, PageBytes, Coherent, Drivers>::check_touched_frames(touched const& changed) {
  struct mapped_page {
    std::uint32_t dma_maps;
    plain_list<mapping_site<Lock, PageBytes>> sites;
  };
  std::vector<mapped_page> mapped;
  std::vector<zdd<policies_type>*> behind;
  {
    exclusive_guard const guard{frames.lock()};
    auto const check_block = [&](page head) {
      auto const& h = frames.of(head);
      std::uint32_t entries = 0;
      for (std::uint64_t i = 0; i < h.order.pages().value; ++i) {
        page const p = frames.after(head, i);
        auto const& f = frames.of(p);
        entries += static_cast<std::uint32_t>(f.mappings.size());
        for (auto const& site : f.mappings)
          if (pte const e = site.space->entry_at_locked(site.at); !e.has_page() || e.target != p)
            broken.violation("O-11", "a page knows an entry that does not map it, at " + hex(site.at.value));
        mapped.push_back({f.dma_maps.load(), f.mappings});
      }
      if (entries != h.mapped)
        broken.violation("O-11", "a block counts " + std::to_string(h.mapped) + " entries, and its pages know " +
                                     std::to_string(entries));
      if (h.locked) broken.violation("O-31", "a page is left locked");
      if (h.references != entries + h.cached + h.pins)
        broken.violation("O-31", "a page has " + std::to_string(h.references) + " references, and " +
                                     std::to_string(entries + h.cached + h.pins) + " users");
      if (auto* const owner = zdd<policies_type>::of(h.owner_object); owner != nullptr)
        if (behind.empty() || behind.back() != owner) behind.push_back(owner);
    };
    changed.for_each([&](std::uint64_t first, std::uint64_t last) {
      for (std::uint64_t n = first; n <= last; ++n) {
        page const p = frames.peek(n);
        if (p == page{} || frames.is_zero(p)) continue;
        auto const& f = frames.of(p);
        if (f.kind != frame_kind::free) {
          page const head = frames.first_of(p);
          check_block(head);
          n = frame_behind(head, frames.of(head).order.pages().value - 1);
        } else if (!is_copy(p) && (f.dma_maps.load() != 0 || f.gpu_maps.load() != 0)) {
          broken.violation("O-03", "a page that is free is mapped by a device");
        }
      }
    });
    for (zdd<policies_type>* const owner : behind) {
      std::uint64_t live = 0;
      for (auto const& p : owner->allocation().pages())
        if (frames.is_alive(p.page) && frames.of(p.page).owner_object == owner && frames.of(p.page).tail == 0) ++live;
      check_allocation(*owner, live);
    }
  }
  if (has_other_mappings) return;
  for (card const& c : cards_)
    if (c.other_dma_blocks != 0) return;
  view const* looked_at = nullptr;  // where the last look into an index was, and what it found
  va_range around{cpu_va{}, byte_count{1}};
  bool is_mapped = false;
  for (mapped_page const& p : mapped) {
    std::uint32_t known = 0;
    for (auto const& site : p.sites)
      for (task& t : tasks_) {
        if (&t.process != site.space) continue;
        for (auto const& v : t.views) {
          if (looked_at != v || !around.contains(site.at)) {
            looked_at = v;
            around = {site.at, byte_count{1}};
            is_mapped = false;
            v->in_charge().svm().for_each_range(around, [&](range<policies_type> const& r) {
              around = r.interval();
              is_mapped = r.mapping().has(page_flag::mapped);
              if constexpr (has_all_drivers)
                if (r.partial() != nullptr) {
                  around = {site.at, page_size};
                  page_mask const here = r.partial()->pages_of(around);
                  is_mapped = r.partial()->mapped().meets(here) && !is_copy(r.partial()->address_of(here.next(0)));
                }
            });
          }
          known += is_mapped ? 1 : 0;
        }
      }
    if (p.dma_maps != known)
      broken.violation("O-07", "a page has " + std::to_string(p.dma_maps) + " DMA mappings, and " +
                                   std::to_string(known) + " ranges have it mapped");
  }
}

}  // namespace svm::inline v0::mock
