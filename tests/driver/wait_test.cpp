// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// An access that needs pages to move, while others have one of them locked, pinned, swapped out or out of reach.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <mock/processes.hpp>

using namespace support;
using svm::duration;
using svm::event_kind;
using svm::migration_mode;
using svm::time_point;

namespace {

/// What somebody else does each time that the driver waits; it is told when the wait ends.
std::function<void(time_point)> meanwhile;

class waiting_world : public world {
 public:
  explicit waiting_world(svm::mock::machine_options const& o) : world(o), begin_(clock.now()) {
    watched = this;
    clock.lets_others_go = [](char const*) noexcept {
      ++watched->waits;
      if (meanwhile) as_another_thread([] { meanwhile(watched->clock.now()); });
    };
  }
  ~waiting_world() { meanwhile = nullptr; }

  [[nodiscard]] duration waited() { return {clock.now().nanoseconds - begin_.nanoseconds}; }
  std::uint64_t waits = 0;

 private:
  inline static waiting_world* watched = nullptr;
  time_point begin_;
};

template <class Set>
svm::mock::machine_options with(Set&& set) {
  return small_chunks(MiB, std::forward<Set>(set));
}
/// Device memory is demanded by every access, or just by atomic ones.
svm::mock::machine_options demanding(bool always, unsigned gpus = 1, bool linked = true) {
  return with([=](auto& o) {
    o.gpus = gpus;
    o.linked = linked;
    if (always) o.driver.migrate = migration_mode::required;
  });
}
errc demanded_access(world& w, bool always, cpu_va a) {
  std::uint64_t old = 0;
  return always ? w.gpu_write(a, 5) : w.gpu_atomic_add(w.first(), 0, a, 1, old);
}

}  // namespace

