// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The process of the simulated machine, and the same with one flaw at a time.

#include <svm/conformance/write_protection.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/cpu/mm.hpp>
#include <svm/mock/gpu/vram.hpp>
#include <svm/std/null_lock.hpp>

#include <conformance/mock_pages.hpp>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;
namespace suite = svm::conformance::write_protection;
using lock_policy = svm::mock::rank_checked<svm::null_lock>;
using svm::mock::page;
using svm::mock::page_size;
using machine_parts = svm::mock::kernel<lock_policy, svm::mock::page_bytes>;

enum class flaw {
  none,
  names_backwards,
  leaves_other_places,
  names_the_zero_page,
  fills_holes,
  names_device_pages,
  names_what_is_held,
  protects_silently,
  tells_after_protecting,
  tells_again,
  protects_nothing,
  writes_silently,
  tells_after_the_write,
  loses_the_write,
  forgets_what_was_shared,
  tells_of_reads,
  opens_its_neighbours,
  takes_no_references,
  puts_nothing,
  locks_in_write_protect,
  locks_in_put_pages,
};

/// A target that hears of events now and then.
class proxy final : public svm::invalidation_target {
 public:
  proxy(bool const& muted, svm::invalidation_target& target) : muted_(muted), target_(target) {}
  svm::invalidation_answer invalidate(svm::invalidation const& event, std::uint64_t sequence) noexcept override {
    sequence_ = sequence;
    return muted_ ? target_.invalidate({.span = {svm::cpu_va{}, svm::byte_count{1}}, .cause = event.cause}, sequence)
                  : target_.invalidate(event, sequence);
  }
  void finish_invalidation(svm::invalidation const& event) noexcept override { target_.finish_invalidation(event); }
  void tell(svm::va_range span) {
    static_cast<void>(target_.invalidate({.span = span, .cause = svm::invalidation_cause::protection}, sequence_));
  }

 private:
  bool const& muted_;
  svm::invalidation_target& target_;
  std::uint64_t sequence_ = 0;
};

class flawed_mm : public svm::mock::address_space<lock_policy> {
  using base = svm::mock::address_space<lock_policy>;

 public:
  flawed_mm(machine_parts& shared, flaw f) : base(shared), parts_(shared), flaw_(f) {}

  svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& target) noexcept {
    return base::register_notifier(r, span, proxies_.emplace_back(muted_, target));
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, sink& found) noexcept {
    muted_ = flaw_ == flaw::writes_silently;
    svm::errc const e = base::fault_in(request, found);
    muted_ = false;
    return e;
  }
  void write_protect(svm::va_range span, std::span<page> pages) noexcept {
    if (flaw_ == flaw::locks_in_write_protect) lock_out_of_order();
    std::vector<page> const before(pages.begin(), pages.end());
    auto const at = [&](std::size_t i) { return span.start() + page_size * i; };
    if (flaw_ == flaw::tells_again) tell(span);
    muted_ = flaw_ == flaw::protects_silently || flaw_ == flaw::tells_after_protecting;
    std::vector<bool> was_writable;
    for (std::size_t i = 0; i < pages.size(); ++i) was_writable.push_back(base::entry_at(at(i)).writable);
    base::write_protect(span, pages);
    muted_ = false;
    if (flaw_ == flaw::tells_after_protecting && was_writable[0]) tell(span);
    for (std::size_t i = 0; i < pages.size(); ++i) {
      svm::mock::pte const e = base::entry_at(at(i));
      bool const is_nothing = pages[i] == page{};
      bool const is_zero = e.has_page() && parts_.frames.is_zero(e.target);
      bool const is_device = e.has_page() && parts_.frames.is_device(e.target);
      bool const is_held = is_nothing && e.has_page() && !is_zero && !is_device;
      if (is_nothing && flaw_ == flaw::leaves_other_places && pages.size() == 5) pages[i] = before[i];
      if (is_nothing && flaw_ == flaw::names_the_zero_page && is_zero) pages[i] = e.target;
      if (flaw_ == flaw::names_device_pages && is_device) pages[i] = e.target;
      if (flaw_ == flaw::names_what_is_held && is_held) pages[i] = e.target;
      if (is_nothing && pages[i] != page{}) not_held_.push_back(pages[i]);
    }
    if (flaw_ == flaw::fills_holes) static_cast<void>(make_present(span, svm::access_kind::read));
    if (flaw_ == flaw::protects_nothing && pages.size() == 1 && !shared_) {
      muted_ = true;
      static_cast<void>(make_present(span, svm::access_kind::write));
      muted_ = false;
    }
    if (flaw_ == flaw::takes_no_references) base::put_pages(pages);
    if (flaw_ == flaw::names_backwards && pages.size() > 1) std::swap(pages[0], pages[1]);
  }
  void put_pages(std::span<page const> pages) noexcept {
    if (flaw_ == flaw::locks_in_put_pages) lock_out_of_order();
    if (flaw_ == flaw::takes_no_references || flaw_ == flaw::puts_nothing) return;
    std::vector<page> held(pages.begin(), pages.end());
    for (page& p : held)
      for (page const other : not_held_)
        if (p == other) p = {};
    base::put_pages(held);
  }

  bool store(svm::cpu_va a, std::uint64_t value) {
    svm::va_range const around = svm::aligned_block(a, page_size);
    bool const was_open = base::entry_at(a).writable;
    muted_ = (flaw_ == flaw::writes_silently && !shared_) || flaw_ == flaw::tells_after_the_write ||
             (flaw_ == flaw::forgets_what_was_shared && shared_);
    if (flaw_ == flaw::loses_the_write && base::entry_at(a).guarded && !shared_) value = 7;
    bool const done = base::store(a, std::as_bytes(std::span{&value, 1})) == svm::mock::sys::ok;
    muted_ = false;
    if (flaw_ == flaw::tells_after_the_write && !was_open) tell(around);
    if (flaw_ == flaw::opens_its_neighbours && base::entry_at(around.start() + page_size).guarded)
      static_cast<void>(make_present({around.start() + page_size, page_size}, svm::access_kind::write));
    return done;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    if (flaw_ == flaw::tells_of_reads) tell(svm::aligned_block(a, page_size));
    std::uint64_t value = 0;
    if (base::load(a, std::as_writable_bytes(std::span{&value, 1})) != svm::mock::sys::ok) return std::nullopt;
    return value;
  }
  void set_shared() { shared_ = true; }

 private:
  void tell(svm::va_range span) {
    for (proxy& p : proxies_) p.tell(span);
  }
  svm::errc make_present(svm::va_range span, svm::access_kind want) {
    svm::page_run<page> room[1];
    svm::page_walk<base> walk{span, room};
    registration nobody_watches;
    return base::fault_in({span, want, svm::nobody, nobody_watches, base::read_begin(nobody_watches)}, walk);
  }
  void lock_out_of_order() {
    typename lock_policy::template mutex<svm::lock_rank::vm> mutex;
    svm::exclusive_guard const guard{mutex};
  }

  machine_parts& parts_;
  flaw const flaw_;
  bool muted_ = false;
  bool shared_ = false;
  std::deque<proxy> proxies_;
  std::vector<page> not_held_;
};

/// One process of the simulated machine, with device memory.
class bench : public support::mock_pages<svm::mock::physical_memory<lock_policy>> {
 public:
  using mm_type = flawed_mm;
  using page = svm::mock::page;
  using lock_type = lock_policy;

  explicit bench(flaw f) : mock_pages(frames_), process_(kernel_, f) {}
  ~bench() {
    if (child_ != nullptr) child_->exit();
    static_cast<void>(lock_complaints());
  }

