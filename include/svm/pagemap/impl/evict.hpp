// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

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

/// Where a move to system memory counts the discarded pages that it does not copy; nothing, where no page can be.
template <migrating_policies P>
struct dropped_pages {};
template <discarding_policies P>
struct dropped_pages<P> {
  page_count* total = nullptr;  ///< null: they are copied like all others
};
/// How many destinations of a pass were cleared instead of copied to.
template <migrating_policies P>
struct cleared_pages {};
template <discarding_policies P>
struct cleared_pages<P> {
  page_count pages{};
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
                      shortage when_short, va_range about, move_reason reason, dropped_pages<P> dropped = {})
      : mm_(mm),
        work_(work),
        within_(within),
        faulting_(faulting),
        when_short_(when_short),
        about_(about),
        reason_(reason),
        dropped_(dropped) {}

  /// \param is_planned  what moves beside the faulting page moves along with it
  [[nodiscard]] move_outcome run(bool is_planned = false) {
    typename P::mm::migration session{};  // finalizes, so whatever fails below leaves the pages in device memory
    scope_guard const unmap{[this] { work_.unmap_all(); }};  // before the session unlocks the pages
    mm_.collect_pages(session, work_.slots(), within_, faulting_);
    move_outcome outcome{};
    for (slot const& s : work_.slots()) {
      outcome.in_use = outcome.in_use || s.is_in_use();
      if (!s.has_page()) continue;
      if (device_of(s) == nullptr)
        outcome.foreign += page_count{1};
      else
        left_ += page_count{1};
    }
    while (migrator<P>* const device = next_device()) {
      environment<P>& env = device->env();
      time_point const began = moment_for(env.observer, env.clock);
      outcome.error = find_destinations(*device);
      if (outcome.error == errc::ok) outcome.error = gather(*device);
      if (outcome.error == errc::ok && !work_.job().empty()) outcome.error = env.pagemap.copy_to_system(work_.job());
      if (outcome.error != errc::ok) return outcome;
      byte_count const copied = copied_pages() * P::mm::page_size;  // what the mm moves by itself is told of here too
      byte_count fresh{copied.value - outcome.bytes.value};
      time_point const ended = moment_for(env.observer, env.clock);
      auto const record = [&](byte_count bytes, move_reason reason) {
        env.observer.record({.kind = event_kind::copied,
                             .span = about_,
                             .bytes = bytes,
                             .reason = reason,
                             .began = began,
                             .ended = ended});
      };
      bool const has_fault = first_ < work_.slots().size() && device_of(work_.slots()[first_]) == device;
      if (is_planned && (!has_fault || fresh > P::mm::page_size)) {
        byte_count const along{fresh.value - (has_fault ? P::mm::page_size.value : 0)};
        record(along, {migration_cause::prefetch, reason_.batch, reason_.actor});
        fresh = byte_count{fresh.value - along.value};
      }
      if (fresh != byte_count{}) record(fresh, reason_);
      outcome.bytes = copied;
      work_.unmap_all();
    }
    if (found_ == page_count{}) return outcome;
    mm_.install(session);
    outcome.moved = moved_pages();
    count_dropped();
    return outcome;
  }

 private:
  /// The device whose page was collected; null when none was, or one of another driver.
  [[nodiscard]] migrator<P>* device_of(slot const& s) {
    if (!s.has_page()) return nullptr;
    if (s.owner_object != seen_) {  // mostly all pages are of one allocation
      seen_ = s.owner_object;
      zdd<P>* const behind = zdd<P>::of(seen_);
      device_of_seen_ = behind == nullptr ? nullptr : &behind->allocation().owner();
    }
    return device_of_seen_;
  }

  /// The device of the first page that has no destination yet.
  [[nodiscard]] migrator<P>* next_device() {
    if (short_ || found_ == left_) return nullptr;
    for (std::size_t i = 0; i < work_.slots().size(); i += pages_moved_with(work_.slots()[i]))
      if (slot const& s = work_.slots()[i]; s.destination == page{})
        if (migrator<P>* const device = device_of(s)) return device;
    return nullptr;
  }

  /// The slots from `s` on that its destination covers; at least one.
  [[nodiscard]] static std::size_t pages_moved_with(slot const& s) {
    return s.destination == page{} ? 1 : s.destination_order.pages().value;
  }

  /// True when there is something to move, so that running short is no error.
  [[nodiscard]] bool is_enough() {
    short_ = true;
    return when_short_ == shortage::move_what_fits && found_ != page_count{};
  }

  /// Finds destinations for the pages of one device, the faulting one first.
  [[nodiscard]] errc find_destinations(migrator<P>& device) {
    std::span<slot> const slots = work_.slots();
    for (std::size_t i = 0; faulting_ != page{} && i < slots.size(); ++i)
      if (slots[i].source == faulting_ && device_of(slots[i]) == &device) {
        first_ = block_start(i);
        if (errc const e = find_destination(first_, i); e != errc::ok) return e;
        if (slots[first_].destination == page{}) first_ = i;
      }
    for (std::size_t i = 0; i < slots.size(); i += pages_moved_with(slots[i])) {
      if (slots[i].destination != page{} || device_of(slots[i]) != &device) continue;
      if (errc const e = find_destination(i, i); e != errc::ok) return is_enough() ? errc::ok : e;
    }
    return errc::ok;
  }

  /// Gathers the copy job of one device, the faulting page first.
  [[nodiscard]] errc gather(migrator<P>& device) {
    std::span<slot> const slots = work_.slots();
    work_.start_job(device.env().device);
    if (first_ < slots.size() && device_of(slots[first_]) == &device)
      if (errc const e = add(first_, slots[first_].destination_order.pages()); e != errc::ok) return e;
    for (std::size_t i = 0; i < slots.size();) {
      bool const moves = slots[i].destination != page{} && i != first_ && device_of(slots[i]) == &device;
      page_count count = moves ? work_.run_at(i, i < first_ && first_ < slots.size() ? first_ : slots.size())
                               : page_count{pages_moved_with(slots[i])};
      if (moves && !drop(i, count))
        if (errc const e = add(i, count); e != errc::ok) {
          forget_from(i, device);
          return is_enough() ? errc::ok : e;
        }
      i += static_cast<std::size_t>(count.value);
    }
    return errc::ok;
  }
  /// Whether the block of slot `i` is not copied, since nobody wants what it holds.
  [[nodiscard]] bool is_dropped([[maybe_unused]] std::size_t i) const {
    if constexpr (discarding_policies<P>) {
      slot const& head = work_.slots()[i];
      if (head.state != slot_state::collected) return false;
      devmem<P>& memory = zdd<P>::of(head.owner_object)->allocation();
      for (slot const& s : work_.slots().subspan(i, head.destination_order.pages().value))
        if (!memory.marks().test(memory, s.source)) return false;
      return true;
    }
    return false;
  }
  /// Cuts a run to the blocks at its start that are alike, all dropped or all copied. Those that are dropped are cleared.
  ///
  /// \return whether they are dropped
  [[nodiscard]] bool drop([[maybe_unused]] std::size_t i, [[maybe_unused]] page_count& count) {
    if constexpr (discarding_policies<P>) {
      if (dropped_.total == nullptr) return false;
      bool const drops = is_dropped(i);
      std::size_t end = i;
      while (end < i + count.value && is_dropped(end) == drops) {
        slot const& s = work_.slots()[end];
        if (drops) mm_.clear_page(s.destination, s.destination_order);
        end += s.destination_order.pages().value;
      }
      count = page_count{end - i};
      if (drops) cleared_.pages += count;
      return drops;
    }
    return false;
  }
  [[nodiscard]] page_count copied_pages() const {
    if constexpr (discarding_policies<P>)
      return found_ - cleared_.pages;
    else
      return found_;
  }
  /// Counts what went without a copy.
  void count_dropped() {
    if constexpr (discarding_policies<P>)
      for (std::size_t i = 0; dropped_.total != nullptr && i < work_.slots().size(); ++i)
        if (work_.slots()[i].destination != page{} && is_dropped(i))
          *dropped_.total += work_.slots()[i].destination_order.pages();
  }
  [[nodiscard]] errc add(std::size_t i, page_count count) {
    slot const& s = work_.slots()[i];
    if (s.state == slot_state::moved) return errc::ok;
    return work_.add_system(s.destination, s.source, count, dma_direction::from_device);
  }
  /// Lets go of the destinations that are not in the job: those of a device from slot `begin` on.
  void forget_from(std::size_t begin, migrator<P> const& device) {
    for (std::size_t i = begin; i < work_.slots().size(); ++i) {
      slot& s = work_.slots()[i];
      if (s.destination == page{} || i == first_ || s.state == slot_state::moved || device_of(s) != &device) continue;
      found_ = found_ - s.destination_order.pages();
      mm_.discard_page(std::exchange(s.destination, page{}));
      s.destination_order = {};
    }
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
  device_page_owner<page>* seen_ = nullptr;
  migrator<P>* device_of_seen_ = nullptr;
  page_count left_{};             // pages that should move
  page_count found_{};            // destinations
  std::size_t first_ = SIZE_MAX;  // the slot where what the faulting page moves with begins
  bool short_ = false;            // no system page is left
  [[no_unique_address]] dropped_pages<P> dropped_;
  [[no_unique_address]] cleared_pages<P> cleared_;
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
    transfer<P> work{owner.env(), owner.kept()};
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
[[nodiscard]] errc evict_span(environment<P>& env, kept_arrays<P>& kept, typename P::mm& mm, va_range span,
                              evict_options const& options, dropped_pages<P> dropped = {}) {
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

    transfer<P> work{env, kept};
    if (!work.reserve(devices.value)) return end(errc::no_memory);
    for_each_asked(found.all(),
                   [&, i = std::size_t{0}](typename P::mm::page p) mutable { work.slots()[i++].source = p; });
    // A page that was reported stays in the span until it moves, or until the process maps something else there.
    page_scope const within{mm.id(), span};
    move_outcome const outcome =
        migration_to_system<P>{mm, work, &within, {}, shortage::move_nothing, span, options.reason, dropped}.run();
    bytes += outcome.bytes;
    moved += outcome.moved;
    foreign = outcome.foreign;
    last = why_left(outcome);
  }
}

}  // namespace svm::inline v0::detail
