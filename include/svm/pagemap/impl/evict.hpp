// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/construct.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/pagemap/devmem.hpp>
#include <svm/pagemap/transfer.hpp>

namespace svm::inline v0::detail {

/// What a move to system memory does when system pages run out.
enum class shortage : std::uint8_t {
  move_nothing,    ///< all that was collected moves, or nothing
  move_what_fits,  ///< the faulting page must move, the others as far as memory goes
};

/// How often an eviction tries before it gives up on pages that others hold.
inline constexpr int eviction_attempts = 3;

/// How one pass of a move to system memory ended.
struct move_outcome {
  errc error = errc::ok;
  bool in_use = false;  ///< others had a page locked or pinned
  page_count moved{};
  page_count foreign{};  ///< pages of another driver, which stay
  byte_count bytes{};
};

/// One pass that moves the device pages named in a transfer's slots to system memory; each device copies its own.
///
/// \source drm_pagemap.c, the common part of drm_pagemap_evict_to_ram() and __drm_pagemap_migrate_to_ram()
template <migrating_policies P>
class migration_to_system {
 public:
  using page = typename P::mm::page;
  using slot = migration_slot<page>;

  /// \param within    only what an address space maps in a span, or everything when null
  /// \param faulting  the page that a CPU fault holds a reference on, or none
  /// \param about     what its copies are said to be about
  migration_to_system(typename P::mm& mm, transfer<P>& work, page_scope const* within, page faulting,
                      shortage when_short, va_range about, move_reason reason)
      : mm_(mm),
        work_(work),
        within_(within),
        faulting_(faulting),
        when_short_(when_short),
        about_(about),
        reason_(reason) {}

  [[nodiscard]] move_outcome run() {
    typename P::mm::migration session{};  // finalizes, so whatever fails below leaves the pages in device memory
    scope_guard const unmap{[this] { work_.unmap_all(); }};  // before the session unlocks the pages
    mm_.collect_pages(session, work_.slots(), within_, faulting_);
    move_outcome outcome{};
    for (slot const& s : work_.slots()) {
      outcome.in_use = outcome.in_use || s.is_in_use();
      if (s.has_page() && zdd<P>::of(s.owner_object) == nullptr) outcome.foreign += page_count{1};
    }
    while (migrator<P>* const device = next_device()) {
      if (outcome.error = gather(*device); outcome.error != errc::ok) return outcome;
      environment<P>& env = device->env();
      time_point const began = moment_for(env.observer, env.clock);
      if (!work_.job().empty())
        if (outcome.error = env.pagemap.copy_to_system(work_.job()); outcome.error != errc::ok) return outcome;
      byte_count const copied = found_ * P::mm::page_size;  // what the mm moves by itself is told of here too
      env.observer.record({.kind = event_kind::copied,
                           .span = about_,
                           .bytes = {copied.value - outcome.bytes.value},
                           .reason = reason_,
                           .began = began,
                           .ended = moment_for(env.observer, env.clock)});
      outcome.bytes = copied;
      work_.unmap_all();
    }
    if (found_ == page_count{}) return outcome;
    mm_.install(session);
    outcome.moved = moved_pages();
    return outcome;
  }

 private:
  [[nodiscard]] static migrator<P>* device_of(slot const& s) {
    if (!s.has_page()) return nullptr;
    zdd<P>* const behind = zdd<P>::of(s.owner_object);
    return behind == nullptr ? nullptr : &behind->allocation().owner();
  }

  /// The device of the first page that has no destination yet.
  [[nodiscard]] migrator<P>* next_device() const {
    if (short_) return nullptr;
    for (std::size_t i = 0; i < work_.slots().size(); i += pages_moved_with(work_.slots()[i]))
      if (slot const& s = work_.slots()[i]; s.destination == page{})
        if (migrator<P>* const device = device_of(s)) return device;
    return nullptr;
  }

  /// The slots from `s` on that its destination covers; at least one.
  [[nodiscard]] static std::size_t pages_moved_with(slot const& s) {
    return s.destination == page{} ? 1 : s.destination_order.pages().value;
  }

  /// Finds destinations for the pages of one device, the faulting one first, and gathers the copy job.
  [[nodiscard]] errc gather(migrator<P>& device) {
    work_.start_job(device.env().device);
    for (std::size_t i = 0; i < work_.slots().size(); ++i)
      if (work_.slots()[i].source == faulting_ && device_of(work_.slots()[i]) == &device)
        if (errc const e = find_destination(block_start(i), i); e != errc::ok) return e;
    for (std::size_t i = 0; i < work_.slots().size(); i += pages_moved_with(work_.slots()[i])) {
      if (work_.slots()[i].destination != page{} || device_of(work_.slots()[i]) != &device) continue;
      if (errc const e = find_destination(i, i); e != errc::ok) {
        bool const enough = when_short_ == shortage::move_what_fits && found_ != page_count{};
        short_ = true;
        return enough ? errc::ok : e;
      }
    }
    return errc::ok;
  }

  [[nodiscard]] std::size_t block_start(std::size_t i) const {
    while (work_.slots()[i].follows) --i;
    return i;
  }

  /// A system block for the block that begins at `first`, or, when there is none so large, a page for the page `wanted`
  /// of it.
  [[nodiscard]] errc find_destination(std::size_t first, std::size_t wanted) {
    slot& head = work_.slots()[first];
    if (!head.follows && head.order.value != 0 && is_whole(first)) {
      errc const e = find_page(head, head.order);
      if (e != errc::no_ram) return e;
    }
    return find_page(work_.slots()[wanted], page_order{});
  }

