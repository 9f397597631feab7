// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// An mm whose events may be late: what leads to work of a device waits for them first.

#include <svm/concepts/interval_notifier.hpp>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <mock/processes.hpp>
#include <support/scripted.hpp>

#include <svm/gpusvm/mapped_buffer.hpp>

using namespace support;
using svm::page_flag;

namespace {

/// Memory whose events wait until somebody settles them.
struct late_mm : scripted_mm<page_bytes> {
  std::vector<va_range> waiting;
  std::uint64_t settled = 0;

  void settle() noexcept {
    ++settled;
    CHECK_FALSE(svm::mock::this_thread_locks.holds_rank_from(svm::lock_rank::notifier));
    for (va_range const span : std::exchange(waiting, {})) invalidate(span);
  }
};
static_assert(svm::mm<late_mm> && svm::settling_mm<late_mm> && !svm::settling_mm<scripted_mm<page_bytes>>);

struct late_policies : scripted_policies<page_bytes> {
  using mm = late_mm;
};

struct bench : svm::invalidation_client<late_policies> {
  late_mm mm;
  late_policies::device device;
  late_policies::pagemap pagemap;
  scripted_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::environment<late_policies> env{mm, device, pagemap, memory, clock, stats};
  svm::migrator<late_policies> mover{env};
  svm::gpusvm<late_policies> svm{
      env,
      *svm::gpusvm_layout::make({cpu_va{}, byte_count{svm::mock::user_end}}, {2 * MiB},
                                std::vector<byte_count>{{chunk}, {page_bytes}}, {page_bytes}),
      *this};

  bench() { mm.add_vma(base, MiB); }
  ~bench() {
    svm.close();
    CHECK(device.live.empty());
    CHECK(svm::mock::lock_report().take().size() == 0);
  }
  [[nodiscard]] svm::locked_range<late_policies> hold() { return svm.lock_range(svm.find_or_insert(base, {})->range); }

  svm::invalidation_answer invalidate(svm::notifier<late_policies>& owner, svm::invalidation const& event,
                                      svm::invalidation_passes) noexcept override SVM_REQUIRES(owner.lock()) {
    owner.for_each_range_locked(event.span, [&](svm::range<late_policies>& r) {
      owner.lock().assert_held();
      owner.invalidate_pages_locked(r);
      device.invalidate(r.interval());
      owner.unmap_pages_locked(r);
    });
    return svm::invalidation_answer::done;
  }
  void finish_invalidation(svm::notifier<late_policies>&, svm::invalidation const&) noexcept override {}
};

}  // namespace

TEST_SUITE("concepts/interval_notifier") {
  TEST_CASE("an event that is late is over before pages are mapped: what it concerns is walked again") {
    bench b;
    auto held = b.hold();
    b.mm.walk = [&](auto const& r, auto& found) {
      if (b.mm.walks == 1) b.mm.waiting.push_back(span(base, page_bytes));
      b.mm.fill(r.span, found);
      return errc::ok;
    };
    CHECK(b.svm.get_pages(held, {}) == errc::ok);
    CHECK(b.mm.walks == 2);
    CHECK(b.stats.count(svm::event_kind::retry_after_event) == 1);
    CHECK(b.device.calls == chunk_pages);  // nothing was mapped of the first walk
  }

  TEST_CASE("a mapping that is valid is not taken while an event is late") {
    bench b;
    auto held = b.hold();
    REQUIRE(b.svm.get_pages(held, {}) == errc::ok);
    CHECK(b.svm.get_pages(held, {}) == errc::ok);
    CHECK(b.mm.walks == 1);
    b.mm.waiting.push_back(span(base, page_bytes));
    CHECK(b.svm.get_pages(held, {}) == errc::ok);
    CHECK(b.mm.walks == 2);
  }

  TEST_CASE("nothing is bound, and what is bound not relied on, while an event is late") {
    bench b;
    auto held = b.hold();
    REQUIRE(b.svm.get_pages(held, {}) == errc::ok);
    b.mm.waiting.push_back(span(base, page_bytes));
    CHECK(b.svm.bind(held) == errc::retry);
    REQUIRE(b.svm.get_pages(held, {}) == errc::ok);
    REQUIRE(b.svm.bind(held) == errc::ok);
    CHECK(b.svm.bind(held) == errc::ok);
    b.mm.waiting.push_back(span(base, page_bytes));
    CHECK(b.svm.bind(held) == errc::retry);
  }

  TEST_CASE("pages that were faulted in are not used while an event is late") {
    bench b;
    auto pages = b.svm.fault_in(b.hold(), {});
    REQUIRE(pages);
    b.mm.waiting.push_back(span(base, page_bytes));
    CHECK(pages->with_valid([] { CHECK(false); }) == errc::retry);
  }

  TEST_CASE("nor is a buffer bound then") {
    bench b;
    svm::mapped_buffer<late_policies> buffer{b.env, span(base, chunk)};
    REQUIRE(buffer.open() == errc::ok);
    REQUIRE(buffer.get_pages({}) == errc::ok);
    b.mm.waiting.push_back(span(base, page_bytes));
    CHECK(buffer.bind() == errc::retry);
    CHECK(buffer.get_pages({}) == errc::ok);
    CHECK(buffer.bind() == errc::ok);
    buffer.unmap_pages();
  }
}
