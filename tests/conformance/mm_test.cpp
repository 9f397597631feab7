// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <conformance/mm.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <support/world.hpp>

namespace {

using conformance::broken_promises;
using conformance::kept;
namespace suite = conformance::mm;
using address_space = svm::mock::address_space<support::lock_policy>;

/// The address space of the simulated machine, with one flaw.
class flawed_mm : public address_space {
 public:
  enum class flaw {
    none,
    user_after_exit,
    first_vma_is_any,
    walks_for_reading,
    walks_bring_nothing_back,
    events_after_the_fact,
    events_after_unregister,
    no_retry,
    forgets_sequence,
    silent_migration,
    pinned_is_locked,
    installs_nothing,
    leaves_locked,
    discards_nothing,
    forgets_owner,
    freed_is_elsewhere,
  };
  flawed_mm(support::machine& pc, flaw f)
      : address_space(pc.frames, pc.clock, pc.failures, pc.broken, pc.hooks, pc.gpu_owner),
        frames_(pc.frames),
        flaw_(f) {}

  bool get_user() noexcept {
    bool const alive = address_space::get_user();
    return alive || flaw_ == flaw::user_after_exit;
  }
  svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    if (flaw_ == flaw::first_vma_is_any) return find_vma(span.last());
    return address_space::find_first_vma(span);
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, std::span<entry> out) noexcept {
    if (flaw_ == flaw::walks_for_reading)
      return address_space::fault_in(
          {request.span, svm::access::read, request.owner, request.registration, request.sequence}, out);
    if (flaw_ == flaw::walks_bring_nothing_back)
      return address_space::fault_in(
          {request.span, request.want, support::machine::gpu_owner, request.registration, request.sequence}, out);
    return address_space::fault_in(request, out);
  }
  svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& target) noexcept {
    proxies_.emplace_back(flaw_, target);
    return address_space::register_notifier(r, span, proxies_.back());
  }
  bool read_retry(registration const& r, std::uint64_t seen) noexcept {
    return flaw_ != flaw::no_retry && address_space::read_retry(r, seen);
  }
  void set_sequence(registration& r, std::uint64_t value) noexcept {
    if (flaw_ != flaw::forgets_sequence) address_space::set_sequence(r, value);
  }
  svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots) noexcept {
    svm::errc const e = address_space::collect(session, span, slots);
    misreport(slots);
    slots_ = slots;
    return e;
  }
  void collect_pages(migration& session, std::span<slot> slots, svm::va_range const* within, page faulting) noexcept {
    address_space::collect_pages(session, slots, within, faulting);
    misreport(slots);
  }
  void install(migration& session) noexcept {
    if (flaw_ != flaw::installs_nothing) address_space::install(session);
  }
  void finalize(migration& session) noexcept {
    address_space::finalize(session);
    if (flaw_ == flaw::leaves_locked)
      for (slot const& s : slots_)
        if (s.state == svm::slot_state::collected && frames_.is_alive(s.source)) frames_.of(s.source).locked = true;
    slots_ = {};
  }
  void adopt_device_page(page p, svm::device_page_owner<page>& owner) noexcept {
    static suite::counting_owner<page> someone_else;
    address_space::adopt_device_page(p, flaw_ == flaw::forgets_owner ? someone_else : owner);
  }
  void discard_page(page p) noexcept {
    if (flaw_ != flaw::discards_nothing) address_space::discard_page(p);
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
    bool invalidate(svm::invalidation const& event, std::uint64_t sequence) noexcept override {
      sequence_ = sequence;
      if (flaw_ == flaw::events_after_the_fact && event.cause == svm::invalidation_cause::unmap) return true;
      if (flaw_ == flaw::silent_migration && event.cause == svm::invalidation_cause::migrate) return true;
      return target_.invalidate(event, sequence);
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

  void misreport(std::span<slot> slots) const {
    for (slot& s : slots) {
      if (flaw_ == flaw::pinned_is_locked && s.state == svm::slot_state::pinned) s.state = svm::slot_state::locked;
      if (flaw_ == flaw::freed_is_elsewhere && s.state == svm::slot_state::untouched)
        s.state = svm::slot_state::elsewhere;
    }
  }

  svm::mock::physical_memory<support::lock_policy>& frames_;
  flaw const flaw_;
  std::span<slot> slots_;
  std::deque<proxy> proxies_;
};
static_assert(svm::mm<flawed_mm>);

/// A process on the simulated machine.
class mock_bench {
 public:
  using mm_type = flawed_mm;
  using page = svm::mock::page;

  explicit mock_bench(flawed_mm::flaw f)
      : pc_(support::options(), *support::machine::check(support::options())), process_(pc_, f), flaw_(f) {}
  ~mock_bench() {
    std::vector<std::string> const said = pc_.broken.take();
    std::vector<std::string> const locks = svm::mock::lock_report().take();
    if (flaw_ != flawed_mm::flaw::none) return;
    CHECK_MESSAGE(said.empty(), said.front());
    CHECK_MESSAGE(locks.empty(), locks.front());
  }

  mm_type& mm() { return process_; }
  svm::va_range map(std::size_t pages) { return map_with(pages, svm::mock::protection::read_write); }
  svm::va_range map_read_only(std::size_t pages) { return map_with(pages, svm::mock::protection::read); }
  void unmap(svm::va_range mapping) {
    REQUIRE(process_.munmap(mapping.start(), mapping.size()) == svm::mock::sys::ok);
    process_.after_unmap(mapping);
  }
  bool store(svm::cpu_va a, std::uint64_t value) {
    return process_.store(a, std::as_bytes(std::span{&value, 1})) == svm::mock::sys::ok;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::uint64_t value = 0;
    if (process_.load(a, std::as_writable_bytes(std::span{&value, 1})) != svm::mock::sys::ok) return std::nullopt;
    return value;
  }
  bool has_vma(svm::cpu_va a) { return process_.vmas().find(a) != nullptr; }
  void exit() { process_.exit(); }
  bool is_live(page p) { return pc_.frames.is_alive(p) && pc_.frames.of(p).references != 0; }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, pc_.frames.bytes(p), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(pc_.frames.bytes(p), &value, sizeof value); }
  void set_locked(page p, bool locked) { pc_.frames.of(p).locked = locked; }
  void set_pinned(page p, bool pinned) {
    if (pinned)
      ++pc_.frames.of(p).references;
    else
      pc_.frames.put(p);
  }
  std::vector<page> device_pages(std::size_t count) {
    auto memory = pc_.device_memory.allocate(svm::mock::page_size * count);
    REQUIRE(memory);
    std::vector<page> pages(count);
    REQUIRE(pc_.device_memory.pages(*memory, pages) == svm::errc::ok);
    return pages;
  }
  svm::page_owner owner() { return support::machine::gpu_owner; }

 private:
  svm::va_range map_with(std::size_t pages, svm::mock::protection allowed) {
    auto const mapped =
        process_.mmap(svm::mock::page_size * pages, allowed, svm::mock::mapping_kind::anon, std::nullopt);
    REQUIRE(mapped.error == svm::mock::sys::ok);
    return {mapped.at, svm::mock::page_size * pages};
  }

  support::machine pc_;
  flawed_mm process_;
  flawed_mm::flaw flaw_;
};