  /// True while no page of the block that begins at `first` goes alone.
  [[nodiscard]] bool is_whole(std::size_t first) const {
    for (slot const& s : work_.slots().subspan(first, work_.slots()[first].order.pages().value))
      if (s.destination != page{}) return false;
    return true;
  }

  [[nodiscard]] errc find_page(slot& s, page_order order) {
    result<page> const system = mm_.allocate_page(order);
    if (!system) return system.error();
    errc const e = s.state == slot_state::moved
                       ? errc::ok
                       : work_.add_system(*system, s.source, order, dma_direction::from_device);
    if (e != errc::ok) {
      mm_.discard_page(*system);
      return e;
    }
    s.destination = *system;
    s.destination_order = order;
    found_ += order.pages();
    return errc::ok;
  }

  [[nodiscard]] page_count moved_pages() const {
    page_count n{};
    for (slot const& s : work_.slots())
      if (s.has_page() && s.destination != page{}) n += s.destination_order.pages();
    return n;
  }

  typename P::mm& mm_;
  transfer<P>& work_;
  page_scope const* within_;
  page faulting_;
  shortage when_short_;
  va_range about_;
  move_reason reason_;
  page_count found_{};  // destinations
  bool short_ = false;  // no system page is left
};

/// Why a pass left pages where they were.
[[nodiscard]] constexpr errc why_left(move_outcome const& outcome) {
  if (outcome.error != errc::ok) return outcome.error;
  return outcome.in_use ? errc::in_use : errc::busy;
}

/// \see migrator::evict
template <migrating_policies P>
[[nodiscard]] errc evict_allocation(migrator<P>& owner, devmem<P>& allocation, move_reason reason) {
  // A second eviction waits here for the first, and mostly finds nothing left to do.
  exclusive_guard const guard{allocation.eviction_lock()};
  va_range const whole{cpu_va{}, allocation.size()};
  errc last = errc::busy;
  byte_count bytes{};
  page_count moved{};
  for (int attempt = 0; attempt < eviction_attempts && !allocation.is_detached(); ++attempt) {
    transfer<P> work{owner.env()};
    if (!work.reserve(allocation.pages().size())) {
      last = errc::no_memory;
      break;
    }
    for (std::size_t i = 0; auto const& p : allocation.pages()) work.slots()[i++].source = p.page;
    move_outcome const outcome =
        migration_to_system<P>{owner.env().mm, work, nullptr, {}, shortage::move_nothing, whole, reason}.run();
    bytes += outcome.bytes;
    moved += outcome.moved;
    last = why_left(outcome);
  }
  if (moved.value != 0) owner.env().observer.record({event_kind::migrated_to_system, whole, bytes});
  return allocation.is_detached() ? errc::ok : last;
}

/// \see migrator::evict_span
template <migrating_policies P>
[[nodiscard]] errc evict_span(environment<P>& env, typename P::mm& mm, va_range span, evict_options const& options) {
  using run = page_run<typename P::mm::page>;
  // Calls `visit(page)` for each page of the runs that is to leave.
  auto const for_each_asked = [&options](std::span<run const> runs, auto&& visit) {
    std::uint64_t at = 0;
    for (run const& r : runs) {
      bool const is_asked = r.place == page_place::device && (options.from == nobody || r.owner == options.from);
      for (std::uint64_t n = 0; is_asked && n < r.count; ++n)
        if (options.pages == nullptr || options.pages->test(static_cast<unsigned>(at + n)))
          visit(P::mm::page_at(r.page, n));
      at += r.count;
    }
  };
  errc last = errc::busy;
  byte_count bytes{};
  page_count moved{};
  page_count foreign{};
  auto const end = [&](errc e) {
    if (moved.value != 0) env.observer.record({event_kind::migrated_to_system, span, bytes});
    return e;
  };
  for (int attempt = 0;; ++attempt) {
    if (is_cancelled(options.cancel)) return end(errc::interrupted);
    walked_runs<typename P::mm, typename P::allocator> found{env.memory, span};
    page_walk<typename P::mm>& walk = found.walk();
    while (!walk.is_complete()) {
      {
        shared_guard const map_guard{mm.map_lock()};
        mm.snapshot(walk.rest(), walk);
      }
      walk.finish();
      if (walk.is_full() && found.grow() != errc::ok) return end(errc::no_memory);
    }
    page_count devices{};
    for_each_asked(found.all(), [&](typename P::mm::page) { devices += page_count{1}; });
    if (devices == foreign) last = errc::ok;
    if (devices == foreign || attempt == eviction_attempts) return end(last);

    transfer<P> work{env};
    if (!work.reserve(devices.value)) return end(errc::no_memory);
    for_each_asked(found.all(),
                   [&, i = std::size_t{0}](typename P::mm::page p) mutable { work.slots()[i++].source = p; });
    // A page that was reported stays in the span until it moves, or until the process maps something else there.
    page_scope const within{mm.id(), span};
    move_outcome const outcome =
        migration_to_system<P>{mm, work, &within, {}, shortage::move_nothing, span, options.reason}.run();
    bytes += outcome.bytes;
    moved += outcome.moved;
    foreign = outcome.foreign;
    last = why_left(outcome);
  }
}

}  // namespace svm::inline v0::detail
