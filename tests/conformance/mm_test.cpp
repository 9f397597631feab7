// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/mm.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <conformance/wide_process.hpp>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;
namespace suite = svm::conformance;
using wide::page;

constexpr svm::page_owner gpu_owner{1, 2};
constexpr svm::page_owner other_owner{2, 1};

enum class flaw {
  none,
  user_after_exit,
  first_vma_is_any,
  counts_no_users,
  extent_is_the_rest,
  finds_the_next_vma,
  nothing_may_migrate,
  snapshots_fault_in,
  walks_skip_the_last,
  walks_say_read_only,
  walks_for_reading,
  walks_bring_nothing_back,
  walks_leave_members_only,
  names_one_page_only,
  walks_backwards,
  joins_what_is_apart,
  goes_on_when_full,
  full_is_busy,
  skips_after_a_stop,
  skips_the_fifth_page,
  busy_after_each_page,
  tells_of_whole_spans_only,
  events_before_the_unmap,
  events_after_the_fact,
  events_after_unregister,
  finishes_one_by_one,
  finishes_twice,
  finishes_backwards,
  refusal_ends_all,
  goes_on_when_refused,
  no_retry,
  forgets_sequence,
  silent_protection,
  settles_nothing,
  silent_migration,
  pinned_is_locked,
  device_is_resident,
  reaches_everything,
  takes_what_is_outside,
  tells_of_what_is_outside,
  reaches_every_device,
  owner_is_of_the_first,
  shared_is_pinned,
  swapped_is_hole,
  holes_are_untouched,
  nothing_follows,
  halves_are_whole,
  installs_nothing,
  leaves_locked,
  moves_first_page_only,
  splits_silently,
  split_loses_bytes,
  maps_blocks_backwards,
  installs_at_the_end,
  keeps_failed_destinations,
  ends_by_hand_only,
  discards_nothing,
  forgets_owner,
  allocates_single_pages,
  adopts_single_pages,
  frees_first_page_only,
  coherent_needs_a_fault,
  freed_is_elsewhere,
  id_is_of_the_machine,
  id_changes,
  tells_every_process,
  scope_is_of_the_model,
  scope_is_of_any_space,
  collects_its_own_pages_only,
  collects_nothing_after_exit,
  tells_its_own_watchers_only,
  fault_counts_as_a_pin,
  default_page_is_a_fault,
  fault_frees_its_neighbours,
  moves_on_nobodys_behalf,
  installs_with_a_reference,
  finalizes_with_a_put,
  puts_what_came_back,
  locks_in_find_vma,
  locks_in_find_first_vma,
  locks_in_snapshot,
  locks_in_fault_in,
  locks_in_read_retry,
  locks_in_set_sequence,
  locks_in_collect,
  locks_in_collect_pages,
  asks_for_a_lock_in_collect_pages,
  locks_in_install,
  locks_in_finalize,
  locks_in_adopt,
  locks_in_allocate,
  locks_in_clear,
  clears_nothing,
  clears_first_page_only,
  clears_what_lies_beside,
};

class flawed_memory : public wide::memory {
 public:
  explicit flawed_memory(flaw f) : flaw_(f) {}

 private:
  void tell_of_split(svm::device_page_owner<page>& behind, page first, svm::page_order from) override {
    if (flaw_ == flaw::split_loses_bytes)
      for (std::uint64_t i = 0; i < from.pages().value; ++i) of(wide::nth(first, i)).bytes.fill({});
    if (flaw_ != flaw::splits_silently) memory::tell_of_split(behind, first, from);
  }
  void tell_of_end(svm::device_page_owner<page>& behind, page first, svm::page_order order) override {
    memory::tell_of_end(behind, first, flaw_ == flaw::frees_first_page_only ? svm::page_order{} : order);
  }

  flaw const flaw_;
};

/// The process with blocks, with one flaw.
class flawed_mm : public wide::process {
 public:
  flawed_mm(wide::memory& pages, flaw f) : process(pages), memory_(pages), flaw_(f) {
    skips_the_fifth = f == flaw::skips_the_fifth_page;
  }

  static page page_at(page first, std::uint64_t n) noexcept {
    return process::page_at(first, skips_the_fifth && n == 5 ? 6 : n);
  }