TEST_SUITE("driver, waits") {
  TEST_CASE("an access that demands device memory is served when a page of its range is swapped out") {
    for (bool const always : {false, true}) {
      waiting_world w{demanding(always)};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.process.swap_out(page_at(7)));
      CHECK(demanded_access(w, always, base) == errc::ok);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.cpu_read(page_at(7)) == 8u);
      CHECK(w.waits == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("an access that demands device memory is served when a page lies in a GPU's memory out of reach") {
    for (bool const always : {false, true})
      for (std::uint64_t const size : {page_bytes, chunk}) {
        waiting_world w{demanding(always, 2, false)};
        w.map(chunk);
        w.cpu_tag(base, chunk, 1);
        REQUIRE(w.gpu_card(1).mover.migrate_to_device(
                    w.process, span(page_at(3), size == chunk ? 13 * page_bytes : size), {}) == errc::ok);
        CHECK(demanded_access(w, always, base) == errc::ok);
        CHECK(w.gpu_card(0).memory.used() == byte_count{chunk});
        CHECK(w.gpu_card(1).memory.used() == byte_count{});
        CHECK(w.cpu_read(page_at(3)) == 4u);
        CHECK(w.waits == 0);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("an access that demands device memory is served once nobody holds a page of its range any more") {
    for (bool const always : {false, true})
      for (bool const on_device : {false, true}) {
        CAPTURE(on_device);
        waiting_world w{demanding(always)};
        w.map(chunk);
        w.cpu_tag(base, chunk, 1);
        // One page on the device by itself, so that the range has to be gathered.
        if (on_device) REQUIRE(to_device(w, page_at(3), page_bytes) == errc::ok);
        w.process.pin(page_at(3), true);
        meanwhile = [&w](time_point) {
          if (w.waits == 5) w.process.pin(page_at(3), false);
        };
        CHECK(demanded_access(w, always, base) == errc::ok);
        CHECK(w.waits == 5);
        CHECK(w.waited() == duration{10'000 + 20'000 + 40'000 + 80'000 + 160'000});
        CHECK(w.device_pages(base, chunk) == chunk_pages);
        CHECK(w.cpu_read(page_at(3)) == 4u);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("waits begin with 10 us, grow twofold to 1 ms and end after 20 ms; they hold no lock and use up no pass") {
    waiting_world w{demanding(true)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.process.pin(page_at(3), true);
    std::vector<std::uint64_t> ends;
    std::uint64_t retries = 0;
    meanwhile = [&](time_point now) {
      ends.push_back(now.nanoseconds);
      retries = w.count(event_kind::gpu_fault_retry);
      CHECK(w.cpu_write(page_at(1), 20) == sys::ok);  // nobody else is kept from anything
      svm::range_ref<policies> r = w.range_at(base);
      REQUIRE(r);
      static_cast<void>(w.driver.svm().lock_range(std::move(r)));
    };
    CHECK(w.fault(base, access_kind::write) == errc::in_use);
    CHECK(retries == 0);
    CHECK(w.waited() == svm::milliseconds(20));
    ends.push_back(w.clock.now().nanoseconds);
    std::uint64_t wanted = 10'000;
    for (std::size_t i = 0; i + 2 < ends.size(); ++i) {
      CHECK(ends[i + 1] - ends[i] == wanted);
      wanted = wanted * 2 < 1'000'000 ? wanted * 2 : 1'000'000;
    }
    w.process.pin(page_at(3), false);
    CHECK(w.fault(base, access_kind::write) == errc::ok);
  }

  TEST_CASE("a page that is only in the way is waited for: mixed memory that others hold is gathered afterwards") {
    // Migration is only wished for; but one page is on the device and held, and a range is never mapped mixed.
    waiting_world w{with([](auto&) {})};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, page_at(3), page_bytes) == errc::ok);
    w.process.pin(page_at(3), true);
    meanwhile = [&w](time_point) {
      if (w.waits == 2) w.process.pin(page_at(3), false);
    };
    CHECK(w.gpu_read(base) == 1u);
    CHECK(w.waits == 2);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("a driver that migrates nothing waits for mixed memory that others hold as well") {
    waiting_world w{with([](auto& o) { o.driver.migrate = migration_mode::never; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, page_at(3), page_bytes) == errc::ok);
    w.process.pin(page_at(3), true);
    meanwhile = [&w](time_point) {
      if (w.waits == 12) w.process.pin(page_at(3), false);  // more than there are passes
    };
    CHECK(w.gpu_read(base) == 1u);
    CHECK(w.waits == 12);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("a service that waits counts its faults once") {
    waiting_world w{with([](auto& o) {
      o.vram = byte_count{16 * page_bytes};
      o.placement.emplace();
      o.driver.migrate = migration_mode::required;
    })};
    auto& service = *w.first().views[0]->blocks;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    for (std::uint64_t const n : {3u, 100u}) REQUIRE(w.gpu_read(page_at(n)) == n + 1);
    REQUIRE(service.counts().refaults == 0);
    w.process.pin(page_at(3), true);
    meanwhile = [&w](time_point) {
      if (w.waits == 3) w.process.pin(page_at(3), false);
    };
    CHECK(w.gpu_read(page_at(3)) == 4u);  // which an eviction took
    CHECK(w.waits == 3);
    CHECK(service.counts().refaults == 1);
  }

  TEST_CASE("nobody waits for a page that is merely pinned where the range can be mapped as it lies") {
    waiting_world w{with([](auto&) {})};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.process.pin(page_at(3), true);
    CHECK(w.gpu_read(base) == 1u);
    CHECK(w.waits == 0);
    w.process.pin(page_at(3), false);
  }

  TEST_CASE("a prefetch to memory waits for a page that others hold on the device") {
    waiting_world w{with([](auto&) {})};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    w.process.pin(page_at(3), true);
    meanwhile = [&w](time_point) {
      if (w.waits == 3) w.process.pin(page_at(3), false);
    };
    CHECK(w.driver.prefetch(span(base, chunk), svm::prefetch_place::system) == errc::ok);
    CHECK(w.waits == 3);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("room is waited for where others hold a page of the allocation that should make it") {
    waiting_world w{small_chunks(chunk, [](auto& o) { o.driver.migrate = migration_mode::required; })};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.gpu_read(base) == 1u);
    w.process.pin(page_at(3), true);
    meanwhile = [&w](time_point) {
      if (w.waits == 1) w.process.pin(page_at(3), false);
    };
    CHECK(w.gpu_read(at(chunk)) == 1 + chunk_pages);
    CHECK(w.waits == 1);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.cpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
  }

  TEST_CASE("a wait ends when the access is cancelled") {
    waiting_world w{demanding(true)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.process.pin(page_at(3), true);
    class flag final : public svm::cancellation {
     public:
      [[nodiscard]] bool is_cancelled() const noexcept override { return set; }
      bool set = false;
    } cancelled;
    meanwhile = [&](time_point) { cancelled.set = w.waits == 4; };
    CHECK(w.driver.fault(base, access_kind::write, &cancelled) == errc::interrupted);
    CHECK(w.waits == 4);
    w.process.pin(page_at(3), false);
  }

  TEST_CASE("a page under a migration that cannot go on meanwhile is waited for, and the access fails only then") {
    waiting_world w{with([](auto& o) { o.driver.migrate = migration_mode::never; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    errc inside = errc::ok;
    interfere(w, step::copying, [&] { inside = w.fault(base); });
    CHECK(to_device(w, base, chunk) == errc::ok);
    CHECK(inside == errc::in_use);
    CHECK(w.waited() == svm::milliseconds(20));
    w.hooks.hook = nullptr;
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
  }
}