  mm_type& mm() { return process_; }
  svm::va_range map(std::size_t pages) {
    svm::byte_count const size = page_size * pages;
    auto const mapped = process_.mmap(size, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, next_);
    REQUIRE(mapped.error == svm::mock::sys::ok);
    next_ = next_ + size + page_size;
    return {mapped.at, size};
  }
  void unmap(svm::va_range mapping) { REQUIRE(process_.munmap(mapping.start(), mapping.size()) == svm::mock::sys::ok); }
  bool store(svm::cpu_va a, std::uint64_t value) { return process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return process_.load(a); }
  bool has_vma(svm::cpu_va a) { return process_.vmas().find(a) != nullptr; }
  void share(svm::va_range) {
    child_ = std::make_unique<svm::mock::address_space<lock_policy>>(kernel_, process_);
    process_.set_shared();
  }
  void end_sharing() { std::exchange(child_, nullptr)->exit(); }
  std::vector<page> device_pages(std::size_t count) {
    auto memory = memory_.allocate(page_size * count);
    REQUIRE(memory);
    std::vector<svm::device_page<page>> named(count);
    REQUIRE(memory_.pages(*memory, std::span{named}) == svm::errc::ok);
    std::vector<page> pages;
    for (auto const& n : named) pages.push_back(n.page);
    return pages;
  }
  svm::page_owner owner() { return memory_.owner(); }
  std::size_t lock_complaints() {
    complaints_ += svm::mock::lock_report().take().size();
    return complaints_;
  }

 private:
  svm::mock::failure_plan failures_;
  svm::mock::report broken_;
  svm::mock::steps hooks_;
  svm::mock::virtual_clock clock_;
  svm::mock::physical_memory<lock_policy> frames_{{16 << 20}, {1 << 20}, failures_, broken_, 1};
  machine_parts kernel_{frames_, clock_, failures_, broken_, hooks_, false};
  svm::mock::iommu<lock_policy> dma_{frames_, failures_, broken_, 0, svm::mock::iommu_mode::direct};
  svm::mock::vram<lock_policy> memory_{{1 << 20}, {1, 1}, frames_, dma_, failures_, broken_, hooks_};
  flawed_mm process_;
  std::unique_ptr<svm::mock::address_space<lock_policy>> child_;
  svm::cpu_va next_{page_size.value * 16};
  std::size_t complaints_ = 0;
};

[[nodiscard]] broken_promises found_in(flaw f) {
  return suite::check_all([f] { return std::make_unique<bench>(f); });
}
[[nodiscard]] broken_promises only(int number) {
  return {suite::promises, {number}};
}

}  // namespace

TEST_SUITE("conformance/write_protection") {
  TEST_CASE("the simulated address space keeps the promises of write protection") {
    CHECK(found_in(flaw::none) == kept);
  }

  TEST_CASE("each flaw of a write protection breaks the promise that it is about, and no other") {
    using enum flaw;
    CHECK(found_in(names_backwards) == only(1));
    CHECK(found_in(leaves_other_places) == only(2));
    CHECK(found_in(names_the_zero_page) == only(2));
    CHECK(found_in(fills_holes) == only(2));
    CHECK(found_in(names_device_pages) == only(2));
    CHECK(found_in(names_what_is_held) == only(3));
    CHECK(found_in(protects_silently) == only(4));
    CHECK(found_in(tells_after_protecting) == only(4));
    CHECK(found_in(tells_again) == only(4));
    CHECK(found_in(protects_nothing) == only(5));
    CHECK(found_in(writes_silently) == only(5));
    CHECK(found_in(tells_after_the_write) == only(5));
    CHECK(found_in(loses_the_write) == only(5));
    CHECK(found_in(forgets_what_was_shared) == only(6));
    CHECK(found_in(tells_of_reads) == only(7));
    CHECK(found_in(opens_its_neighbours) == only(7));
    CHECK(found_in(takes_no_references) == only(8));
    CHECK(found_in(puts_nothing) == only(9));
    CHECK(found_in(locks_in_write_protect) == only(10));
    CHECK(found_in(locks_in_put_pages) == only(10));
  }
}
