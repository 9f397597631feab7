// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <failure/failure_loop.hpp>

using namespace support;

TEST_SUITE("failure/exhaustion") {
  TEST_CASE("an eviction with no system page and no bookkeeping memory says so, and touches nothing (OOM-08)") {
    // System memory holds one chunk only: once that has moved, another chunk takes its place.
    world w{small_chunks(MiB, [](auto& o) { o.ram = {chunk}; })};
    w.map(2 * chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    w.cpu_tag(at(chunk), chunk, 100);
    REQUIRE(w.frames.ram_used() == byte_count{chunk});
    auto const before = pages_behind(w, base, 2 * chunk);
    auto const victim = allocation_at(w, base);
    REQUIRE(w.mover.kept().take());  // as a migration does that is under way
    w.failures.arm(failure::alloc, 1, repeat::from_then_on);
    CHECK(w.mover.evict(*victim) == errc::no_memory);
    CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::no_memory);
    CHECK(w.mover.evict_all() == errc::no_memory);
    CHECK(w.mover.make_room({MiB}) == errc::no_device_memory);
    CHECK_FALSE(w.cpu_read(base));
    w.failures.disarm();
    w.mover.kept().give_back();
    CHECK(w.mover.evict(*victim) == errc::no_ram);
    CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::no_ram);
    CHECK(w.mover.make_room({MiB}) == errc::no_device_memory);
    CHECK_FALSE(w.cpu_read(base));
    CHECK(pages_behind(w, base, 2 * chunk) == before);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    REQUIRE(w.process.munmap(at(chunk), {chunk}) == sys::ok);
    CHECK(w.mover.evict(*victim) == errc::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("pressure without bookkeeping memory fails the fault at once, and not for good (OOM-08)") {
    operation_world w{operation_named("fault")};
    w.failures.arm(failure::alloc, 1, repeat::from_then_on);
    CHECK(w.act() == errc::no_memory);
    w.failures.disarm();
    CHECK(w.device_pages(other, chunk) == chunk_pages);
    w.check_recovers();
  }

  TEST_CASE("k walks in a row that the CPU interferes with end in the same result as none (OOM-07)") {
    for (std::uint64_t k = 1; k <= 5; ++k) {
      CAPTURE(k);
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      std::uint64_t walks = 0;
      w.hooks.hook = [&](step s) {
        if (s == step::walked && ++walks <= k)
          CHECK(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
      };
      CHECK(w.fault(base, access_kind::write) == errc::ok);
      CHECK(walks == k + 1);
      CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.dma.live() == 0);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("k binds in a row that the CPU interferes with end in the same result as none (OOM-07)") {
    for (std::uint64_t k = 1; k <= 5; ++k) {
      CAPTURE(k);
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      std::uint64_t binds = 0;
      w.hooks.hook = [&](step s) {
        if (s == step::preparing && ++binds <= k) as_another_thread([&] { CHECK(w.cpu_read(base) == 1u); });
      };
      CHECK(w.fault(base, access_kind::write) == errc::ok);
      CHECK(w.count(svm::event_kind::gpu_fault_retry) == k);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("no way in which an eviction fails keeps a user reference on the address space (OOM-12, defect D2)") {
    for (char const* const op : {"evict", "evict_span", "evict_all", "make_room", "prefetch to system", "collect"})
      for (failure const kind : {failure::alloc, failure::ram, failure::dma_map, failure::copy})
        for (std::uint64_t k = 1; k <= 4; ++k) {
          CAPTURE(std::string{op});
          CAPTURE(std::string{name(kind)});
          operation_world w{operation_named(op)};
          w.failures.arm(kind, k, repeat::from_then_on);
          static_cast<void>(w.act());
          w.failures.disarm();
          CHECK(w.process.users() == 1);
        }
  }

  TEST_CASE("a machine whose system memory is full works on in device memory") {
    world w{small_chunks(4 * chunk, [](auto& o) { o.ram = {2 * chunk}; })};
    w.map(4 * chunk);
    for (std::uint64_t i = 0; i < 4; ++i) {
      w.cpu_tag(at(i * chunk), chunk, 100 * i);
      REQUIRE(w.fault(at(i * chunk)) == errc::ok);
    }
    CHECK(w.frames.ram_used() == byte_count{});
    for (std::uint64_t i = 0; i < 2; ++i) CHECK(w.cpu_tags_until(at(i * chunk), chunk, 100 * i) == chunk);
    CHECK_FALSE(w.cpu_read(at(2 * chunk)));
    CHECK(w.complaint() == "");
    for (std::uint64_t i = 2; i < 4; ++i) CHECK(w.gpu_tags_until(at(i * chunk), chunk, 100 * i) == chunk);
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(w.cpu_tags_until(at(2 * chunk), chunk, 200) == chunk);
    CHECK(w.complaint() == "");
  }
}
