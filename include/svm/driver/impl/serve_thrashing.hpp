// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: pages that move to and fro, or stay for a slice of time.

namespace svm::inline v0 {

/// Whether the CPU may have a page of this device's memory now; else it waits.
///
/// \pre the map lock is held shared
/// \param thrashing  becomes the pages of the block that do not come along
template <page_wise_policies P>
bool block_service<P>::is_free_for_cpu(cpu_va at, page_mask& thrashing, time_point& until) {
  time_point const now = space().clock.now();
  cpu_va const b = block_around(at).start();
  auto const answer = moves_->ask({.block = b, .page = number(at), .who = placement::cpu, .copies = how_.self}, now);
  if (answer.pin_begins) cpu_pins_.fetch_add(1);
  if (answer.waits) {
    cpu_waits_.fetch_add(1);
    until = answer.until;
    return false;
  }
  thrashing = moves_->of(b, placement::cpu, now).thrashing;
  return true;
}

/// Takes note of what came back for a CPU fault: those pages of the plan that are in system memory now.
template <page_wise_policies P>
void block_service<P>::came_back(cpu_fault<typename P::mm::page> const&, cpu_fault_plan const& plan) noexcept {
  if (moves_ == nullptr || plan.pages.none()) return;
  page_mask const asked = plan.pages.raised(number(plan.window.start()));
  moves_->moved(block_around(plan.window.start()).start(), asked & look_with_map_lock(plan.window).system,
                placement::cpu, migration_cause::cpu_fault, space().clock.now());
}

/// Asks about each page of a service before anything is decided. Faults that have to wait are taken out of it.
///
/// \param which  the faults of the service, in the order of their pages
template <page_wise_policies P>
void block_service<P>::ask(service& s, std::span<block_fault> faults, std::span<std::uint32_t const> which,
                           first_look looked) {
  time_point const now = space().clock.now();
  cpu_va const b = s.of.at();
  sight const seen = look(s.within);
  bool const wants_device = s.attributes.preferred == preferred_place::device;
  moves_->forget(b, (page_mask{pages_of(s.within)} - seen.present) | placed_by_program(s));
  moves_->prefer(b, wants_device ? how_.self : placement::nobody);
  page_mask asked, throttled;
  time_point until{};
  for (std::uint32_t const i : which) {
    block_fault& f = faults[i];
    f.is_throttled = false;
    unsigned const page = number(f.at);
    if (!s.named.test(page)) continue;
    if (!asked.test(page)) {
      asked.set(page);
      placement::processor_set copies;
      if (seen.here.test(page)) copies |= how_.self;
      if (seen.system.test(page)) copies |= placement::cpu;
      auto const answer = moves_->ask({.block = b, .page = page, .who = how_.self, .copies = copies}, now);
      if (answer.pin_begins) ++counts_.pages_pinned;
      if (answer.elsewhere) s.staying.set(page);
      if (answer.waits) throttled.set(page);
      until = answer.until;
    }
    if (!throttled.test(page)) continue;
    f.is_throttled = true;
    f.wait_until = until;
  }
  if (looked != first_look::over) counts_.pages_throttled += throttled.count();
  if (looked == first_look::now) counts_.faults_resident += (throttled & seen.here).count();
  s.named -= throttled;
  // What has to be in this memory comes here, and what went on to where it is out of reach.
  s.staying &= seen.system | seen.reached;
  s.staying -= s.atomic;
  if (driver_.options().migrate == migration_mode::required) s.staying = {};
  s.thrashing = moves_->of(b, how_.self, now).thrashing;
  s.of.remote |= s.staying;
  keep(s.of, now);
}

/// What the history says of a page that a counter names.
template <page_wise_policies P>
placement::thrash_hint block_service<P>::hint_for(service const& s, unsigned page, placement::processor_set copies) {
  using enum placement::thrash_hint::kind;
  if (moves_ == nullptr) return {};
  auto const answer =
      moves_->ask({.block = s.of.at(), .page = page, .who = how_.self, .copies = copies}, space().clock.now());
  if (answer.pin_begins) cpu_pins_.fetch_add(1);  // counted apart, as the view that asks holds no lock
  if (answer.waits) return {.what = throttle, .until = answer.until};
  return answer.elsewhere ? placement::thrash_hint{.what = pin, .at = copies.first()} : placement::thrash_hint{};
}

/// The pages of ranges that are not mapped page by page: new ones, and what a program placed since the last service.
template <page_wise_policies P>
page_mask block_service<P>::placed_by_program(service const& s) {
  page_mask placed;
  for_each_range(s.of, s.named, [&](locked_range<P>& held, piece const& part) {
    if (held->partial() == nullptr) placed |= page_mask{part.pages};
  });
  return placed;
}

/// Pages came into the device's memory; first touches are no moves.
template <page_wise_policies P>
void block_service<P>::note_move(service& s, page_mask const& moved) {
  time_point const now = space().clock.now();
  page_mask const all = moved & s.seen.present;
  s.of.remote -= moved;
  s.of.writable -= moved;
  moves_->moved(s.of.at(), all - s.along, how_.self, s.why, now);
  moves_->moved(s.of.at(), all & s.along, how_.self, migration_cause::prefetch, now);
}

/// Pages were mapped; where they were mapped for writes before and are not now, that is a lost right.
template <page_wise_policies P>
void block_service<P>::note_rights(service& s, page_mask const& mapped) {
  if (access_of(s) != mapping_access::read_only) {
    s.of.writable |= mapped;
    return;
  }
  moves_->revoked(s.of.at(), mapped & s.of.writable, how_.self, space().clock.now());
  s.of.writable -= mapped;
}

/// Takes over what is known of a block: what of it holds against eviction, and what is no longer to be reached from afar.
///
/// \pre no range lock held
template <page_wise_policies P>
void block_service<P>::keep(block& b, time_point now) {
  auto const known = moves_->of(b.at(), how_.self, now);
  if (page_mask const free = b.remote - known.staying; free.any()) {
    unmap(b, free);
    b.remote -= free;
  }
  // Blocks go whole, and a slice is for other processors.
  bool const holds = moves_->mode() == placement::thrash_mode::on;
  b.held = {};
  if (holds && policy_.eviction().has_units()) b.held = known.staying;
  if (holds && policy_.eviction().mode() == placement::eviction_mode::density) b.held = known.staying | known.thrashing;
  if (b.is_kept || (b.remote.none() && b.held.none())) return;
  b.is_kept = true;
  b.next_kept = kept_;
  kept_ = &b;
}

/// The same for all blocks of which something is kept; those of which nothing is any more leave the list.
template <page_wise_policies P>
void block_service<P>::look_after_kept() {
  if (kept_ == nullptr) return;
  time_point const now = space().clock.now();
  moves_->end_due(now);
  for (block** link = &kept_; *link != nullptr;) {
    block& b = **link;
    keep(b, now);
    if (b.remote.any() || b.held.any()) {
      link = &b.next_kept;
      continue;
    }
    *link = b.next_kept;
    b.is_kept = false;
  }
}

/// Unmaps pages from the device, so that their next access faults.
template <page_wise_policies P>
void block_service<P>::unmap(block& b, page_mask const& pages) {
  for_each_range(b, pages, [&](locked_range<P>& held, piece const& part) { mapper_.unmap(held, part.of(pages)); });
}

template <page_wise_policies P>
void block_service<P>::end_due_pins() {
  if (moves_ == nullptr) return;
  exclusive_guard const guard{lock_};
  look_after_kept();
}

template <page_wise_policies P>
std::optional<time_point> block_service<P>::next_end() {
  if (moves_ == nullptr) return {};
  exclusive_guard const guard{lock_};
  std::optional<time_point> next;
  for (block* b = kept_; b != nullptr; b = b->next_kept) {
    if (b->remote.none()) continue;
    time_point const end = moves_->end_of(b->at(), space().clock.now());
    if (!next || is_before(end, *next)) next = end;
  }
  return next;
}

}  // namespace svm::inline v0
