// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/faulted_in.hpp>

#include <cstdint>
#include <utility>

#include <mock/processes.hpp>
#include <support/cancel_after.hpp>
#include <support/failures.hpp>
#include <support/scripted.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::page_flag;

namespace {

svm::mock::machine_options system_only() {
  return small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; });
}
svm::locked_range<policies> hold(world& w, cpu_va a) {
  auto found = w.driver.svm().find_or_insert(a, {});
  REQUIRE(found);
  return w.driver.svm().lock_range(std::move(found->range));
}
/// The answer of `with_valid`; `uses` counts what it ran.
errc use(svm::faulted_in<policies>& pages, int& uses) {
  return pages.with_valid([&] { ++uses; });
}

}  // namespace

TEST_SUITE("gpusvm/faulted_in") {
  TEST_CASE("every page is present, none is mapped for a device, and what relies on them runs") {
    world w{system_only()};
    w.map(chunk);
    REQUIRE(w.cpu_write(page_at(2), 7) == sys::ok);
    auto held = hold(w, base);
    auto const range = svm::range_ref<policies>::share(*held);
    std::uint64_t const taken = w.memory.total_blocks();
    auto pages = w.driver.svm().fault_in(std::move(held), {});
    REQUIRE(pages);
    CHECK(w.memory.total_blocks() == taken);
    int uses = 0;
    CHECK(pages->with_valid([&] {
      ++uses;
      for (std::uint64_t i = 0; i < chunk_pages; ++i) CHECK(w.process.entry_at(page_at(i)).writable);
    }) == errc::ok);
    CHECK(uses == 1);
    CHECK(use(*pages, uses) == errc::ok);  // as often as one likes
    CHECK(uses == 2);
    CHECK(w.dma.live() == 0);
    CHECK_FALSE(range->mapping().has(page_flag::mapped));
    CHECK(w.cpu_read(page_at(2)) == 7u);
  }

  TEST_CASE("it runs with the notifier's lock held, so that no event comes between") {
    world w{system_only()};
    w.map(chunk);
    auto held = hold(w, base);
    auto const range = svm::range_ref<policies>::share(*held);
    auto& lock = range->owner().lock();
    auto pages = w.driver.svm().fault_in(std::move(held), {});
    REQUIRE(pages);
    bool event_waits = false;
    CHECK(pages->with_valid([&] {
      event_waits = !w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear, svm::nobody, false});
    }) == errc::ok);
    CHECK(event_waits);
    bool const is_free = lock.try_lock();  // and nobody keeps it
    if (is_free) lock.unlock();
    CHECK(is_free);
  }

  TEST_CASE("an event since then, wherever in the notifier, keeps it from running") {
    for (cpu_va const where : {base, page_at(15), at(2 * chunk)}) {
      world w{system_only()};
      w.map(4 * chunk);
      auto pages = w.driver.svm().fault_in(hold(w, base), {});
      REQUIRE(pages);
      CHECK(w.process.invalidate_only({span(where, page_bytes), invalidation_cause::clear}));
      int uses = 0;
      CHECK(use(*pages, uses) == errc::retry);
      CHECK(uses == 0);
      auto again = w.driver.svm().fault_in(std::move(*pages).release(), {});
      REQUIRE(again);
      CHECK(use(*again, uses) == errc::ok);
      CHECK(uses == 1);
    }
  }

  TEST_CASE("a range that was unmapped says so, before and after its pages were found") {
    world w{system_only()};
    w.map(chunk);
    auto pages = w.driver.svm().fault_in(hold(w, base), {});
    REQUIRE(pages);
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    int uses = 0;
    CHECK(use(*pages, uses) == errc::unmapped);
    CHECK(uses == 0);
    CHECK(w.driver.svm().fault_in(std::move(*pages).release(), {}).error() == errc::unmapped);
  }

  TEST_CASE("an event during the walk has it done again, and a storm ends it") {
    for (int const events : {0, 1, 3, 99}) {
      world w{system_only()};
      w.map(chunk);
      int left = events;
      w.hooks.hook = [&](step s) {
        if (s == step::walked && left-- > 0)
          CHECK(w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear}));
      };
      auto pages = w.driver.svm().fault_in(hold(w, base), {});
      w.hooks.hook = nullptr;
      REQUIRE(pages);  // an event after the walk is for `with_valid` to find
      int uses = 0;
      CHECK(use(*pages, uses) == (events == 0 ? errc::ok : errc::retry));
    }
    scripted<> s{*svm::gpusvm_layout::make({cpu_va{}, byte_count{svm::mock::user_end}}, {2 * MiB},
                                           std::vector<byte_count>{{64 * KiB}, {page_bytes}}, {page_bytes})};
    s.mm.add_vma(base, MiB);
    auto const held = [&] { return s.svm.lock_range(s.svm.find_or_insert(base, {})->range); };
    s.mm.walk = [](auto const&, auto&) { return errc::busy; };
    CHECK(s.svm.fault_in(held(), {}).error() == errc::busy);
    CHECK(s.mm.walks == svm::detail::retry_budget<svm::mock::virtual_clock>::event_rounds);
    s.mm.walks = 0;
    s.mm.walk = [](auto const&, auto&) { return errc::ok; };  // it says that it made them present, and shows none
    CHECK(s.svm.fault_in(held(), {}).error() == errc::busy);
    CHECK(s.mm.walks == svm::detail::retry_budget<svm::mock::virtual_clock>::unexplained_rounds);
    s.mm.walk = [&](auto const& r, auto& found) {
      s.mm.fill({r.span.start() + byte_count{page_bytes}, byte_count{page_bytes}}, found);
      return errc::ok;
    };
    CHECK(s.svm.fault_in(held(), {}).error() == errc::busy);
    s.mm.walk = nullptr;
    CHECK(s.svm.fault_in(held(), {}).has_value());
  }

  TEST_CASE("what cannot be is refused, and the range can be worked on again") {
    world w{system_only()};
    w.map(chunk, base, protection::read);
    auto& svm = w.driver.svm();
    CHECK(svm.fault_in(hold(w, base), {}).error() == errc::read_only);
    CHECK(svm.fault_in(hold(w, base), {.read_only = true}).has_value());
    CHECK(svm.fault_in(hold(w, base), {.devmem_only = true}).error() == errc::unsupported);
    cancel_after const stop{0};
    CHECK(svm.fault_in(hold(w, base), {.cancel = &stop}).error() == errc::interrupted);
    auto const range = w.range_at(base);
    svm.remove(svm.lock_range(range));
    CHECK(svm.fault_in(svm.lock_range(range), {}).error() == errc::gone);
  }

  TEST_CASE("after the process's end it is refused") {
    world w{system_only()};
    w.map(chunk);
    auto held = hold(w, base);
    auto const range = svm::range_ref<policies>::share(*held);
    { auto const drop = std::move(held); }
    w.process.exit();
    auto const error = w.driver.svm().fault_in(w.driver.svm().lock_range(range), {}).error();
    CHECK(error == errc::mm_gone);
  }

  TEST_CASE("without a page of memory it fails, at whichever page, and the next call succeeds") {
    auto const set_up = [](world& w) { w.map(chunk); };
    auto const call = [](world& w) {
      auto found = w.driver.svm().find_or_insert(base, {});
      if (!found) return found.error();
      auto pages = w.driver.svm().fault_in(w.driver.svm().lock_range(std::move(found->range)), {});
      if (!pages) return pages.error();
      return pages->with_valid([] {});
    };
    fail_each(system_only(), failure::ram, {errc::no_ram}, set_up, call, [](world&) { return true; });
  }

  TEST_CASE("pages of a device within reach stay where they are, others come back") {
    for (bool const mine : {true, false}) {
      world w{system_only()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      auto pages = w.driver.svm().fault_in(hold(w, base), {.owner = mine ? nullptr : &svm::nobody});
      REQUIRE(pages);
      CHECK(w.device_pages(base, chunk) == (mine ? chunk_pages : 0));
      int uses = 0;
      CHECK(use(*pages, uses) == errc::ok);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }
}
