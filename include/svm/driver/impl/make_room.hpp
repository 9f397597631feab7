// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: which pages leave the device to make room for a service.

namespace svm::inline v0 {

/// Where the pages of a part of a block are.
///
/// \pre a user reference on the mm; takes mm (shared)
/// \allocs none
template <page_wise_policies P>
auto block_service<P>::look(va_range span) -> sight {
  shared_guard const map_guard{space().mm.map_lock()};
  return look_with_map_lock(span);
}

/// The same with the map lock held.
template <page_wise_policies P>
auto block_service<P>::look_with_map_lock(va_range span) -> sight {
  sight seen;
  unsigned at = number(span.start());
  for_each_run(space().mm, span, [&](page_run<typename P::mm::page> const& r) {
    page_span const pages{at, at + r.count};
    at = pages.end;
    if (r.place == page_place::absent) return true;
    seen.present.set(pages);
    if (r.place == page_place::system) {
      seen.system.set(pages);
      seen.is_one = pages.size() == block_pages;
    }
    if (r.place == page_place::device && r.owner == env().pagemap.owner())
      seen.here.set(pages);
    else if (r.place == page_place::device && r.owner.reaches(env().pagemap.owner()))
      seen.reached.set(pages);
    return true;
  });
  return seen;
}

/// Evicts what the policy says until what is missing has its room; `kept` are pages of the block that stay.
template <page_wise_policies P>
void block_service<P>::make_room(service& s, page_mask const& kept) {
  auto& eviction = policy_.eviction();
  unsigned const wanted = s.missing.count();
  std::uint64_t const capacity = env().pagemap.capacity().value / P::mm::page_size.value;
  eviction.begin_room();
  while (!eviction.has_room(s.of, wanted, env().pagemap.available().value / P::mm::page_size.value, capacity)) {
    if (is_cancelled(s.cancel)) return;
    // To drop a copy moves nothing.
    if (env().pagemap.available() < P::mm::page_size * wanted && driver_.memory().holders().give_up_one()) continue;
    placement::eviction_victim victim = eviction.next_victim(s.of, kept);
    if (victim.from == nullptr) return;
    block& from = static_cast<block&>(static_cast<typename policy::block_data&>(*victim.from));
    va_range const span = block_around(from.at());
    if (page_mask const there = look(span).here; there != from.present) {  // somebody took pages, or brought some
      eviction.found(from, there, moment_);
      if (eviction.mode() != placement::eviction_mode::uvm || &from == &s.of) continue;
      victim.pages = there;
      if (there.none()) continue;
    }
    if (eviction.went_as_discarded(from) && !is_discarded(from)) {
      eviction.found(from, from.present, moment_);
      continue;
    }
    policy_.evicting();
    bool const judges = how_.feedback && use_ != nullptr;
    page_mask const used = judges ? use_->used(from.at(), victim.pages & from.feedback.along()) : page_mask{};
    space().observer.record(
        {event_kind::evicted, span_of(from.at(), victim.pages.hull()), P::mm::page_size * victim.pages.count()});
    errc const e = evict(from, victim.pages, s.actor, s.cancel);
    page_mask gone = victim.pages;
    if (e != errc::ok) {
      page_mask const there = look(span).here;
      gone -= there;
      eviction.pass_over();
      eviction.found(from, there | gone, moment_);
    }
    eviction.left(from, gone);
    from.evicted |= gone;
    from.writable -= gone;
    map_again(from, gone - from.discarded.pages());
    from.discarded.left(gone);
    if (judges) from.feedback.evicted(gone, used);
  }
}

/// Makes sure of a unit for the next pages that arrive, where the policy has units.
///
/// \errors no_memory
template <page_wise_policies P>
errc block_service<P>::reserve_unit() {
  auto& eviction = policy_.eviction();
  if (!eviction.has_units() || eviction.has_spare()) return errc::ok;
  auto* const unit = detail::construct<placement::eviction_unit>(space().memory);
  if (unit == nullptr) return errc::no_memory;
  eviction.give(*unit);
  return errc::ok;
}

}  // namespace svm::inline v0
