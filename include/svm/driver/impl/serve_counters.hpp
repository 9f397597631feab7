// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: what a GPU's access counters told.

namespace svm::inline v0 {

template <page_wise_policies P>
errc block_service<P>::serve_notices(std::span<counter_notice> batch, cancellation const* cancel) {
  constexpr unsigned most = placement::defaults::counter_batch;
  errc failed = errc::ok;
  for (; !batch.empty(); batch = batch.subspan(batch.size() < most ? batch.size() : most)) {
    std::span<counter_notice> const part = batch.first(batch.size() < most ? batch.size() : most);
    std::uint32_t room[2 * most];
    std::span<std::uint32_t> const order{room, part.size()};
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    detail::sort<std::uint32_t>(order, {room + part.size(), part.size()},
                                [&](std::uint32_t a, std::uint32_t b) { return part[a].address < part[b].address; });
    for (std::size_t from = 0; from < order.size();) {
      std::size_t end = from;
      auto place = placement::counted_place::unknown;
      errc e = errc::retry;
      for (int pass = 0; pass < driver_base<P>::max_passes && detail::may_pass(e); ++pass) {
        end = from;
        e = is_cancelled(cancel) ? errc::interrupted : serve_noticed(part, order, end, place, cancel);
      }
      if (end == from) ++end;
      for (; from < end; ++from) {
        part[order[from]].error = e;
        part[order[from]].is_cleared = placement::is_cleared(place, e != errc::ok);
      }
      if (failed == errc::ok) failed = e;
    }
    if (!has_heat()) continue;
    exclusive_guard const guard{lock_};
    counted_ += static_cast<unsigned>(part.size());
    if (counted_ < most) continue;
    counted_ -= most;
    end_period(cancel);
  }
  return failed;
}

/// Serves the notices of `which` from `first` on that lie in one block and one mapping, and moves `first` behind them.
template <page_wise_policies P>
errc block_service<P>::serve_noticed(std::span<counter_notice> batch, std::span<std::uint32_t const> which,
                                     std::size_t& first, placement::counted_place& place, cancellation const* cancel) {
  driver_.collector().run();
  std::size_t const head = first++;
  cpu_va const at = batch[which[head]].address;
  va_range const window = driver_.svm().shape().window();
  place = placement::counted_place::no_memory;
  if (!window.contains(at)) return errc::ok;
  mm_user const user{space().mm};
  if (!user.alive()) {
    place = placement::counted_place::unknown;
    return errc::mm_gone;
  }
  std::uint32_t const terms = driver_.terms_.load();
  advised_span const advice = driver_.attributes_.at(at, window);
  result<vma_info> const vma = find_vma(at);
  if (!vma) return errc::ok;
  place = placement::counted_place::no_block;
  if (!vma->migratable || !vma->readable || driver_.options().migrate == migration_mode::never) return errc::ok;
  place = placement::counted_place::block;
  if (reads_copies(advice.attributes)) return errc::ok;
  exclusive_guard const guard{lock_};
  block* const b = blocks_.find_or_make(block_around(at).start());
  if (b == nullptr) return errc::no_memory;
  service s = make_service(*b, *vma, advice, terms, cancel);
  s.why = migration_cause::counter;
  while (first < which.size() && s.within.contains(batch[which[first]].address)) ++first;
  b->where.window = pages_of(s.within);
  s.seen = look(s.within);
  page_mask const counted = gather_counted(s, batch, which.subspan(head, first - head));

  struct asked {
    block_service& of;
    service& s;
    placement::page_places places;
    [[nodiscard]] bool is_mapped() { return of.is_mapped(s.within); }
    [[nodiscard]] placement::thrash_hint hint(unsigned page) { return of.hint_for(s, page, places.copies(page)); }
    [[nodiscard]] placement::residence place(unsigned page, placement::thrash_hint const& hint) const {
      return places.place(page, true, hint);
    }
    [[nodiscard]] placement::processor_set copies(unsigned page) const { return places.copies(page); }
  };
  placement::counter_service const to = placement::look_at_counted(
      counted, s.seen.here, asked{*this, s, placement::page_places{how_.self, said_of(s.attributes), s.seen.copies()}});
  bring_to_system(s, to.to[placement::cpu.id]);
  s.named = to.to[how_.self.id];
  if (s.named.none()) return errc::ok;
  errc const e = run(s, first_look::over);
  if (has_heat()) b->heat.came(placement::groups_in(s.moved & s.named, group_pages));
  return e;
}

/// The pages of a service that its notices name: all that one piece of 2 MiB has in the sub-regions that were accessed,
/// or the page of the last access. With a way back it is what is hot by now.
template <page_wise_policies P>
page_mask block_service<P>::gather_counted(service& s, std::span<counter_notice const> batch,
                                           std::span<std::uint32_t const> which) {
  placement::page_copies const now = s.seen.copies();
  page_mask const afar = now.system | now.reached;
  placement::counted_pages counted{s.of.where, how_.self};
  page_mask hot;
  for (std::uint32_t const i : which) {
    counter_notice const& n = batch[i];
    if (has_heat()) {
      page_mask const named = placement::pages_of_groups(n.sub_regions, group_pages) & afar;
      bool const pressure = !has_room(s.of, named.count());
      hot |= named & placement::pages_of_groups(s.of.heat.notified(placement::groups_in(named, group_pages), pressure),
                                                group_pages);
    } else {
      unsigned const page = number(n.address);
      bool const in_system = now.system.test(page);
      placement::processor const nearest =
          in_system ? placement::cpu : placement::page_places{how_.self, {}, now}.copies(page).first();
      counted.add({.address = n.address, .sub_regions = n.sub_regions}, page, nearest,
                  in_system ? now.system : now.reached, s.seen.is_one);
    }
  }
  return has_heat() ? hot : counted.pages();
}

/// Whether the device's page table has any page of a span.
template <page_wise_policies P>
bool block_service<P>::is_mapped(va_range span) {
  for (va_range rest = span;;) {
    range_ref<P> r = driver_.svm().first_in(rest);
    if (!r) return false;
    va_range const part = r->interval();
    locked_range<P> held = driver_.svm().lock_range(std::move(r));
    if (held->mapping().has(page_flag::bound) || page_mapper<P>::serving(held, access_kind::read).any()) return true;
    if (part.last() >= rest.last()) return false;
    rest = *va_range::from_bounds(part.last() + byte_count{1}, rest.last());
  }
}

/// A period of notices is over: what counters brought, and nothing brought to mind since, goes back.
template <page_wise_policies P>
void block_service<P>::end_period(cancellation const* cancel) {
  mm_user const user{space().mm};
  if (!user.alive()) return;
  auto& eviction = policy_.eviction();
  move_reason const why{migration_cause::counter, batch_number()};
  std::uint64_t demoted = 0;
  blocks_.for_each([&](block& b) {
    placement::group_set const cold = b.heat.period();
    if (cold == 0) return;
    va_range const span = block_around(b.at());
    page_mask const back = placement::pages_of_groups(cold, group_pages) & look(span).here;
    static_cast<void>(driver_.memory().evict_span(
        space().mm, span, {.reason = why, .pages = &back, .from = env().pagemap.owner(), .cancel = cancel}));
    page_mask const gone = back - look(span).here;
    eviction.left(b, gone);
    b.writable -= gone;
    b.heat.leave(cold);
    demoted += gone.count();
  });
  counts_.pages_demoted += demoted;
}

}  // namespace svm::inline v0