  bool get_user() noexcept {
    bool const alive = process::get_user();
    if (alive && flaw_ == flaw::counts_no_users) put_user();
    return alive || flaw_ == flaw::user_after_exit;
  }
  svm::space_id id() const noexcept {
    if (flaw_ == flaw::id_is_of_the_machine) return {1};
    return {process::id().value + (flaw_ == flaw::id_changes && has_exited_ ? 100 : 0)};
  }
  svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept {
    lock_in(flaw::locks_in_find_vma);
    if (flaw_ == flaw::finds_the_next_vma) return process::find_first_vma({a, page_size * 1000});
    auto found = process::find_vma(a);
    if (found && flaw_ == flaw::extent_is_the_rest)
      found->extent = {a, found->extent.size() - (a - found->extent.start())};
    if (found && flaw_ == flaw::nothing_may_migrate) found->migratable = false;
    return found;
  }
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    lock_in(flaw::locks_in_snapshot);
    if (flaw_ == flaw::snapshots_fault_in) static_cast<void>(make_present(span, svm::access_kind::read));
    switch (flaw_) {
      case flaw::walks_backwards:
      case flaw::joins_what_is_apart:
      case flaw::goes_on_when_full:
      case flaw::skips_after_a_stop:
        return report(span, found);
      default:
        break;
    }
    if (flaw_ != flaw::owner_is_of_the_first) return process::snapshot(span, found);
    std::optional<svm::page_owner> first;
    for (svm::byte_count done{}; done < span.size(); done += page_size) {
      svm::page_run<page> room[1];
      svm::va_range const one{span.start() + done, page_size};
      svm::page_walk<process> walk{one, room};
      process::snapshot(one, walk);
      if (walk.runs().empty()) continue;
      room[0].owner = first.value_or(room[0].owner);
      first = room[0].owner;
      if (!found.add(one.start(), room[0])) return;
    }
  }
  svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    lock_in(flaw::locks_in_find_first_vma);
    if (flaw_ == flaw::first_vma_is_any) return find_vma(span.last());
    return process::find_first_vma(span);
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, svm::run_sink<page>& found) noexcept {
    lock_in(flaw::locks_in_fault_in);
    svm::access_kind const want = flaw_ == flaw::walks_for_reading ? svm::access_kind::read : request.want;
    svm::page_owner owner = request.owner;
    if (flaw_ == flaw::walks_bring_nothing_back) owner = gpu_owner;
    if (flaw_ == flaw::walks_leave_members_only && owner != gpu_owner) owner = svm::nobody;
    svm::va_range const span = request.span;
    svm::walk_request<registration> const read{span, want, owner, request.registration, request.sequence};
    if (flaw_ == flaw::walks_skip_the_last && span.size() > page_size) {
      svm::errc const e = make_present({span.start(), span.size() - page_size}, want, owner);
      if (e == svm::errc::ok) process::snapshot(span, found);
      return e;
    }
    if (flaw_ == flaw::busy_after_each_page)
      for (svm::byte_count done{}; done < span.size(); done += page_size) {
        std::uint64_t const before = events_told_;
        if (svm::errc const e = make_present({span.start() + done, page_size}, want, owner); e != svm::errc::ok)
          return e;
        if (events_told_ != before) return svm::errc::busy;
      }
    switch (flaw_) {
      case flaw::walks_say_read_only:
      case flaw::names_one_page_only:
      case flaw::full_is_busy:
        break;
      default:
        return process::fault_in(read, found);
    }
    std::vector<svm::page_run<page>> room(span.size().value / page_size.value);
    svm::page_walk<process> walk{span, room};
    svm::errc const e = process::fault_in(read, walk);
    svm::cpu_va at = span.start();
    for (svm::page_run<page> r : walk.runs()) {
      svm::byte_count const size = page_size * r.count;
      if (flaw_ == flaw::walks_say_read_only) {
        r.writable = false;
        if (!found.add(at, r)) break;
      } else if (flaw_ == flaw::full_is_busy) {
        if (!found.add(at, r)) return svm::errc::busy;
      } else if (r.place != svm::page_place::absent) {
        if (first_named_ == page{}) first_named_ = r.page;
        r.page = first_named_;
        r.count = 1;
        for (svm::byte_count done{}; done < size; done += page_size)
          if (!found.add(at + done, r)) return e;
      }
      at = at + size;
    }
    return e;
  }
  svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& target) noexcept {
    proxies_.emplace_back(flaw_, target);
    return process::register_notifier(r, span, proxies_.back());
  }
  bool read_retry(registration& r, std::uint64_t seen) noexcept {
    lock_in(flaw::locks_in_read_retry);
    return flaw_ != flaw::no_retry && process::read_retry(r, seen);
  }
  void set_sequence(registration& r, std::uint64_t value) noexcept {
    lock_in(flaw::locks_in_set_sequence);
    if (flaw_ != flaw::forgets_sequence) process::set_sequence(r, value);
  }
  void settle() noexcept {
    auto const late = std::exchange(late_, std::nullopt);
    if (!late || flaw_ == flaw::settles_nothing) return;
    tell(*late);
    after_unmap(late->span);
  }
  svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots, svm::page_owner reach) noexcept {
    lock_in(flaw::locks_in_collect);
    are_named_ = false;
    if (flaw_ == flaw::reaches_everything) reach = gpu_owner;
    if (flaw_ == flaw::takes_what_is_outside)
      for (slot& s : slots) s.state = svm::slot_state::untouched;
    if (flaw_ == flaw::tells_of_what_is_outside) tell({span, svm::invalidation_cause::migrate, reach});
    svm::errc const e = process::collect(session, span, slots, reach);
    misreport(slots);
    bool const is_half = slots.size() == 2 && !span.start().is_aligned(page_size * 4);
    if (flaw_ == flaw::halves_are_whole && is_half) slots[0].order = svm::page_order{2};
    slots_ = slots;
    return e;
  }
  void collect_pages(migration& session, std::span<slot> slots, svm::page_scope const* within, page faulting) noexcept {
    lock_in(flaw::locks_in_collect_pages);
    are_named_ = true;
    if (flaw_ == flaw::asks_for_a_lock_in_collect_pages) map_lock().assert_held_shared();
    process::collect_pages(session, slots, within, faulting);
    misreport(slots);
  }
  void install(migration& session) noexcept {
    lock_in(flaw::locks_in_install);
    if (flaw_ == flaw::installs_nothing) return;
    take_back();
    std::vector<page> kept_back(session.slots.size());
    for (std::size_t i = 0; i < session.slots.size(); ++i)
      if (flaw_ == flaw::moves_first_page_only && session.slots[i].follows)
        std::swap(kept_back[i], session.slots[i].destination);
    process::install(session);
    for (std::size_t i = 0; i < session.slots.size(); ++i)
      if (kept_back[i] != page{}) session.slots[i].destination = kept_back[i];
    if (flaw_ == flaw::installs_with_a_reference)
      for (page const p : moved(session)) ++memory_.block(p).references;
  }
  void finalize(migration& session) noexcept {
    lock_in(flaw::locks_in_finalize);
    take_back();
    std::vector<page> const there = moved(session);
    if (flaw_ == flaw::keeps_failed_destinations && session.home != nullptr && there.empty())
      for (slot const& s : session.slots)
        if (s.destination_order != svm::page_order{}) ++memory_.block(s.destination).references;
    if (flaw_ == flaw::installs_at_the_end && session.home != nullptr && there.empty()) process::install(session);
    process::finalize(session);
    if (flaw_ == flaw::leaves_locked)
      for (slot const& s : slots_)
        if (s.state == svm::slot_state::collected && memory_.is_live(s.source)) memory_.block(s.source).locked = true;
    for (page const p : there)
      if (flaw_ == flaw::finalizes_with_a_put || (flaw_ == flaw::puts_what_came_back && !memory_.of(p).is_device))
        memory_.put(p);
    slots_ = {};
  }
  svm::result<page> allocate_page(svm::page_order order) noexcept {
    lock_in(flaw::locks_in_allocate);
    return process::allocate_page(flaw_ == flaw::allocates_single_pages ? svm::page_order{} : order);
  }
  void clear_page(page first, svm::page_order order) noexcept {
    lock_in(flaw::locks_in_clear);
    if (flaw_ == flaw::clears_nothing) return;
    process::clear_page(first, flaw_ == flaw::clears_first_page_only ? svm::page_order{} : order);
    page const beside = wide::nth(first, order.pages().value);
    if (flaw_ == flaw::clears_what_lies_beside && memory_.has(beside)) memory_.of(beside).bytes.fill({});
  }
  void adopt_device_page(page p, svm::page_order order, svm::device_page_owner<page>& owner, bool coherent) noexcept {
    lock_in(flaw::locks_in_adopt);
    static suite::mm::counting_owner<page> someone_else{gpu_owner};
    process::adopt_device_page(p, flaw_ == flaw::adopts_single_pages ? svm::page_order{} : order,
                               flaw_ == flaw::forgets_owner ? someone_else : owner,
                               coherent && flaw_ != flaw::coherent_needs_a_fault);
  }
  void discard_page(page p) noexcept {
    if (flaw_ != flaw::discards_nothing) process::discard_page(p);
  }

  void exit() {
    process::exit();
    has_exited_ = true;
  }
  /// Another process, which hears of the events of this one when it should not.
  void set_neighbour(flawed_mm& other) { neighbour_ = &other; }
  void unmap(svm::va_range span) {
    bool const is_early = flaw_ == flaw::events_before_the_unmap;
    if (is_early) tell({span, svm::invalidation_cause::unmap});
    muted_ = is_early;
    munmap(span.start());
    muted_ = false;
    after_unmap(span);
  }
  /// The event comes when somebody settles.
  void unmap_with_a_late_event(svm::va_range span) {
    muted_ = true;
    munmap(span.start());
    muted_ = false;
    late_ = {span, svm::invalidation_cause::unmap};
  }

 private:
  /// After an unmap: what should have come before.
  void after_unmap(svm::va_range span) {
    std::vector<proxy*> pending;
    for (proxy& p : proxies_)
      if (p.after_unmap(span)) pending.push_back(&p);
    for (proxy* const p : pending) p->finish_invalidation({span, svm::invalidation_cause::unmap});
  }
  /// Between the mm and a target.
  class proxy final : public svm::invalidation_target {
   public:
    proxy(flaw f, svm::invalidation_target& target) : flaw_(f), target_(target) {}
    svm::invalidation_answer invalidate(svm::invalidation const& event, std::uint64_t sequence) noexcept override {
      using enum svm::invalidation_answer;
      sequence_ = sequence;
      if (flaw_ == flaw::events_after_the_fact && event.cause == svm::invalidation_cause::unmap) return done;
      if (flaw_ == flaw::silent_protection && event.cause == svm::invalidation_cause::protection) return done;
      if (flaw_ == flaw::silent_migration && event.cause == svm::invalidation_cause::migrate) return done;
      auto const answer = target_.invalidate(event, sequence);
      if (flaw_ == flaw::goes_on_when_refused && answer == refused) return done;
      if (flaw_ == flaw::finishes_one_by_one && answer == pending) {
        target_.finish_invalidation(event);
        return done;
      }
      return answer;
    }
    void finish_invalidation(svm::invalidation const& event) noexcept override {
      target_.finish_invalidation(event);
      if (flaw_ == flaw::finishes_twice) target_.finish_invalidation(event);
    }
    /// True when the target is to be finished.
    bool after_unmap(svm::va_range span) {
      bool const again = flaw_ == flaw::events_after_unregister && unmaps_++ != 0;
      if (!again && (flaw_ != flaw::events_after_the_fact || sequence_ == 0)) return false;
      auto const answer = target_.invalidate({span, svm::invalidation_cause::unmap}, std::exchange(sequence_, 0));
      return answer == svm::invalidation_answer::pending;
    }

   private:
    flaw const flaw_;
    svm::invalidation_target& target_;
    std::uint64_t sequence_ = 0;
    int unmaps_ = 0;
  };

  /// Faults pages in where it can, and reports nothing.
  svm::errc make_present(svm::va_range span, svm::access_kind want, svm::page_owner owner = gpu_owner) {
    registration nobody_watches;
    svm::page_run<page> room[1];
    svm::page_walk<process> walk{span, room};
    return process::fault_in({span, want, owner, nobody_watches, 0}, walk);
  }
  /// Reports what is present, in a wrong way.
  void report(svm::va_range span, svm::run_sink<page>& found) {
    std::vector<svm::page_run<page>> room(span.size().value / page_size.value);
    svm::page_walk<process> walk{span, room};
    process::snapshot(span, walk);
    walk.finish();
    std::vector<std::pair<svm::cpu_va, svm::page_run<page>>> all;
    svm::cpu_va at = span.start();
    for (svm::page_run<page> const& r : walk.runs()) {
      bool const is_next = !all.empty() && all.back().first + page_size * all.back().second.count == at;
      if (r.place == svm::page_place::absent) {
      } else if (flaw_ == flaw::joins_what_is_apart && is_next && all.back().second.owner == r.owner) {
        all.back().second.count += r.count;
      } else {
        all.emplace_back(at, r);
      }
      at = at + page_size * r.count;
    }
    if (flaw_ == flaw::walks_backwards) std::reverse(all.begin(), all.end());
    if (std::exchange(has_stopped_, false) && !all.empty()) {
      svm::page_run<page>& first = all.front().second;
      all.front().first = all.front().first + page_size;
      first.page = wide::nth(first.page, 1);
      if (--first.count == 0) all.erase(all.begin());
    }
    for (auto const& [start, run] : all) {
      if (found.add(start, run) || flaw_ == flaw::goes_on_when_full) continue;
      has_stopped_ = flaw_ == flaw::skips_after_a_stop;
      return;
    }
  }
  /// Takes the map lock where it must not.
  void lock_in(flaw f) {
    if (flaw_ == f) svm::shared_guard const guard{map_lock()};
  }
  /// The destinations that got a mapping.
  static std::vector<page> moved(migration const& session) {
    std::vector<page> all;
    for (std::size_t i = 0; session.home != nullptr && i < session.slots.size(); ++i)
      if (session.moved[i] && session.slots[i].destination != page{}) all.push_back(session.slots[i].destination);
    return all;
  }

  bool ends_by_itself() const override { return flaw_ != flaw::ends_by_hand_only; }
  void move(migration& session, std::size_t i, std::size_t count) override {
    if (flaw_ != flaw::maps_blocks_backwards) return process::move(session, i, count);
    page const to = session.slots[i].destination;
    for (std::size_t k = 0; k < count; ++k) move_one(session, i + k, wide::nth(to, count - 1 - k));
  }
  bool is_within(page p, svm::page_scope const* within) override {
    if (flaw_ == flaw::collects_its_own_pages_only && memory_.of(p).home != this) return false;
    if (flaw_ == flaw::collects_nothing_after_exit && has_exited_) return false;
    if (within == nullptr) return process::is_within(p, within);
    svm::page_scope read = *within;
    if (flaw_ == flaw::scope_is_of_the_model) read.space = process::id();
    if (flaw_ == flaw::scope_is_of_any_space && memory_.of(p).at) read.space = memory_.of(p).home->id();
    return process::is_within(p, &read);
  }
  bool is_in_reach(page p, svm::page_owner reach) override {
    if (flaw_ == flaw::device_is_resident) return false;
    return process::is_in_reach(p, reach) || (flaw_ == flaw::reaches_every_device && reach != svm::nobody);
  }
  unsigned references_of_fault(page first, page faulting) override {
    if (flaw_ == flaw::fault_counts_as_a_pin) return 0;
    if (flaw_ == flaw::default_page_is_a_fault && are_named_ && faulting == page{})
      return memory_.of(first).references - 1;
    if (flaw_ == flaw::fault_frees_its_neighbours && faulting != page{}) return memory_.of(first).references - 1;
    return process::references_of_fault(first, faulting);
  }
  void tell_owner_of(page p, svm::invalidation const& event) override {
    if (flaw_ == flaw::tells_its_own_watchers_only)
      static_cast<void>(tell(event));
    else
      process::tell_owner_of(p, event);
  }
  bool tell(svm::invalidation const& event) override {
    if (muted_) return true;
    ++events_told_;
    if (flaw_ == flaw::tells_every_process && neighbour_ != nullptr && event.cause == svm::invalidation_cause::unmap)
      static_cast<void>(neighbour_->process::tell(event));
    if (flaw_ == flaw::moves_on_nobodys_behalf) return process::tell({event.span, event.cause});
    switch (flaw_) {
      case flaw::finishes_backwards:
      case flaw::refusal_ends_all:
      case flaw::tells_of_whole_spans_only:
        break;
      default:
        return process::tell(event);
    }
    std::uint64_t const sequence = next_event();
    std::deque<svm::invalidation_target*> pending;
    for (registration* const r : watchers()) {
      if (!r->span->overlaps(event.span)) continue;
      if (flaw_ == flaw::tells_of_whole_spans_only && !r->span->contains(event.span)) continue;
      auto const answer = r->target->invalidate(event, sequence);
      if (answer == svm::invalidation_answer::refused && flaw_ == flaw::refusal_ends_all) return false;
      if (answer == svm::invalidation_answer::pending && flaw_ != flaw::finishes_backwards)
        pending.push_back(r->target);
      if (answer == svm::invalidation_answer::pending && flaw_ == flaw::finishes_backwards)
        pending.push_front(r->target);
      if (answer != svm::invalidation_answer::refused) continue;
      for (svm::invalidation_target* const target : pending) target->finish_invalidation(event);
      return false;
    }
    for (svm::invalidation_target* const target : pending) target->finish_invalidation(event);
    return true;
  }

  void misreport(std::span<slot> slots) const {
    using enum svm::slot_state;
    auto const say = [&](flaw f, slot& s, svm::slot_state instead_of, svm::slot_state what) {
      if (flaw_ == f && s.state == instead_of) s.state = what;
    };
    for (slot& s : slots) {
      say(flaw::pinned_is_locked, s, pinned, locked);
      say(flaw::shared_is_pinned, s, shared, pinned);
      say(flaw::swapped_is_hole, s, swapped, hole);
      say(flaw::holes_are_untouched, s, hole, untouched);
      say(flaw::freed_is_elsewhere, s, untouched, elsewhere);
      if (flaw_ == flaw::nothing_follows) s.follows = false;
    }
  }
  /// The model itself must not fall over what it said.
  void take_back() const {
    if (flaw_ == flaw::halves_are_whole && slots_.size() == 2) slots_[0].order = {};
  }

  wide::memory& memory_;
  flaw const flaw_;
  bool has_exited_ = false;
  bool are_named_ = false;    ///< the pages that are collected
  page first_named_;          ///< of all that walks told of
  bool has_stopped_ = false;  ///< a walk
  bool muted_ = false;        ///< events are not told
  std::uint64_t events_told_ = 0;
  std::optional<svm::invalidation> late_;
  static inline bool skips_the_fifth = false;
  flawed_mm* neighbour_ = nullptr;
  std::span<slot> slots_;
  std::deque<proxy> proxies_;
};
static_assert(svm::mm<flawed_mm> && svm::settling_mm<flawed_mm>);