[[nodiscard]] broken_promises found_in(flawed_mm::flaw f) {
  return suite::check_all([f] { return std::make_unique<mock_bench>(f); });
}

}  // namespace

TEST_SUITE("conformance/mm") {
  TEST_CASE("the simulated address space keeps the promises of an mm") {
    CHECK(found_in(flawed_mm::flaw::none) == kept);
  }

  TEST_CASE("an mm that is broken in one way is reported with that promise alone") {
    using enum flawed_mm::flaw;
    CHECK(found_in(user_after_exit) == broken_promises{1});
    CHECK(found_in(first_vma_is_any) == broken_promises{2});
    CHECK(found_in(walks_for_reading) == broken_promises{3});
    CHECK(found_in(walks_bring_nothing_back) == broken_promises{3});
    CHECK(found_in(events_after_the_fact) == broken_promises{4});
    CHECK(found_in(events_after_unregister) == broken_promises{4});
    CHECK(found_in(no_retry) == broken_promises{5});
    CHECK(found_in(forgets_sequence) == broken_promises{5});
    CHECK(found_in(silent_migration) == broken_promises{6});
    CHECK(found_in(pinned_is_locked) == broken_promises{6});
    CHECK(found_in(installs_nothing) == broken_promises{7});
    CHECK(found_in(leaves_locked) == broken_promises{7});
    CHECK(found_in(discards_nothing) == broken_promises{8});
    CHECK(found_in(forgets_owner) == broken_promises{8});
    CHECK(found_in(freed_is_elsewhere) == broken_promises{9});
  }
}
