// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "driver/block_scene.hpp"

#include <cstdint>
#include <optional>
#include <vector>

#include <support/failures.hpp>
#include <svm/mock/machine/random.hpp>

using namespace support;
using svm::placement::thrash_mode;
namespace defaults = svm::placement::defaults;

namespace {

constexpr svm::duration tick{1000};

/// Each fault moves its page alone.
template <class Set>
[[nodiscard]] svm::mock::machine_options page_by_page(thrash_mode mode, Set&& set) {
  return by_pages(64 * MiB, [&](auto& o) {
    o.placement->threshold = 100;
    o.placement->thrash = mode;
    set(o);
  });
}
[[nodiscard]] svm::mock::machine_options page_by_page(thrash_mode mode) {
  return page_by_page(mode, [](auto&) {});
}

[[nodiscard]] std::uint64_t moved(world& w) {
  return w.stats.bytes(svm::event_kind::copied) / page_bytes;
}
[[nodiscard]] auto counts(world& w, std::size_t gpu = 0) {
  return service_of(w, gpu).counts();
}

/// One fault, and how it ended.
block_fault ask(world& w, cpu_va a, access_kind want = access_kind::read, std::size_t gpu = 0) {
  block_fault f{.at = a, .want = want};
  static_cast<void>(service_of(w, gpu).serve({&f, 1}));
  return f;
}
void cpu_takes(world& w, cpu_va a) {
  w.clock.advance(tick);
  REQUIRE(w.cpu_read(a).has_value());
}
void gpu_takes(world& w, cpu_va a) {
  w.clock.advance(tick);
  block_fault const f = ask(w, a);
  REQUIRE(f.error == errc::ok);
  REQUIRE_FALSE(f.is_throttled);
}
/// The CPU and the GPU take page 3 in turns until it thrashes; the last move is the GPU's, the next question the CPU's.
void make_it_thrash(world& w, cpu_va a = page_of(0, 3)) {
  REQUIRE(w.cpu_write(a, 42) == sys::ok);
  for (int n = 0; n < 2; ++n) {
    gpu_takes(w, a);
    cpu_takes(w, a);
  }
  gpu_takes(w, a);
}
/// The CPU and the GPU use a page in turns until it is pinned where everybody reaches it.
void make_it_stay(world& w, cpu_va a = page_of(0, 3)) {
  REQUIRE(w.cpu_write(a, 42) == sys::ok);
  for (int n = 0; n < 200 && (counts(w).pages_pinned == 0 || on_device(w, 0).test(3)); ++n) {
    w.clock.advance(tick);
    REQUIRE(w.gpu_read(a) == 42);
    w.clock.advance(tick);
    REQUIRE(w.cpu_read(a) == 42);
  }
  REQUIRE(counts(w).pages_pinned == 1);
}

}  // namespace

