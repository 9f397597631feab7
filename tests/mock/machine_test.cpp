// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The end of things: the driver's, the process's and the machine's, in every order.

#include <optional>
#include <type_traits>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

/// Ranges in system and in device memory, and one in the collector's queue.
void use_everything(world& w) {
  w.map(3 * chunk);
  w.cpu_tag(base, 3 * chunk, 1);
  REQUIRE(w.fault(base) == errc::ok);
  w.process.pin(at(chunk), true);
  REQUIRE(w.fault(at(chunk)) == errc::ok);
  w.process.pin(at(chunk), false);
  REQUIRE(w.fault(at(2 * chunk)) == errc::ok);
  REQUIRE(w.process.munmap(at(2 * chunk), {chunk / 2}) == sys::ok);
  REQUIRE(w.device_pages(base, chunk) == chunk_pages);
  REQUIRE(w.device_pages(at(chunk), chunk) == 0);
  REQUIRE(w.range_at(at(2 * chunk))->has(svm::range_flag::unmapped));
}
/// What a closed driver has nothing of any more.
void check_closed(world& w) {
  CHECK(w.range_count() == 0);
  CHECK(w.notifier_count() == 0);
  CHECK(w.process.watchers().registered() == 0);
  CHECK(w.dma.live() == 0);
  CHECK_FALSE(w.device.has_mappings());
  CHECK(w.fault(base) == errc::gone);
  CHECK(w.complaint() == "");
}

template <class T>
constexpr bool stays_where_it_is = !std::is_copy_constructible_v<T> && !std::is_move_constructible_v<T> &&
                                   !std::is_copy_assignable_v<T> && !std::is_move_assignable_v<T>;

}  // namespace

