// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/mm.hpp>

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
namespace suite = svm::conformance::mm;
using wide::page;

constexpr svm::page_owner gpu_owner{1, 2};

enum class flaw {
  none,
  user_after_exit,
  first_vma_is_any,
  walks_for_reading,
  walks_bring_nothing_back,
  walks_leave_members_only,
  claims_too_much,
  events_after_the_fact,
  events_after_unregister,
  finishes_one_by_one,
  finishes_twice,
  finishes_backwards,
  refusal_ends_all,
  goes_on_when_refused,
  no_retry,
  forgets_sequence,
  silent_migration,
  pinned_is_locked,
  device_is_resident,
  reaches_everything,
  shared_is_pinned,
  swapped_is_hole,
  nothing_follows,
  halves_are_whole,
  installs_nothing,
  leaves_locked,
  moves_first_page_only,
  splits_silently,
  discards_nothing,
  forgets_owner,
  allocates_single_pages,
  adopts_single_pages,
  frees_first_page_only,
  coherent_needs_a_fault,
  freed_is_elsewhere,
  scope_is_of_any_space,
};

class flawed_memory : public wide::memory {
 public:
  explicit flawed_memory(flaw f) : flaw_(f) {}

 private:
  void tell_of_split(svm::device_page_owner<page>& behind, page first, svm::page_order from) override {
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
  flawed_mm(wide::memory& pages, flaw f) : process(pages), memory_(pages), flaw_(f) {}

  bool get_user() noexcept {
    bool const alive = process::get_user();
    return alive || flaw_ == flaw::user_after_exit;
  }
  svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    if (flaw_ == flaw::first_vma_is_any) return find_vma(span.last());
    return process::find_first_vma(span);
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, svm::run_sink<page>& found) noexcept {
    svm::access_kind const want = flaw_ == flaw::walks_for_reading ? svm::access_kind::read : request.want;
    svm::page_owner owner = request.owner;
    if (flaw_ == flaw::walks_bring_nothing_back) owner = gpu_owner;
    if (flaw_ == flaw::walks_leave_members_only && owner != gpu_owner) owner = svm::nobody;
    svm::page_run<page> room[1];
    svm::page_walk<process> first{{request.span.start(), page_size}, room};
    bool const claims = flaw_ == flaw::claims_too_much;
    svm::errc const e =
        process::fault_in({request.span, want, owner, request.registration, request.sequence}, claims ? first : found);
    if (claims && e == svm::errc::ok) {
      room[0].count = 8;
      static_cast<void>(found.add(request.span.start(), room[0]));
    }
    return e;
  }
  svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& target) noexcept {
    proxies_.emplace_back(flaw_, target);
    return process::register_notifier(r, span, proxies_.back());
  }
  bool read_retry(registration& r, std::uint64_t seen) noexcept {
    return flaw_ != flaw::no_retry && process::read_retry(r, seen);
  }
  void set_sequence(registration& r, std::uint64_t value) noexcept {
    if (flaw_ != flaw::forgets_sequence) process::set_sequence(r, value);
  }
  svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots, svm::page_owner reach) noexcept {
    if (flaw_ == flaw::device_is_resident) reach = svm::nobody;
    if (flaw_ == flaw::reaches_everything) reach = gpu_owner;
    svm::errc const e = process::collect(session, span, slots, reach);
    misreport(slots);
    bool const is_half = slots.size() == 2 && !span.start().is_aligned(page_size * 4);
    if (flaw_ == flaw::halves_are_whole && is_half) slots[0].order = svm::page_order{2};
    slots_ = slots;
    return e;
  }
  void collect_pages(migration& session, std::span<slot> slots, svm::page_scope const* within, page faulting) noexcept {
    std::optional<svm::page_scope> own;
    if (flaw_ == flaw::scope_is_of_any_space && within != nullptr) own.emplace(svm::page_scope{id(), within->span});
    process::collect_pages(session, slots, own ? &*own : within, faulting);
    misreport(slots);
  }
  void install(migration& session) noexcept {
    if (flaw_ == flaw::installs_nothing) return;
    take_back();
    std::vector<page> kept_back(session.slots.size());
    for (std::size_t i = 0; i < session.slots.size(); ++i)
      if (flaw_ == flaw::moves_first_page_only && session.slots[i].follows)
        std::swap(kept_back[i], session.slots[i].destination);
    process::install(session);
    for (std::size_t i = 0; i < session.slots.size(); ++i)
      if (kept_back[i] != page{}) session.slots[i].destination = kept_back[i];
  }
  void finalize(migration& session) noexcept {
    take_back();
    process::finalize(session);
    if (flaw_ == flaw::leaves_locked)
      for (slot const& s : slots_)
        if (s.state == svm::slot_state::collected && memory_.is_live(s.source)) memory_.block(s.source).locked = true;
    slots_ = {};
  }
  svm::result<page> allocate_page(svm::page_order order) noexcept {
    return process::allocate_page(flaw_ == flaw::allocates_single_pages ? svm::page_order{} : order);
  }
  void adopt_device_page(page p, svm::page_order order, svm::device_page_owner<page>& owner, bool coherent) noexcept {
    static suite::counting_owner<page> someone_else{gpu_owner};
    process::adopt_device_page(p, flaw_ == flaw::adopts_single_pages ? svm::page_order{} : order,
                               flaw_ == flaw::forgets_owner ? someone_else : owner,
                               coherent && flaw_ != flaw::coherent_needs_a_fault);
  }
  void discard_page(page p) noexcept {
    if (flaw_ != flaw::discards_nothing) process::discard_page(p);
  }

  /// After an unmap: what should have come before.
  void after_unmap(svm::va_range span) {
    for (proxy& p : proxies_) p.after_unmap(span);
  }

 private:
  /// Between the mm and a target.
  class proxy final : public svm::invalidation_target {
   public:
    proxy(flaw f, svm::invalidation_target& target) : flaw_(f), target_(target) {}
    svm::invalidation_answer invalidate(svm::invalidation const& event, std::uint64_t sequence) noexcept override {
      using enum svm::invalidation_answer;
      sequence_ = sequence;
      if (flaw_ == flaw::events_after_the_fact && event.cause == svm::invalidation_cause::unmap) return done;
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
    void after_unmap(svm::va_range span) {
      bool const again = flaw_ == flaw::events_after_unregister && unmaps_++ != 0;
      if (again || (flaw_ == flaw::events_after_the_fact && sequence_ != 0))
        static_cast<void>(target_.invalidate({span, svm::invalidation_cause::unmap}, std::exchange(sequence_, 0)));
    }

   private:
    flaw const flaw_;
    svm::invalidation_target& target_;
    std::uint64_t sequence_ = 0;
    int unmaps_ = 0;
  };

  bool tell(svm::invalidation const& event) override {
    if (flaw_ != flaw::finishes_backwards && flaw_ != flaw::refusal_ends_all) return process::tell(event);
    std::uint64_t const sequence = next_event();
    std::deque<svm::invalidation_target*> pending;
    for (registration* const r : watchers()) {
      if (!r->span->overlaps(event.span)) continue;
      auto const answer = r->target->invalidate(event, sequence);
      if (answer == svm::invalidation_answer::refused && flaw_ == flaw::refusal_ends_all) return false;
      if (answer == svm::invalidation_answer::pending && flaw_ == flaw::refusal_ends_all) pending.push_back(r->target);
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
  std::span<slot> slots_;
  std::deque<proxy> proxies_;
};
static_assert(svm::mm<flawed_mm>);

class bench {
 public:
  using mm_type = flawed_mm;
  using page = wide::page;

  explicit bench(flaw f) : memory_(f), process_(memory_, f) {}

  mm_type& mm() { return process_; }
  svm::va_range map(std::size_t pages) { return map_with(pages, {}, true); }
  svm::va_range map_read_only(std::size_t pages) { return map_with(pages, {}, false); }
  svm::va_range map_large() { return map_with(4, svm::page_order{2}, true); }
  void unmap(svm::va_range mapping) {
    process_.munmap(mapping.start());
    process_.after_unmap(mapping);
  }
  bool store(svm::cpu_va a, std::uint64_t value) { return process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return process_.load(a); }
  bool has_vma(svm::cpu_va a) { return process_.find_vma(a).has_value(); }
  void exit() { process_.exit(); }
  bool clear_without_waiting(svm::va_range span) { return process_.clear_without_waiting(span); }
  void share(svm::va_range span) { process_.share(span); }
  void swap_out(svm::cpu_va a) { process_.swap_out(a); }

  bool is_live(page p) { return memory_.is_live(p); }
  std::uint64_t peek(page p) { return wide::first_word(memory_.of(p).bytes.data()); }
  void poke(page p, std::uint64_t value) { std::memcpy(memory_.of(p).bytes.data(), &value, sizeof value); }
  void set_locked(page p, bool locked) { memory_.block(p).locked = locked; }
  void set_pinned(page p, bool pinned) {
    if (pinned)
      ++memory_.block(p).references;
    else
      memory_.put(p);
  }
  std::vector<page> device_pages(std::size_t count) {
    std::vector<page> pages;
    for (std::size_t i = 0; i < count; ++i) pages.push_back(memory_.add(1, true));
    return pages;
  }
  page coherent_page() { return memory_.add(1, true); }
  page device_block(svm::page_order order) { return memory_.add(order.pages().value, true); }
  page nth(page first, std::size_t i) { return wide::nth(first, i); }
  svm::page_owner owner() { return gpu_owner; }

 private:
  svm::va_range map_with(std::size_t pages, svm::page_order order, bool writable) {
    svm::va_range const span{next_, wide::page_size * pages};
    process_.mmap(span, order, writable);
    next_ = next_ + wide::page_size * 16;
    return span;
  }

  flawed_memory memory_;
  flawed_mm process_;
  svm::cpu_va next_{wide::page_bytes * 16};
};

[[nodiscard]] broken_promises found_in(flaw f) {
  return suite::check_all([f] { return std::make_unique<bench>(f); });
}

}  // namespace

TEST_SUITE("conformance/mm") {
  TEST_CASE("an address space with blocks keeps the promises of an mm") {
    CHECK(found_in(flaw::none) == kept);
  }

  TEST_CASE("an mm that is broken in one way is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(user_after_exit) == broken_promises{1});
    CHECK(found_in(first_vma_is_any) == broken_promises{2});
    CHECK(found_in(walks_for_reading) == broken_promises{3});
    CHECK(found_in(walks_bring_nothing_back) == broken_promises{3});
    CHECK(found_in(walks_leave_members_only) == broken_promises{3});
    CHECK(found_in(claims_too_much) == broken_promises{3});
    CHECK(found_in(events_after_the_fact) == broken_promises{4});
    CHECK(found_in(events_after_unregister) == broken_promises{4});
    CHECK(found_in(finishes_one_by_one) == broken_promises{4});
    CHECK(found_in(finishes_twice) == broken_promises{4});
    CHECK(found_in(finishes_backwards) == broken_promises{4});
    CHECK(found_in(refusal_ends_all) == broken_promises{4});
    CHECK(found_in(goes_on_when_refused) == broken_promises{4});
    CHECK(found_in(no_retry) == broken_promises{5});
    CHECK(found_in(forgets_sequence) == broken_promises{5});
    CHECK(found_in(silent_migration) == broken_promises{6});
    CHECK(found_in(pinned_is_locked) == broken_promises{6});
    CHECK(found_in(device_is_resident) == broken_promises{6});
    CHECK(found_in(reaches_everything) == broken_promises{6});
    CHECK(found_in(shared_is_pinned) == broken_promises{6});
    CHECK(found_in(swapped_is_hole) == broken_promises{6});
    CHECK(found_in(nothing_follows) == broken_promises{6});
    CHECK(found_in(halves_are_whole) == broken_promises{6});
    CHECK(found_in(installs_nothing) == broken_promises{7});
    CHECK(found_in(leaves_locked) == broken_promises{7});
    CHECK(found_in(moves_first_page_only) == broken_promises{7});
    CHECK(found_in(splits_silently) == broken_promises{7});
    CHECK(found_in(discards_nothing) == broken_promises{8});
    CHECK(found_in(forgets_owner) == broken_promises{8});
    CHECK(found_in(allocates_single_pages) == broken_promises{8});
    CHECK(found_in(adopts_single_pages) == broken_promises{8});
    CHECK(found_in(frees_first_page_only) == broken_promises{8});
    CHECK(found_in(coherent_needs_a_fault) == broken_promises{8});
    CHECK(found_in(freed_is_elsewhere) == broken_promises{9});
    CHECK(found_in(scope_is_of_any_space) == broken_promises{6});
  }
}