TEST_SUITE("driver/thrash_history") {
  TEST_CASE("THR-01 a page that went to and fro three times is kept from the GPU for a nap, and then is served") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    make_it_thrash(w);
    cpu_takes(w, page_of(0, 3));  // exempt in the period that begins
    svm::time_point const opened = w.clock.now();
    std::uint64_t const before = moved(w);
    w.clock.advance(tick);
    std::vector<block_fault> batch{{.at = page_of(0, 3)}, {.at = page_of(0, 9)}, {.at = page_of(0, 3) + byte_count{8}}};
    REQUIRE(service_of(w).serve(batch) == errc::ok);
    CHECK(batch[0].is_throttled);
    CHECK(batch[2].is_throttled);
    CHECK_FALSE(batch[1].is_throttled);
    CHECK(batch[0].wait_until == opened + defaults::lapse);
    CHECK(batch[2].wait_until == opened + defaults::lapse);
    CHECK(on_device(w, 0) == one(9));
    CHECK(moved(w) == before);  // page 9 was a hole
    CHECK(counts(w).pages_throttled == 1);
    CHECK(counts(w).duplicates == 1);
    w.clock.pass_to(batch[0].wait_until);
    CHECK_FALSE(ask(w, page_of(0, 3)).is_throttled);
    CHECK(on_device(w, 0) == (one(3) | one(9)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-01 nothing waits where the options do not ask for it") {
    world w{page_by_page(thrash_mode::off)};
    w.map(block_bytes);
    make_it_thrash(w);
    cpu_takes(w, page_of(0, 3));
    CHECK_FALSE(ask(w, page_of(0, 3)).is_throttled);
    CHECK(counts(w).pages_throttled == 0);
    CHECK(service_of(w).next_end() == std::nullopt);
  }

  TEST_CASE("THR-02 the CPU waits for a page that is the GPU's in this period") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    cpu_va const a = page_of(0, 3);
    gpu_takes(w, a);  // a first touch is no move
    for (int n = 0; n < 2; ++n) {
      cpu_takes(w, a);
      gpu_takes(w, a);
    }
    cpu_takes(w, a);
    gpu_takes(w, a);  // exempt
    svm::time_point const opened = w.clock.now();
    cpu_takes(w, a);
    CHECK(w.clock.now() == opened + defaults::lapse);
    CHECK(on_device(w, 0).none());
    CHECK(counts(w).pages_throttled == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-03 a page that was kept from somebody ten times stays where all reach it, and is used from afar") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    make_it_stay(w);
    cpu_va const a = page_of(0, 3);
    CHECK(counts(w).pages_throttled == 10);
    std::uint64_t const before = moved(w);
    for (std::uint64_t n = 0; n < 20; ++n) {
      w.clock.advance(tick);
      REQUIRE(w.gpu_write(a, n) == errc::ok);
      REQUIRE(w.cpu_read(a) == n);
    }
    CHECK(moved(w) == before);
    CHECK(on_device(w, 0).none());
    CHECK(mapped(w, 0) == one(3));
    CHECK(counts(w).pages_pinned == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-04 when a pin ends its page is unmapped, and the next fault moves it again") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    make_it_stay(w);
    REQUIRE(w.gpu_read(page_of(0, 3)) == 42);
    std::optional<svm::time_point> const end = service_of(w).next_end();
    REQUIRE(end);
    w.clock.pass_to({end->nanoseconds - 2 * defaults::timer_slack.nanoseconds});
    service_of(w).end_due_pins();
    CHECK(mapped(w, 0) == one(3));
    w.clock.pass_to(*end);
    service_of(w).end_due_pins();
    CHECK(mapped(w, 0).none());
    CHECK(service_of(w).next_end() == std::nullopt);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_read(page_of(0, 3)) == 42);
    CHECK(on_device(w, 0) == one(3));
  }

  TEST_CASE("THR-04 a batch ends the pins that are due, of other blocks too") {
    world w{page_by_page(thrash_mode::on)};
    w.map(2 * block_bytes);
    make_it_stay(w);
    REQUIRE(w.gpu_read(page_of(0, 3)) == 42);
    w.clock.pass_to(*service_of(w).next_end());
    REQUIRE(serve(w, page_of(1, 100)) == errc::ok);
    CHECK(mapped(w, 0).none());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-05 a page that thrashes neither comes along nor lets its group grow") {
    world w{by_pages(64 * MiB, [](auto& o) { o.placement->thrash = thrash_mode::on; })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    cpu_va const a = page_of(0, 3);
    for (int n = 0; n < 3; ++n) {
      gpu_takes(w, a);
      cpu_takes(w, a);
    }
    // The group moved as one and thrashes, so that the CPU's last read brought its page alone.
    REQUIRE(on_device(w, 0) == pages(0, 16) - one(3));
    REQUIRE(serve(w, page_of(0, 17)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 32) - one(3));  // the node of both groups, without page 3
    CHECK(w.cpu_read(page_of(0, 5)) == 6);
    CHECK(on_device(w, 0) == pages(0, 32) - one(3) - one(5));
    w.clock.advance({2 * defaults::lapse.nanoseconds});
    REQUIRE_FALSE(ask(w, page_of(0, 5)).is_throttled);
    CHECK(on_device(w, 0) == pages(0, 32) - one(3));
    CHECK(w.gpu_tags_until(base, block_bytes, 1) == block_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-06 what is pinned in device memory makes no room") {
    for (eviction_mode const how : {eviction_mode::oldest, eviction_mode::touched, eviction_mode::density}) {
      world w{by_pages(32 * page_bytes, [&](auto& o) {
        o.placement->threshold = 100;
        o.placement->thrash = thrash_mode::on;
        o.placement->evict = how;
      })};
      w.map(block_bytes);
      w.cpu_tag(base, block_bytes, 1);
      cpu_va const a = page_of(0, 3);
      for (int n = 0; n < 200 && counts(w).pages_pinned == 0; ++n) {
        w.clock.advance(tick);
        REQUIRE(w.cpu_read(a) == 4);
        w.clock.advance(tick);
        REQUIRE(w.gpu_read(a) == 4);
      }
      REQUIRE(counts(w).pages_pinned == 1);
      REQUIRE(on_device(w, 0) == one(3));  // by the GPU, which was exempt
      for (unsigned p = 64; p < 128; ++p) REQUIRE(serve(w, page_of(0, p)) == errc::ok);
      CHECK(on_device(w, 0).test(3));
      if (how != eviction_mode::density) CHECK(on_device(w, 0).count() == 32);
      w.clock.advance({defaults::lapse.nanoseconds * defaults::pin_lapses});
      for (unsigned p = 128; p < 192; ++p) REQUIRE(serve(w, page_of(0, p)) == errc::ok);
      CHECK_FALSE(on_device(w, 0).test(3));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("THR-07 a right that a page lost counts as a move") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    cpu_va const a = page_of(0, 3);
    REQUIRE(w.cpu_write(a, 42) == sys::ok);
    gpu_takes(w, a);  // and may write
    cpu_takes(w, a);
    gpu_takes(w, a);
    CHECK_FALSE(ask(w, a).is_throttled);
    REQUIRE(w.process.mprotect(base, {block_bytes}, protection::read) == sys::ok);
    gpu_takes(w, a);  // the same memory, without the right
    REQUIRE(on_device(w, 0) == one(3));
    cpu_takes(w, a);  // the third event
    gpu_takes(w, a);  // exempt
    svm::time_point const opened = w.clock.now();
    cpu_takes(w, a);
    CHECK(w.clock.now() == opened + defaults::lapse);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-08 GPUs on one address space know of each other's moves") {
    world w{page_by_page(thrash_mode::on, [](auto& o) { o.gpus = 2; })};
    w.map(block_bytes);
    cpu_va const a = page_of(0, 3);
    REQUIRE(w.cpu_write(a, 1) == sys::ok);
    bool throttled = false;
    for (std::size_t n = 0; n < 8 && !throttled; ++n) {
      w.clock.advance(tick);
      throttled = ask(w, a, access_kind::write, n % 2).is_throttled;
    }
    CHECK(throttled);
    CHECK(counts(w, 0).pages_throttled + counts(w, 1).pages_throttled == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-09 what was unmapped or dropped has no history") {
    for (int const how : {0, 1, 2}) {
      world w{page_by_page(thrash_mode::on)};
      w.map(block_bytes);
      make_it_thrash(w);
      cpu_takes(w, page_of(0, 3));  // exempt in the period that begins
      if (how == 1) {
        REQUIRE(w.process.munmap(base, {block_bytes}) == sys::ok);
        w.map(block_bytes);
      }
      if (how == 2) REQUIRE(w.process.madvise_dontneed(base, {block_bytes}) == sys::ok);
      CHECK(ask(w, page_of(0, 3)).is_throttled == (how == 0));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("THR-09 what a program placed has no history") {
    for (bool const placed : {false, true}) {
      world w{page_by_page(thrash_mode::on)};
      w.map(block_bytes);
      make_it_thrash(w);
      cpu_takes(w, page_of(0, 3));
      if (placed) REQUIRE(w.driver.prefetch(span(base, block_bytes), svm::prefetch_place::system) == errc::ok);
      CHECK(ask(w, page_of(0, 3)).is_throttled == !placed);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("THR-10 an atomic access takes its page from where it is pinned") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    make_it_stay(w);
    std::uint64_t old = 0;
    CHECK(w.gpu_atomic_add(w.first(), 0, page_of(0, 3), 2, old) == errc::ok);
    CHECK(old == 42);
    CHECK(on_device(w, 0) == one(3));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-10 so does one that is served with pages that come anyway") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    make_it_stay(w);
    std::vector<block_fault> batch{{.at = page_of(0, 3), .want = access_kind::atomic}, {.at = page_of(0, 200)}};
    CHECK(service_of(w).serve(batch) == errc::ok);
    CHECK(on_device(w, 0) == (one(3) | one(200)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-11 a driver's fault waits for the end of its throttle, or until it is cancelled") {
    world w{page_by_page(thrash_mode::on)};
    w.map(block_bytes);
    make_it_thrash(w);
    cpu_takes(w, page_of(0, 3));
    svm::time_point const opened = w.clock.now();
    REQUIRE(w.driver.fault(page_of(0, 3), access_kind::read) == errc::ok);
    CHECK(on_device(w, 0) == one(3));
    CHECK(w.clock.now() == opened + defaults::lapse);
  }

  TEST_CASE("THR-12 in the slice of the CPU the GPU reaches a page from afar, and its end unmaps it") {
    world w{page_by_page(thrash_mode::slice)};
    w.map(block_bytes);
    cpu_va const a = page_of(0, 3);
    REQUIRE(w.cpu_write(a, 42) == sys::ok);
    gpu_takes(w, a);
    svm::time_point const taken = w.clock.now();
    cpu_takes(w, a);  // waits for the end of the GPU's slice
    svm::time_point const given = w.clock.now();
    CHECK(given == taken + defaults::slice);
    CHECK(counts(w).pages_throttled == 1);
    gpu_takes(w, a);
    CHECK(on_device(w, 0).none());
    CHECK(mapped(w, 0) == one(3));
    // It began at once behind the other's, and takes its page: twice as long.
    CHECK(service_of(w).next_end() == given + svm::duration{2 * defaults::slice.nanoseconds});
    w.clock.pass_to({given.nanoseconds + 2 * defaults::slice.nanoseconds - 1});
    service_of(w).end_due_pins();
    CHECK(mapped(w, 0) == one(3));
    w.clock.advance({1});
    service_of(w).end_due_pins();
    CHECK(mapped(w, 0).none());
    gpu_takes(w, a);
    CHECK(on_device(w, 0) == one(3));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("THR-12 a fault beside a page in the CPU's slice leaves that where it is") {
    for (prefetch_mode const how : {prefetch_mode::off, prefetch_mode::density}) {
      world w{by_pages(64 * MiB, [&](auto& o) {
        o.placement->prefetch = how;
        o.placement->thrash = thrash_mode::slice;
      })};
      w.map(block_bytes);
      w.cpu_tag(base, block_bytes, 1);
      REQUIRE(serve(w, page_of(0, 20)) == errc::ok);
      cpu_takes(w, page_of(0, 20));
      REQUIRE_FALSE(on_device(w, 0).meets(pages(16, 32)));
      for (unsigned const page : {0u, 40u, 50u}) REQUIRE(serve(w, page_of(0, page)) == errc::ok);
      CHECK_FALSE(on_device(w, 0).meets(pages(16, 32)));
      // Three groups of four are there, which brings the fourth where nobody has it in a slice.
      if (how == prefetch_mode::density) CHECK(on_device(w, 0) == (pages(0, 16) | pages(32, 64)));
      CHECK(w.gpu_tags_until(base, block_bytes, 1) == block_bytes);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("THR-13 whatever fails at any step, nothing is left and no word is lost") {
    using svm::mock::failure;
    using repeat = svm::mock::failure_plan::repeat;
    for (thrash_mode const mode : {thrash_mode::on, thrash_mode::slice})
      for (failure const kind : {failure::alloc, failure::ram, failure::dma_map, failure::copy, failure::populate,
                                 failure::notifier, failure::lock, failure::page_table, failure::page_list})
        for (repeat const how : {repeat::once, repeat::from_then_on}) {
          std::uint64_t nth = 0;
          for (bool struck = true; struck && nth < 2000;) {
            world w{page_by_page(mode)};
            w.map(block_bytes);
            cpu_va const a = page_of(0, 3);
            REQUIRE(w.cpu_write(a, 42) == sys::ok);
            std::uint64_t const before = w.failures.struck();
            w.failures.arm(kind, ++nth, how);
            for (int n = 0; n < 6; ++n) {
              w.clock.advance(tick);
              static_cast<void>(w.gpu_read(a));
              w.clock.advance(tick);
              static_cast<void>(w.cpu_read(a));
            }
            struck = w.failures.struck() != before;
            w.failures.disarm();
            INFO("failure " << static_cast<int>(kind) << " number " << nth);
            CHECK(w.complaint() == "");
            CHECK(w.gpu_read(a) == 42);
            CHECK(w.cpu_read(a) == 42);
            CHECK(w.complaint() == "");
          }
          CHECK(nth < 2000);
        }
  }
}