/// The same, and it says of its notifiers what they do not do.
class candid_mm : public flawed_mm {
 public:
  static constexpr bool invalidates_before_unmap = false;
  static constexpr bool reports_protection = false;
  using flawed_mm::flawed_mm;
};
static_assert(svm::mm<candid_mm>);

/// A process of a bench.
template <class Mm>
class bench_process {
 public:
  using mm_type = Mm;

  bench_process(wide::memory& pages, flaw f) : process_(pages, f) {}

  mm_type& mm() { return process_; }
  svm::va_range map(std::size_t pages) { return map_with(pages, {}, true); }
  svm::va_range map_read_only(std::size_t pages) { return map_with(pages, {}, false); }
  svm::va_range map_large() { return map_with(4, svm::page_order{2}, true); }
  void unmap(svm::va_range mapping) { process_.unmap(mapping); }
  void unmap_with_a_late_event(svm::va_range mapping) { process_.unmap_with_a_late_event(mapping); }
  void forbid_writing(svm::va_range mapping) { process_.forbid_writing(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) { return process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return process_.load(a); }
  bool has_vma(svm::cpu_va a) { return process_.wide::process::find_vma(a).has_value(); }
  void exit() { process_.exit(); }
  bool clear_without_waiting(svm::va_range span) { return process_.clear_without_waiting(span); }
  void share(svm::va_range span) { process_.share(span); }
  void swap_out(svm::cpu_va a) { process_.swap_out(a); }

 private:
  svm::va_range map_with(std::size_t pages, svm::page_order order, bool writable) {
    svm::va_range const span{next_, wide::page_size * pages};
    process_.mmap(span, order, writable);
    next_ = next_ + wide::page_size * 16;
    return span;
  }

  Mm process_;
  svm::cpu_va next_{wide::page_bytes * 16};
};

using bench_memory = wide::memory_bench<flawed_memory>;

template <class Mm>
class bench : public bench_memory, public bench_process<Mm> {
 public:
  using page = wide::page;
  using lock_type = wide::lock_policy;