TEST_SUITE("mock/machine, teardown") {
  TEST_CASE("a range at the top of the user's addresses is removed like any other") {
    world w{small_chunks()};
    cpu_va const top{svm::mock::user_end - chunk};
    w.map(chunk, top);
    REQUIRE(w.gpu_write(top, 1) == errc::ok);
    w.driver.close();
    check_closed(w);
  }

  TEST_CASE("the address space may exit before the driver is closed (TRD-04)") {
    world w{small_chunks()};
    use_everything(w);
    w.process.exit();
    CHECK(w.process.users() == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.dma.live() == 0);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.fault(base) == errc::mm_gone);
    w.driver.close();
    CHECK(w.range_count() == 0);
    CHECK(w.finish().empty());
  }

  TEST_CASE("the driver may be closed before the address space exits (TRD-04)") {
    world w{small_chunks()};
    use_everything(w);
    w.driver.close();
    check_closed(w);
    CHECK(w.device_memory.used() == byte_count{chunk});
    w.process.exit();
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.finish().empty());
  }

  TEST_CASE("a range that somebody holds outlives the index, answers with an error, and is freed with him (TRD-05)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto r = w.range_at(base);
    w.driver.close();
    CHECK(r->has(svm::range_flag::removed));
    CHECK(r->interval() == span(base, chunk));
    {
      auto& svm = w.driver.svm();
      auto held = svm.lock_range(r);
      CHECK(svm.get_pages(held, {}) == errc::gone);
      CHECK(svm.bind(held) == errc::gone);
      CHECK(w.driver.migrate_to_device(held, {}) == errc::gone);
      svm.unmap_pages(held);
      svm.remove(std::move(held));
    }
    CHECK_FALSE(r->mapping().has(svm::page_flag::mapped));
    auto const blocks = w.memory.live_blocks();
    r = {};
    CHECK(w.memory.live_blocks() < blocks);
  }

  TEST_CASE("memory on the device comes back to the CPU after the driver is closed, and is then freed (TRD-06)") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.driver.prefetch(span(base, 2 * chunk), prefetch_place::device) == errc::ok);
    REQUIRE(w.gpu_write(base, 77) == errc::ok);
    w.driver.close();
    CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
    CHECK(w.cpu_read(base) == 77u);
    CHECK(w.device_memory.used() == byte_count{chunk});
    CHECK(w.cpu_tags_until(at(chunk), chunk, 1 + chunk_pages) == chunk);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("two thousand rounds of making a driver, a fault and an end leave the machine as it was (TRD-09)") {
    world w{small_chunks()};
    auto const round = [&] {
      auto const shape = *world::check(small_chunks());
      w.map(chunk);
      {
        svm::svm_driver<policies> driver{w.mover, shape, {}};
        REQUIRE(driver.fault(base, svm::access_kind::write) == errc::ok);
      }
      REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    };
    round();
    for (int i = 0; i < 2000; ++i) {
      round();
      REQUIRE(w.memory.live_blocks() == 0);
    }
    CHECK(w.memory.live_bytes() == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.dma.live() == 0);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.process.vmas().all().empty());
  }

  TEST_CASE("faults and unmaps on one driver do not grow it (TRD-09)") {
    world w{small_chunks()};
    std::uint64_t after_first = 0;
    for (int i = 0; i < 300; ++i) {
      w.map(chunk);
      REQUIRE(w.gpu_write(base, 1) == errc::ok);
      REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
      w.driver.collect_garbage();
      if (i == 0) after_first = w.memory.live_bytes();
      REQUIRE(w.memory.live_bytes() == after_first);
    }
  }

  TEST_CASE("a page of device memory leads to its allocation while it is alive, and any other page to none") {
    world w;
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    auto const in_ram = w.process.entry_at(base).target;
    CHECK_FALSE(w.allocation_of(in_ram));
    CHECK_FALSE(w.allocation_of({}));
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(chunk)) == errc::ok);
    for (std::uint64_t const page : {std::uint64_t{0}, chunk_pages - 1, chunk_pages, 2 * chunk_pages - 1}) {
      auto const target = w.process.entry_at(page_at(page)).target;
      auto const found = w.allocation_of(target);
      REQUIRE(found);
      CHECK(found.get() == w.mover.find_slow(target).get());
    }
    auto const second = w.process.entry_at(at(chunk)).target;
    REQUIRE(w.mover.evict(*w.allocation_of(second)) == errc::ok);
    CHECK_FALSE(w.allocation_of(second));
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.cpu_read(at(chunk)) == 1u + chunk_pages);
  }

  TEST_CASE("a machine refuses options that ask for drivers which it has not, and a full one has them") {
    using usual = svm::mock::usual_machine;
    svm::mock::machine_options queues;
    queues.faults = svm::mock::page_faults::fatal;
    svm::mock::machine_options by_pages;
    by_pages.placement.emplace();
    CHECK(usual::check({}));
    for (svm::mock::machine_options const& asked : {queues, by_pages}) {
      CHECK(usual::check(asked).error() == errc::unsupported);
      REQUIRE(machine::check(asked));
      machine full{asked, *machine::check(asked)};
      CHECK(full.first().views[0]->queues.has_value() == (asked.faults == svm::mock::page_faults::fatal));
      CHECK(full.first().views[0]->blocks.has_value() == asked.placement.has_value());
    }
  }

  TEST_CASE("nothing moves by accident, and closing twice is closing once (TRD-10)") {
    static_assert(stays_where_it_is<svm::gpusvm<policies>>);
    static_assert(stays_where_it_is<svm::svm_driver<policies>>);
    static_assert(stays_where_it_is<svm::migrator<policies>>);
    static_assert(stays_where_it_is<svm::devmem<policies>>);
    static_assert(stays_where_it_is<svm::range<policies>>);
    static_assert(stays_where_it_is<svm::notifier<policies>>);
    static_assert(stays_where_it_is<svm::detail::transfer<policies>>);
    world w{small_chunks()};
    use_everything(w);
    w.driver.close();
    w.driver.close();
    w.driver.collect_garbage();
    check_closed(w);
  }
}
