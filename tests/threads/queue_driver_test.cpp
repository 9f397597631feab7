// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Queues, the CPU, eviction and the worker that restores, with real threads; run under TSan too.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <threads/world.hpp>

using namespace real_threads;

namespace {

constexpr std::uint64_t range_pages = 16;
constexpr std::uint64_t ranges = 4;
constexpr std::uint64_t pages = ranges * range_pages;
constexpr int accesses = 4000;

/// Device memory for half of what is kept.
svm::mock::machine_options small_machine(svm::migration_mode migrate) {
  svm::mock::machine_options o;
  o.joins_pages = false;
  o.vram = byte_count{ranges / 2 * range_pages * page_bytes};
  o.notifier_size = byte_count{2 * range_pages * page_bytes};
  o.chunks = {byte_count{range_pages * page_bytes}, byte_count{page_bytes}};
  o.driver.check_pages_threshold = {};
  o.driver.migrate = migrate;
  o.faults = svm::mock::page_faults::fatal;
  return o;
}

/// A queue of a program: counts up in a page of its own, and looks at what it wrote. While it stands still it waits.
struct counting_queue {
  world& w;
  std::uint64_t page;
  int faults = 0;
  int wrong = 0;

  void run() {
    for (int i = 1; i <= accesses;) {
      std::uint64_t const value = static_cast<std::uint64_t>(i);
      std::byte word[8];
      std::memcpy(word, &value, sizeof word);
      if (!access([&](bool& waits) { return w.device.store(page_at(page), word, &waits); })) continue;
      std::uint64_t seen = 0;
      std::byte back[8];
      while (!access([&](bool& waits) { return w.device.load(page_at(page), back, &waits); }) && faults == 0) {
      }
      std::memcpy(&seen, back, sizeof seen);
      wrong += seen == value ? 0 : 1;
      ++i;
      if (faults != 0) return;
    }
  }

 private:
  template <class Access>
  [[nodiscard]] bool access(Access&& one) {
    bool waits = false;
    if (one(waits)) return true;
    if (waits)
      std::this_thread::yield();
    else
      ++faults;
    return faults != 0;
  }
};

/// Lets two queues run beside a worker and what `disturb(round)` does, and checks that neither faults nor loses a word.
template <class Disturb>
void queues_run_through(svm::migration_mode migrate, Disturb&& disturb) {
  world w{small_machine(migrate)};
  w.map(base, pages * page_bytes);
  for (std::uint64_t i = 0; i < pages; ++i) REQUIRE(w.cpu_write(page_at(i), 1000 + i));
  auto& driver = *w.first().views[0]->queues;
  REQUIRE(driver.keep({base, byte_count{pages * page_bytes}}) == errc::ok);
  REQUIRE(driver.restore() == errc::ok);

  std::atomic<bool> stop{false};
  std::uint64_t restored = 0;
  int failed = 0;
  std::thread worker{[&] {
    while (!stop.load()) {
      if (!driver.needs_restore()) {
        std::this_thread::yield();
        continue;
      }
      errc const e = driver.restore();
      failed += e == errc::ok || e == errc::busy || e == errc::in_use ? 0 : 1;
      ++restored;
    }
  }};
  counting_queue one{w, 1};
  counting_queue two{w, 2 * range_pages + 1};
  std::thread first{[&] { one.run(); }};
  std::thread second{[&] { two.run(); }};
  for (int round = 0; round < 600; ++round) disturb(w, round);
  first.join();
  second.join();
  // The queues may be through before the first page is dropped, and the worker may not have run until here.
  while (driver.needs_restore()) std::this_thread::yield();
  stop.store(true);
  worker.join();
  CHECK(one.faults + two.faults == 0);
  CHECK(one.wrong + two.wrong == 0);
  CHECK(failed == 0);
  CHECK(restored > 0);
  CHECK(driver.restore() == errc::ok);
  CHECK(w.gpu_read(page_at(1)) == accesses);
  w.finish();
}

}  // namespace

TEST_SUITE("threads/queue_driver") {
  TEST_CASE("queues never find a mapping gone under them while the CPU drops pages beside theirs") {
    queues_run_through(svm::migration_mode::never, [](world& w, int round) {
      std::uint64_t const page = 3 + static_cast<std::uint64_t>(round) % (pages - 3);
      if (page % range_pages == 1) return;
      CHECK(w.process.madvise_dontneed(page_at(page), byte_count{page_bytes}) == sys::ok);
    });
  }

  TEST_CASE("nor while the CPU takes memory back, and the device has too little for all") {
    queues_run_through(svm::migration_mode::where_possible, [](world& w, int round) {
      CHECK(w.cpu_write(page_at(static_cast<std::uint64_t>(round) % ranges * range_pages), 7));
      static_cast<void>(w.mover.evict_all());
    });
  }

  TEST_CASE("nor while the driver unmaps by itself, and others prefetch") {
    queues_run_through(svm::migration_mode::where_possible, [](world& w, int round) {
      auto& driver = *w.first().views[0]->queues;
      if (round % 4 == 0) driver.reset();
      auto const where = round % 2 == 0 ? svm::prefetch_place::system : svm::prefetch_place::device;
      errc const e = driver.prefetch({base, byte_count{2 * range_pages * page_bytes}}, where);
      CHECK((e == errc::ok || e == errc::retry || e == errc::busy || e == errc::in_use || e == errc::no_device_memory));
    });
  }
}
