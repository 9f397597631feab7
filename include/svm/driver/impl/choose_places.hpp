// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: which faulted pages come to the device, and which are mapped where they are.

namespace svm::inline v0 {

/// What a program said of a span, as the residency ladder has it.
template <page_wise_policies P>
placement::range_policy block_service<P>::said_of(span_attributes attributes) const {
  placement::processor const self = how_.self;
  placement::range_policy said;
  if (attributes.preferred == preferred_place::system) said.preferred = placement::cpu;
  if (attributes.preferred == preferred_place::device) said.preferred = self;
  if (attributes.preferred == preferred_place::another) said.preferred = placement::page_places::reached_by(self);
  if (attributes.accessed_by) said.accessed_by = self;
  if (reads_copies(attributes)) said.duplicates = placement::read_duplication::enabled;
  return said;
}

/// Asks the residency ladder where the faulted pages go. An atomic access needs its page in the device's memory, whatever
/// was said; a driver whose faults need it there follows a preferred location alone.
template <page_wise_policies P>
void block_service<P>::choose_places(service& s) {
  if (has_heat()) s.of.heat.touched(placement::groups_in(s.named & s.seen.here, group_pages));
  bool const required = driver_.options().migrate == migration_mode::required && !prefers_elsewhere(s.attributes);
  if (s.why == migration_cause::counter || required) return;
  placement::range_policy const said = said_of(s.attributes);
  bool const may_copy = reads_copies(s.attributes);
  if (may_copy) s.staying -= s.faulted - s.written;  // comes before a pin
  page_mask pages = s.faulted - s.atomic - s.staying;
  if (said != placement::range_policy{}) {
    // Whoever writes what may be duplicated has it in its own memory, and nobody has a copy.
    page_mask const asked = may_copy ? pages - s.written : pages;
    placement::destinations const to = placement::page_places{how_.self, said, s.seen.copies()}.choose(asked);
    bring_to_system(s, (to.to_system | to.duplicates) - s.seen.system);
    s.copied = to.duplicates;
    s.staying |= to.to_system | to.stay | to.to_another | to.duplicates;
    if (s.away != nullptr) *s.away = to.to_another;
    pages -= s.staying;
  }
  if (has_heat()) s.staying |= used_from_afar(s, pages);
  s.faulted |= s.staying;
}

/// With a way back for what counters brought, nothing is evicted for a fault: groups that find no room are used from afar
/// until they are hot, and so are those that went back. They are mapped whole, since each further page would fault.
template <page_wise_policies P>
page_mask block_service<P>::used_from_afar(service& s, page_mask const& pages) {
  page_mask const missing = pages - s.seen.here;
  if (missing.none()) return {};
  block& b = s.of;
  placement::group_set const distant = placement::groups_in(missing, group_pages) & b.heat.distant();
  page_mask const rest = missing - placement::pages_of_groups(distant, group_pages);
  if (rest.any() && !has_room(b, (placement::groups_of(b.where, rest) - s.seen.here).count()))
    b.heat.leave(placement::groups_in(rest, group_pages));
  page_mask const groups =
      placement::pages_of_groups(placement::groups_in(missing, group_pages) & b.heat.distant(), group_pages);
  return (groups & (missing | s.seen.system)) - s.atomic;
}

/// Brings pages to system memory that are best there, from whichever device has them.
template <page_wise_policies P>
void block_service<P>::bring_to_system(service const& s, page_mask const& pages) {
  page_mask const elsewhere = pages & s.seen.present;
  if (elsewhere.none()) return;
  // What stays where it is after all is mapped there, or fails as a fault on it would.
  static_cast<void>(driver_.memory().evict_span(
      space().mm, block_around(s.of.at()),
      {.reason = {migration_cause::advice, batch_number(), s.actor}, .pages = &elsewhere, .cancel = s.cancel}));
}

/// How many pages of device memory a service may have in all; `resident` are those that it has.
template <page_wise_policies P>
std::uint64_t block_service<P>::room_for(service const& s, page_mask const& resident) {
  if (!has_heat() || s.why == migration_cause::counter || s.atomic.any())
    return env().pagemap.capacity().value / P::mm::page_size.value;
  return resident.count() + env().pagemap.available().value / P::mm::page_size.value;
}

/// Whether so many pages of a block come without an eviction.
template <page_wise_policies P>
bool block_service<P>::has_room(block const& b, unsigned pages) {
  return policy_.eviction().has_room(b, pages, env().pagemap.available().value / P::mm::page_size.value,
                                     env().pagemap.capacity().value / P::mm::page_size.value);
}

}  // namespace svm::inline v0
