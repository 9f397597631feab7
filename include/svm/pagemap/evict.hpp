// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <svm/base/construct.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/pagemap/devmem.hpp>
#include <svm/pagemap/transfer.hpp>

namespace svm::inline v0 {

/// What a move to system memory does when system pages run out.
enum class shortage : std::uint8_t {
  move_nothing,    ///< all that was collected moves, or nothing
  move_what_fits,  ///< the first slot must move, the others as far as memory goes
};

/// How often an eviction tries before it gives up on pages that others hold.
inline constexpr int eviction_attempts = 3;

/// One pass that moves the device pages named in a transfer's slots to system memory.
///
/// \source drm_pagemap.c, the common part of drm_pagemap_evict_to_ram() and __drm_pagemap_migrate_to_ram()
template <policies P>
struct to_system {
  using page = typename P::mm::page;

  struct outcome {
    errc error = errc::ok;
    page_count moved{};
    byte_count bytes{};
  };

  migrator<P>& owner;
  transfer<P>& work;
  va_range const* within;  ///< only what is mapped in this span, or everything when null
  page faulting;           ///< the page that a CPU fault holds a reference on, or none
  shortage when_short;

  [[nodiscard]] outcome run() const {
    environment<P>& env = owner.env();
    typename P::mm::migration session{};  // finalizes, so whatever fails below leaves the pages in device memory
    scope_guard const unmap{[this] { work.unmap_all(); }};  // before the session unlocks the pages
    env.mm.collect_pages(session, work.slots(), within, faulting);
    if (errc const e = find_destinations(env); e != errc::ok) return {e};
    if (work.job().empty()) return {};
    if (errc const e = env.pagemap.copy_to_system(work.job()); e != errc::ok) return {e};
    env.mm.install(session);
    return {errc::ok, moved_slots(), work.bytes()};
  }

 private:
  /// Finds a system page for each collected slot, and gathers the copy job.
  [[nodiscard]] errc find_destinations(environment<P>& env) const {
    for (auto& s : work.slots()) {
      if (s.state != slot_state::collected) continue;
      if (errc const e = find_destination(env, s); e != errc::ok)
        return when_short == shortage::move_what_fits && !work.job().empty() ? errc::ok : e;
    }
    return errc::ok;
  }

  [[nodiscard]] errc find_destination(environment<P>& env, migration_slot<page>& s) const {
    result<page> const system = env.mm.allocate_page();
    if (!system) return system.error();
    if (errc const e = work.add_block(*system, s.source, dma_direction::from_device); e != errc::ok) {
      env.mm.discard_page(*system);
      return e;
    }
    s.destination = *system;
    return errc::ok;
  }

  [[nodiscard]] page_count moved_slots() const {
    page_count n{};
    for (auto const& s : work.slots())
      if (s.state == slot_state::collected && s.destination != page{}) n += page_count{1};
    return n;
  }
};

/// \see migrator::evict
template <policies P>
[[nodiscard]] errc evict_allocation(migrator<P>& owner, devmem<P>& allocation) {
  // Who comes second waits for the first, and mostly finds nothing left to do.
  exclusive_guard const guard{allocation.eviction_lock()};
  errc last = errc::busy;
  byte_count bytes{};
  page_count moved{};
  for (int attempt = 0; attempt < eviction_attempts && !allocation.is_detached(); ++attempt) {
    transfer<P> work{owner.env()};
    if (!work.reserve(allocation.pages().size())) {
      last = errc::no_memory;
      break;
    }
    for (std::size_t i = 0; auto const p : allocation.pages()) work.slots()[i++].source = p;
    auto const outcome = to_system<P>{owner, work, nullptr, {}, shortage::move_nothing}.run();
    bytes += outcome.bytes;
    moved += outcome.moved;
    last = outcome.error == errc::ok ? errc::busy : outcome.error;
  }
  if (moved.value != 0)
    owner.env().observer.record({event_kind::migrated_to_system, {cpu_va{}, allocation.size()}, bytes});
  return allocation.is_detached() ? errc::ok : last;
}

/// \see migrator::evict_span
template <policies P>
[[nodiscard]] errc evict_span(migrator<P>& owner, va_range span) {
  environment<P>& env = owner.env();
  using page = typename P::mm::page;
  std::size_t const count = pages_in(span.size(), P::mm::page_size).value;
  scratch_array<page_entry<page>, typename P::allocator> entries{env.memory};
  errc last = errc::busy;
  byte_count bytes{};
  page_count moved{};
  for (int attempt = 0;; ++attempt) {
    if (!entries.reserve(count)) {
      last = errc::no_memory;
      break;
    }
    {
      shared_guard const map_guard{env.mm.map_lock()};
      env.mm.snapshot(span, std::span{entries.data(), count});
    }
    std::size_t devices = 0;
    for (auto const& entry : entries) devices += entry.place == page_place::device ? 1 : 0;
    if (devices == 0) last = errc::ok;
    if (devices == 0 || attempt == eviction_attempts) break;

    transfer<P> work{env};
    if (!work.reserve(devices)) {
      last = errc::no_memory;
      break;
    }
    for (std::size_t i = 0; auto const& entry : entries)
      if (entry.place == page_place::device) work.slots()[i++].source = entry.page;
    // A page that is reported stays in the span until it moves, or the span is not ours to care for any more.
    auto const outcome = to_system<P>{owner, work, &span, {}, shortage::move_nothing}.run();
    bytes += outcome.bytes;
    moved += outcome.moved;
    last = outcome.error == errc::ok ? errc::busy : outcome.error;
  }
  if (moved.value != 0) env.observer.record({event_kind::migrated_to_system, span, bytes});
  return last;
}

}  // namespace svm::inline v0
