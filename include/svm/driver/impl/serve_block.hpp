// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: one service of one block.

namespace svm::inline v0 {

/// One service: decides, makes room, moves and maps.
///
/// Where pages are to go to another device first, it only decides.
///
/// \errors why faulted pages are not mapped
template <page_wise_policies P>
errc block_service<P>::run(service& s, first_look looked) {
  ++moment_;
  auto& eviction = policy_.eviction();
  block& b = s.of;
  b.where.window = pages_of(s.within);
  s.seen = look(s.within);
  page_mask const inside{b.where.window};
  if (how_.feedback) b.feedback.gone(inside - s.seen.here);
  eviction.found(b, s.seen.here | (b.present - inside), moment_);
  if (looked == first_look::now) counts_.faults_resident += (s.named & s.seen.here).count();
  s.faulted = s.named - (served_already(s) & s.seen.here);
  page_mask const missing = s.named - s.seen.here;
  if (looked != first_look::over) counts_.refaults += (missing & b.evicted).count();
  choose_places(s);
  if (s.away != nullptr && s.away->any()) return errc::ok;
  if (s.faulted.none()) {
    eviction.touch(b, s.named, moment_);
    return errc::ok;
  }
  decide(s);
  // What does not fit at all stays where it is, and is no use of device memory.
  page_mask const used = s.missing.any() ? s.faulted | s.along | s.named : s.named & s.seen.here;
  eviction.touch(b, used, moment_);
  if (s.missing.any()) make_room(s, used);
  errc const e = move_and_map(s);
  if (moves_ != nullptr) keep(b, space().clock.now());
  if (s.moved.any()) {
    ++(s.why == migration_cause::counter ? counts_.counter_services : counts_.fault_services);
    ++b.services;
    counts_.pages_prefetched += (s.moved & s.along).count();
  }
  auto const next = policy_.served(b);
  for (unsigned n = 1; e == errc::ok && n <= next.count; ++n)
    if (!bring(s, next.from + static_cast<std::uint64_t>(next.step * static_cast<std::int64_t>(n)))) break;
  return e;
}

/// Brings a whole block ahead of its faults, as far as one mapping of the program reaches; false where it does not come: it
/// is not worth a victim.
template <page_wise_policies P>
bool block_service<P>::bring(service const& cause, std::uint64_t number) {
  cpu_va const at{number * block_size.value};
  va_range const window = driver_.svm().shape().window();
  if (number > UINT64_MAX / block_size.value || !window.contains(at)) return false;
  advised_span const advice = driver_.attributes_.at(at, window);
  result<vma_info> const vma = find_vma(at);
  bool const stays =
      prefers_elsewhere(advice.attributes) || advice.attributes.accessed_by || advice.attributes.read_duplicated;
  if (!vma || !vma->migratable || !vma->readable || stays) return false;
  block* const b = blocks_.find_or_make(at);
  if (b == nullptr) return false;
  ++moment_;
  service s = make_service(*b, *vma, advice, cause.terms, cause.cancel);
  s.actor = cause.actor;
  b->where.window = pages_of(s.within);
  s.seen = look(s.within);
  policy_.eviction().found(*b, s.seen.here | (b->present - page_mask{b->where.window}), moment_);
  s.along = page_mask{b->where.window};
  s.along -= b->discarded.pages() & s.seen.here;
  if (moves_ != nullptr) s.along -= moves_->of(b->at(), how_.self, space().clock.now()).thrashing;
  s.missing = s.along - s.seen.here;
  if (s.missing.none()) return true;
  std::uint64_t const free = env().pagemap.available().value / P::mm::page_size.value;
  std::uint64_t const capacity = env().pagemap.capacity().value / P::mm::page_size.value;
  if (!policy_.eviction().has_room(*b, s.missing.count(), free, capacity)) return false;
  bool const served = move_and_map(s) == errc::ok;
  counts_.pages_prefetched += s.moved.count();
  policy_.brought(*b);
  return served;
}

/// Asks the policy what moves along, and cuts it to what the device's memory can hold.
template <page_wise_policies P>
void block_service<P>::decide(service& s) {
  block& b = s.of;
  page_mask going = s.faulted - s.staying;
  // A mapping beside would make what was discarded wanted again.
  page_mask const unwanted = b.discarded.pages() & s.seen.here;
  if (reads_copies(s.attributes)) {
    // Nothing moves along: others may read copies of what lies beside.
  } else if (policy_.moves_ranges()) {
    page_mask all = going;
    for (unsigned p = going.next(0); p != page_mask::pages; p = going.next(p + 1)) {
      result<lookup<P>> const found = find_range(
          s, s.of.at() + P::mm::page_size * p,
          s.atomic.test(p) ? access_kind::atomic : (s.written.test(p) ? access_kind::write : access_kind::read));
      if (!found) continue;
      va_range const part = found->range->interval();
      if (block_around(part.start()) != block_around(part.last())) continue;
      page_span const pages = pages_of(part);
      all.set(pages);
      p = pages.end - 1;
      if (p + 1 >= page_mask::pages) break;
    }
    going = (all - s.staying) - ((s.thrashing | unwanted) - s.named);
    s.faulted |= going;
  } else if (s.staying.none()) {  // with two places nothing moves along
    s.along = policy_.along(
        b, placement::prefetch_request{
               .pages = {.resident = s.seen.here, .faulted = going, .thrashing = s.thrashing, .where = b.where},
               .destination = policy_.how().self,
               .preferred = said_of(s.attributes).preferred,
               .resident_anywhere = s.seen.present.any(),
               .mapped_by_cpu = s.seen.system});
  }
  s.along -= unwanted;
  page_mask const there = s.named & s.seen.here;
  auto const fitted = placement::fit(b.where, going, s.along, there, room_for(s, there));
  s.along = fitted.prefetched;
  s.missing = (fitted.faulted | fitted.prefetched) - s.seen.here;
  // Where all that faulted is too much, what atomic accesses need may still fit.
  page_mask const needed = s.missing.none() ? s.atomic : page_mask{};
  s.missing |= placement::fit(b.where, needed, {}, there, room_for(s, there)).faulted - s.seen.here;
}

/// Which named pages the device may use already, each for what was asked of it.
template <page_wise_policies P>
page_mask block_service<P>::served_already(service const& s) {
  page_mask good;
  for_each_range(s.of, s.named, [&](locked_range<P>& held, piece const& part) {
    auto const serving = [&](access_kind want) { return page_mapper<P>::serving(held, want).raised(part.pages.first); };
    good |= serving(access_kind::read) - s.written;
    if (s.written.any()) good |= serving(access_kind::write) & (s.written - s.atomic);
    if (s.atomic.any()) good |= serving(access_kind::atomic) & s.atomic;
  });
  return good;
}

/// Calls `visit(locked_range&, piece const&)` for each range inside a block that has one of some pages.
template <page_wise_policies P>
template <class Visit>
void block_service<P>::for_each_range(block const& b, page_mask const& pages, Visit&& visit) {
  for (unsigned p = pages.next(0); p != page_mask::pages;) {
    range_ref<P> r = driver_.svm().find(b.at() + P::mm::page_size * p);
    if (!r || !block_around(b.at()).contains(r->interval())) {
      p = pages.next(p + 1);
      continue;
    }
    piece const part{pages_of(r->interval())};
    locked_range<P> held = driver_.svm().lock_range(std::move(r));
    visit(held, part);
    p = part.pages.end >= page_mask::pages ? page_mask::pages : pages.next(part.pages.end);
  }
}

/// Finds or makes the range around a page; one that no longer fits its VMA is replaced.
template <page_wise_policies P>
result<lookup<P>> block_service<P>::find_range(service const& s, cpu_va at, access_kind want) {
  if (errc const e = driver_.memory_.open_account(); e != errc::ok) return e;
  lookup_options const wanted{.want = want, .devmem_possible = true, .cancel = s.cancel, .within = &s.within};
  detail::retry_budget budget{space().clock};
  while (true) {
    result<lookup<P>> found = driver_.svm().find_or_insert(at, wanted);
    if (!found || found->what != lookup<P>::kind::stale) return found;
    driver_.remove_stale(driver_.svm().lock_range(std::move(found->range)));
    if (!budget.after_event()) return errc::busy;
  }
}

/// Gives each range of the service its session, and maps its pages.
template <page_wise_policies P>
errc block_service<P>::move_and_map(service& s) {
  page_mask const all = s.faulted | s.along;
  s.of.discarded.left(access_of(s) == mapping_access::read_only ? s.missing : all);
  errc first = errc::ok;
  for (unsigned p = all.next(0); p != page_mask::pages;) {
    result<lookup<P>> found = find_range(s, s.of.at() + P::mm::page_size * p, access_kind::read);
    if (!found) return found.error();
    va_range const interval = found->range->interval();
    if (!block_around(s.of.at()).contains(interval)) return errc::unsupported;
    piece const part{pages_of(interval)};
    {
      locked_range<P> held = driver_.svm().lock_range(std::move(found->range));
      if (errc const e = driver_.told_again(s.terms).error; e != errc::ok) return e;
      if (held->has(range_flag::unmapped)) {
        driver_.collector().collect(std::move(held));
        return errc::unmapped;
      }
      errc const e = move_piece(s, held, part);
      if (e != errc::ok && first == errc::ok) first = e;
    }
    p = part.pages.end >= page_mask::pages ? page_mask::pages : all.next(part.pages.end);
  }
  return first;
}

/// One range's part of a service. Where its memory cannot move, the faulted pages are mapped where they are.
template <page_wise_policies P>
errc block_service<P>::move_piece(service& s, locked_range<P>& held, piece const& part) {
  page_mask const own{part.pages};
  page_mask const missing = s.missing & own;
  page_mask const demanded =
      own & (driver_.options().migrate == migration_mode::required ? s.faulted - s.staying : s.atomic);
  if (errc const e = mapper_.open(held); e != errc::ok) return e;
  if (missing.any()) {
    if (errc const e = reserve_unit(); e != errc::ok) return e;
    errc e = move(s, held, part, missing);
    // What only moves along is no reason for faulted pages to stay.
    if (e != errc::ok && e != errc::interrupted && missing.meets(s.faulted) && !s.faulted.contains(missing))
      e = move(s, held, part, missing & s.faulted);
    if (e == errc::interrupted) return e;
    if (demanded.any() && !s.moved.contains(missing & s.faulted)) return gather(s, held, part, e);
  }
  page_mask const here = s.moved | s.seen.here;
  if (!here.contains(demanded)) return errc::no_device_memory;  // it was cut, since it does not fit
  if (s.copied.meets(own))
    if (errc const e = map_copied(s, held, part); e != errc::ok) return e;
  page_mask const mapped = ((s.faulted - s.copied) | (s.along & here)) & own;
  errc const e = map_where_they_are(s, held, part, mapped, access_of(s));
  if (moves_ != nullptr) note_rights(s, mapped);
  return e;
}

/// Moves pages of a range, all of them or none but for those that race away in the end.
template <page_wise_policies P>
errc block_service<P>::move(service& s, locked_range<P>& held, piece const& part, page_mask const& pages) {
  page_mask const asked = part.of(pages);
  page_mask const along = part.of(s.along);
  migrate_options<P> how{};
  how.timeslice = driver_.options().timeslice;
  how.source_copies = driver_.options().peers_push;
  how.only_what_differs = true;
  how.piecewise = true;
  how.cancel = s.cancel;
  how.reason = {s.why, batch_number(), s.actor};
  how.pages = &asked;
  how.along = &along;
  errc const e = driver_.migrate_to_device(held, how);
  page_mask moved = pages;
  if (e != errc::ok) {
    space().observer.record({event_kind::migration_failed, held->interval(), {}, e});
    moved &= look(held->interval()).here - s.moved;
  }
  note_moved(s, moved);
  return e;
}

/// Makes ready for the next pass what has to move and could not: what is shared is copied, what is out is brought in.
///
/// \errors `why`, where that is no help; retry, in_use
template <page_wise_policies P>
errc block_service<P>::gather(service& s, locked_range<P>& held, piece const& part, errc why) {
  bool const may_help = why == errc::shared || why == errc::busy || why == errc::in_use;
  if (!may_help) return why;
  errc const e = map_where_they_are(s, held, part, s.faulted & page_mask{part.pages}, access_of(s));
  if (e != errc::ok) return e;
  return why == errc::in_use ? why : errc::retry;
}

/// Maps pages of a range where they are. Those out of reach are brought near, for the next pass.
///
/// \errors those of page_mapper::map and bring_within_reach
template <page_wise_policies P>
errc block_service<P>::map_where_they_are(service& s, locked_range<P>& held, piece const& part, page_mask const& pages,
                                          mapping_access how) {
  errc const e = mapper_.map(held, part.of(pages), how, s.cancel);
  return e == errc::unsupported ? bring_within_reach(s, pages) : e;
}

/// Brings pages to system memory that could not move and are with a device out of reach: a walk leaves coherent memory
/// there, since the CPU reaches it.
///
/// \errors unsupported, where there are none; retry, in_use
template <page_wise_policies P>
errc block_service<P>::bring_within_reach(service& s, page_mask const& pages) {
  page_mask const beyond = pages & look(s.within).copies().beyond;
  if (beyond.none()) return errc::unsupported;
  errc const e = driver_.memory().evict_span(
      space().mm, block_around(s.of.at()),
      {.reason = {migration_cause::gather, batch_number(), s.actor}, .pages = &beyond, .cancel = s.cancel});
  return e == errc::in_use ? e : errc::retry;
}

/// Pages came into the device's memory for a service.
template <page_wise_policies P>
void block_service<P>::note_moved(service& s, page_mask const& moved) {
  s.moved |= moved;
  s.of.evicted -= moved;
  if (how_.feedback) s.of.feedback.came(moved & s.along);
  if (moves_ != nullptr) note_move(s, moved);
  policy_.eviction().arrived(s.of, moved, moment_);
}

template <page_wise_policies P>
mapping_access block_service<P>::access_of(service const& s) const {
  if (driver_.options().read_only || !s.vma.writable) return mapping_access::read_only;
  return s.attributes.atomic == atomic_mode::cpu ? mapping_access::no_atomics : mapping_access::read_write;
}

}  // namespace svm::inline v0