  explicit bench(flaw f) : bench_memory(f), bench_process<Mm>(memory, f), other_(memory, f) {
    other_.mm().set_neighbour(this->mm());
  }
  ~bench() { static_cast<void>(lock_complaints()); }

  bench_process<Mm>& other() { return other_; }
  std::size_t lock_complaints() { return complaints_ += svm::mock::lock_report().take().size(); }

  svm::page_owner stranger_owner() { return other_owner; }
  svm::page_owner owner() { return gpu_owner; }

 private:
  bench_process<Mm> other_;
  std::size_t complaints_ = 0;
};

/// Just this promise, of an address space, of its notifiers or of its page migration.
[[nodiscard]] broken_promises space(int number) {
  return {suite::address_space::promises, {number}};
}
[[nodiscard]] broken_promises notifier(int number) {
  return {suite::interval_notifier::promises, {number}};
}
[[nodiscard]] broken_promises migration(int number) {
  return {suite::page_migration::promises, {number}};
}
template <class Mm = flawed_mm>
[[nodiscard]] broken_promises found_in(flaw f) {
  return suite::mm::check_all([f] { return std::make_unique<bench<Mm>>(f); });
}

}  // namespace

TEST_SUITE("conformance/mm") {
  TEST_CASE("an address space with blocks keeps the promises of an mm") {
    CHECK(found_in(flaw::none) == kept);
  }

  TEST_CASE("an mm that is broken in one way is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(user_after_exit) == space(1));
    CHECK(found_in(counts_no_users) == space(2));
    CHECK(found_in(first_vma_is_any) == space(6));
    CHECK(found_in(extent_is_the_rest) == space(5));
    CHECK(found_in(finds_the_next_vma) == space(5));
    CHECK(found_in(nothing_may_migrate) == space(5));
    CHECK(found_in(snapshots_fault_in) == space(14));
    CHECK(found_in(walks_skip_the_last) == space(8));
    CHECK(found_in(walks_say_read_only) == space(9));
    CHECK(found_in(walks_for_reading) == space(10));
    CHECK(found_in(walks_bring_nothing_back) == space(12));
    CHECK(found_in(walks_leave_members_only) == space(11));
    CHECK(found_in(busy_after_each_page) == space(13));
    CHECK(found_in(walks_backwards) == space(15));
    CHECK(found_in(names_one_page_only) == space(16));
    CHECK(found_in(joins_what_is_apart) == space(17));
    CHECK(found_in(goes_on_when_full) == space(18));
    CHECK(found_in(full_is_busy) == space(18));
    CHECK(found_in(skips_after_a_stop) == space(19));
    CHECK(found_in(skips_the_fifth_page) == space(20));
    CHECK(found_in(owner_is_of_the_first) == space(16));
    CHECK(found_in(tells_of_whole_spans_only) == notifier(1));
    CHECK(found_in(events_before_the_unmap) == notifier(4));
    CHECK(found_in(silent_protection) == notifier(13));
    CHECK(found_in(settles_nothing) == notifier(14));
    CHECK(found_in(events_after_the_fact) == notifier(3));
    CHECK(found_in(events_after_unregister) == notifier(8));
    CHECK(found_in(finishes_one_by_one) == notifier(5));
    CHECK(found_in(finishes_twice) == notifier(6));
    CHECK(found_in(finishes_backwards) == notifier(6));
    CHECK(found_in(refusal_ends_all) == notifier(6));
    CHECK(found_in(goes_on_when_refused) == notifier(7));
    CHECK(found_in(no_retry) == notifier(11));
    CHECK(found_in(forgets_sequence) == notifier(10));
    CHECK(found_in(silent_migration) == migration(3));
    CHECK(found_in(pinned_is_locked) == migration(4));
    CHECK(found_in(device_is_resident) == migration(2));
    CHECK(found_in(reaches_everything) == migration(2));
    CHECK(found_in(takes_what_is_outside) == migration(31));
    CHECK(found_in(tells_of_what_is_outside) == migration(31));
    CHECK(found_in(reaches_every_device) == migration(2));
    CHECK(found_in(shared_is_pinned) == migration(4));
    CHECK(found_in(swapped_is_hole) == migration(4));
    CHECK(found_in(holes_are_untouched) == migration(1));
    CHECK(found_in(nothing_follows) == migration(5));
    CHECK(found_in(halves_are_whole) == migration(5));
    CHECK(found_in(installs_nothing) == migration(9));
    CHECK(found_in(installs_at_the_end) == migration(12));
    CHECK(found_in(leaves_locked) == migration(13));
    CHECK(found_in(moves_first_page_only) == migration(9));
    CHECK(found_in(splits_silently) == migration(11));
    CHECK(found_in(split_loses_bytes) == migration(10));
    CHECK(found_in(maps_blocks_backwards) == migration(9));
    CHECK(found_in(keeps_failed_destinations) == migration(14));
    CHECK(found_in(ends_by_hand_only) == migration(15));
    CHECK(found_in(discards_nothing) == migration(21));
    CHECK(found_in(forgets_owner) == migration(19));
    CHECK(found_in(allocates_single_pages) == migration(17));
    CHECK(found_in(adopts_single_pages) == migration(18));
    CHECK(found_in(frees_first_page_only) == migration(19));
    CHECK(found_in(coherent_needs_a_fault) == migration(20));
    CHECK(found_in(freed_is_elsewhere) == migration(23));
    CHECK(found_in(clears_nothing) == migration(32));
    CHECK(found_in(clears_first_page_only) == migration(32));
    CHECK(found_in(clears_what_lies_beside) == migration(32));
  }

  TEST_CASE("an mm that says what its notifiers do not do is not reported for that, and for everything else it is") {
    using enum flaw;
    CHECK(found_in<candid_mm>(events_after_the_fact) == kept);
    CHECK(found_in<candid_mm>(events_before_the_unmap) == kept);
    CHECK(found_in<candid_mm>(silent_protection) == kept);
    CHECK(found_in<candid_mm>(finishes_twice) == notifier(6));
    CHECK(found_in<candid_mm>(no_retry) == notifier(11));
  }

  TEST_CASE("an mm that was read in a wrong way is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(id_is_of_the_machine) == space(4));
    CHECK(found_in(id_changes) == space(3));
    CHECK(found_in(tells_every_process) == notifier(2));
    CHECK(found_in(scope_is_of_the_model) == migration(7));
    CHECK(found_in(scope_is_of_any_space) == migration(7));
    CHECK(found_in(collects_its_own_pages_only) == migration(6));
    CHECK(found_in(collects_nothing_after_exit) == migration(6));
    CHECK(found_in(tells_its_own_watchers_only) == migration(3));
    CHECK(found_in(fault_counts_as_a_pin) == migration(8));
    CHECK(found_in(default_page_is_a_fault) == migration(8));
    CHECK(found_in(fault_frees_its_neighbours) == migration(8));
    CHECK(found_in(moves_on_nobodys_behalf) == migration(3));
    CHECK(found_in(installs_with_a_reference) == migration(16));
    CHECK(found_in(finalizes_with_a_put) == migration(16));
    CHECK(found_in(puts_what_came_back) == migration(16));
  }

  TEST_CASE("an mm that takes the map lock, or counts on it, where it must not is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(locks_in_find_vma) == space(21));
    CHECK(found_in(locks_in_find_first_vma) == space(21));
    CHECK(found_in(locks_in_snapshot) == space(21));
    CHECK(found_in(locks_in_fault_in) == space(21));
    CHECK(found_in(locks_in_read_retry) == notifier(15));
    CHECK(found_in(locks_in_set_sequence) == notifier(15));
    CHECK(found_in(locks_in_collect) == migration(24));
    CHECK(found_in(locks_in_collect_pages) == migration(24));
    CHECK(found_in(asks_for_a_lock_in_collect_pages) == migration(24));
    CHECK(found_in(locks_in_install) == migration(24));
    CHECK(found_in(locks_in_finalize) == migration(24));
    CHECK(found_in(locks_in_adopt) == migration(24));
    CHECK(found_in(locks_in_allocate) == migration(24));
    CHECK(found_in(locks_in_clear) == migration(24));
  }
}
