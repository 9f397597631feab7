// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The library and the simulated machine with real threads on std_lock; run under TSan too.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <threads/world.hpp>

using namespace real_threads;

namespace {

using svm::access_kind;
using svm::va_range;
using svm::mock::step;

svm::mock::machine_options small_machine(svm::migration_mode migrate) {
  svm::mock::machine_options o;
  o.joins_pages = false;
  o.vram = byte_count{256 * KiB};
  o.notifier_size = byte_count{256 * KiB};
  o.chunks = {byte_count{64 * KiB}, byte_count{4 * KiB}};
  o.driver.check_pages_threshold = {};
  o.driver.migrate = migrate;
  return o;
}

/// Lets one thread stop at a step until another says go on.
class gate {
 public:
  /// Called by the thread that stops here.
  void park() {
    std::unique_lock guard{lock_};
    parked_ = true;
    changed_.notify_all();
    changed_.wait(guard, [&] { return open_; });
  }
  void wait_until_parked() {
    std::unique_lock guard{lock_};
    changed_.wait(guard, [&] { return parked_; });
  }
  void open() {
    std::scoped_lock const guard{lock_};
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool parked_ = false;
  bool open_ = false;
};

thread_local bool this_thread_parks = false;

/// True when a fault at `other` completes while another thread is parked inside get_pages of the range at `base`.
bool completes_beside_a_parked_fault(cpu_va other) {
  world w{small_machine(svm::migration_mode::never)};
  w.map(base, 1024 * KiB);
  gate stop;
  w.hooks.hook = [&](step s) {
    if (s == step::walked && this_thread_parks) {
      this_thread_parks = false;
      stop.park();
    }
  };
  std::thread parked{[&] {
    this_thread_parks = true;
    CHECK(w.gpu_write(base, 1) == errc::ok);
  }};
  stop.wait_until_parked();
  std::future<errc> second = std::async(std::launch::async, [&] { return w.gpu_write(other, 2); });
  // The deadline only turns a hang into a failure.
  bool const done = second.wait_for(std::chrono::minutes(1)) == std::future_status::ready;
  stop.open();
  parked.join();
  CHECK(second.get() == errc::ok);
  w.finish();
  return done;
}

}  // namespace

TEST_SUITE("threads/svm_driver") {
  TEST_CASE("a fault in another notifier completes while a thread is parked inside get_pages (RNG-23)") {
    CHECK(completes_beside_a_parked_fault(base + byte_count{512 * KiB}));
  }
  TEST_CASE("a fault in another range of the same notifier completes while a thread is parked inside get_pages") {
    CHECK(completes_beside_a_parked_fault(base + byte_count{128 * KiB}));
  }

  TEST_CASE("faults race invalidations, data stays right, and retries are taken (RAC-02)") {
    constexpr std::uint64_t pages = 64;
    constexpr int rounds = 2000;
    world w{small_machine(svm::migration_mode::never)};
    w.map(base, pages * page_bytes);
    for (std::uint64_t i = 0; i < pages; ++i) REQUIRE(w.cpu_write(base + byte_count{i * page_bytes}, 1000 + i));

    // Of four walks one asks for an event and waits for it, so that a retry is certain, and one asks and goes on, so
    // that the event falls where it may.
    va_range const everything{base, byte_count{pages * page_bytes}};
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> answered{0};
    std::atomic<bool> stop{false};
    std::uint64_t walks = 0;
    w.hooks.hook = [&](step s) {
      if (s != step::walked || ++walks % 2 == 0) return;
      std::uint64_t const request = asked.fetch_add(1) + 1;
      if (walks % 4 == 3)
        while (answered.load() < request) std::this_thread::yield();
    };
    std::thread invalidator{[&] {
      while (!stop.load()) {
        std::uint64_t const request = asked.load();
        if (request == answered.load()) {
          std::this_thread::yield();
          continue;
        }
        static_cast<void>(w.process.invalidate_only({everything, svm::invalidation_cause::clear}));
        answered.store(request);
      }
    }};
    svm::mock::random draw{11};
    int wrong = 0;
    int exhausted = 0;
    for (int i = 0; i < rounds; ++i) {
      std::uint64_t const n = draw.below(pages);
      cpu_va const a = base + byte_count{n * page_bytes};
      static_cast<void>(w.process.invalidate_only({everything, svm::invalidation_cause::clear}));  // else it is a hit
      errc const e = w.driver.fault(a, access_kind::write);
      if (e == errc::busy || e == errc::retry)
        ++exhausted;  // sixteen rounds or ten passes met an event each: bounded, and said so
      else if (e != errc::ok)
        ++wrong;
      std::byte word[8];
      std::uint64_t value = 0;
      if (w.device.load(a, word)) {
        std::memcpy(&value, word, sizeof value);
        if (value != 1000 + n) ++wrong;
      }
    }
    stop.store(true);
    invalidator.join();
    w.hooks.hook = nullptr;
    std::uint64_t const retries =
        w.stats.count(svm::event_kind::retry_after_event) + w.stats.count(svm::event_kind::gpu_fault_retry);
    MESSAGE("retries taken: " << retries << ", faults that ran out of them: " << exhausted
                              << ", invalidations: " << w.stats.count(svm::event_kind::invalidated));
    CHECK(wrong == 0);
    CHECK(retries > 0);
    w.finish();
  }

  TEST_CASE(
      "two GPU threads, a CPU and an evictor share memory under pressure, and every word stays right (RAC-11, "
      "RAC-14)") {
    constexpr std::uint64_t pages = 128;  // twice the device memory
    constexpr int rounds = 2000;
    world w{small_machine(svm::migration_mode::where_possible)};
    w.map(base, pages * page_bytes);
    for (std::uint64_t i = 0; i < pages; ++i) REQUIRE(w.cpu_write(base + byte_count{i * page_bytes}, i));

    std::atomic<int> wrong{0};
    std::atomic<std::uint64_t> busy{0};
    auto const gpu = [&](std::uint64_t seed) {
      svm::mock::random draw{seed};
      for (int i = 0; i < rounds; ++i) {
        std::uint64_t const n = draw.below(pages);
        std::optional<std::uint64_t> const value = w.gpu_read(base + byte_count{n * page_bytes});
        if (!value) ++busy;
        if (value && *value != n) ++wrong;
      }
    };
    auto const cpu = [&] {
      svm::mock::random draw{99};
      for (int i = 0; i < rounds; ++i) {
        std::uint64_t const n = draw.below(pages);
        std::byte word[8];
        std::uint64_t value = 0;
        sys const s = w.process.load(base + byte_count{n * page_bytes}, word);
        std::memcpy(&value, word, sizeof value);
        if (s != sys::ok) ++busy;
        if (s == sys::ok && value != n) ++wrong;
        if (i % 16 == 0) static_cast<void>(w.process.replace_page(base + byte_count{draw.below(pages) * page_bytes}));
      }
    };
    auto const evictor = [&] {
      for (int i = 0; i < rounds / 4; ++i) {
        static_cast<void>(w.mover.evict_all());
        w.driver.collect_garbage();
      }
    };
    std::vector<std::thread> threads;
    threads.emplace_back(gpu, 1);
    threads.emplace_back(gpu, 2);
    threads.emplace_back(cpu);
    threads.emplace_back(evictor);
    for (std::thread& t : threads) t.join();
    MESSAGE("accesses that gave up: " << busy.load() << ", migrations to the device: "
                                      << w.stats.count(svm::event_kind::migrated_to_device));
    CHECK(wrong.load() == 0);
    CHECK(busy.load() < rounds);
    w.finish();
  }

  TEST_CASE("faults race unmapping and mapping anew, and nobody sees old data (RAC-01, RAC-05, UNM-21)") {
    constexpr std::uint64_t size = 64 * KiB;
    constexpr int rounds = 1000;
    world w{small_machine(svm::migration_mode::where_possible)};
    std::atomic<std::uint64_t> generation{0};
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::thread gpu{[&] {
      svm::mock::random draw{5};
      while (!stop.load()) {
        std::uint64_t const before = generation.load();
        std::optional<std::uint64_t> const value = w.gpu_read(base + byte_count{draw.below(16) * page_bytes});
        std::uint64_t const after = generation.load();
        // Fresh memory reads as zero until the CPU has written this generation's tag.
        if (value && *value != 0 && (*value < before || *value > after)) ++wrong;
      }
    }};
    for (int i = 1; i <= rounds; ++i) {
      generation.store(static_cast<std::uint64_t>(i));
      REQUIRE(w.process.mmap({size}, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, base).error ==
              sys::ok);
      for (std::uint64_t p = 0; p < 16; p += 3)
        CHECK(w.cpu_write(base + byte_count{p * page_bytes}, static_cast<std::uint64_t>(i)));
      REQUIRE(w.process.munmap(base, {size}) == sys::ok);
    }
    stop.store(true);
    gpu.join();
    CHECK(wrong.load() == 0);
    w.finish();
  }

  TEST_CASE("two threads that fault the same page get one range and one mapping a page (RAC-06, RAC-07)") {
    world w{small_machine(svm::migration_mode::never)};
    w.map(base, 64 * KiB);
    for (int round = 0; round < 50; ++round) {
      auto const touch = [&](std::uint64_t page) {
        CHECK(w.gpu_write(base + byte_count{page * page_bytes}, page) == errc::ok);
      };
      std::thread a{touch, 3};
      std::thread b{touch, 9};
      a.join();
      b.join();
      w.check_quiet();
      CHECK(w.dma.live() == 16);
      REQUIRE(w.process.madvise_dontneed(base, {64 * KiB}) == sys::ok);
    }
    CHECK(w.stats.count(svm::event_kind::range_created) == 1);
    w.finish();
  }

  TEST_CASE("PRE-04 a prefetch races the CPU's writes, and every word is the one that was written last") {
    constexpr std::uint64_t pages = 32;
    constexpr std::uint64_t rounds = 500;
    world w{small_machine(svm::migration_mode::where_possible)};
    w.map(base, pages * page_bytes);
    std::atomic<int> failed{0};
    std::thread writer{[&] {
      for (std::uint64_t i = 1; i <= rounds; ++i)
        if (!w.cpu_write(base + byte_count{i % pages * page_bytes}, i)) ++failed;
    }};
    for (std::uint64_t i = 0; i < rounds / 4; ++i)
      if (w.driver.prefetch({base, byte_count{pages * page_bytes}},
                            i % 2 == 0 ? svm::prefetch_place::device : svm::prefetch_place::system) == errc::no_vma)
        ++failed;
    writer.join();
    CHECK(failed.load() == 0);
    for (std::uint64_t i = rounds - pages + 1; i <= rounds; ++i)
      CHECK(w.gpu_read(base + byte_count{i % pages * page_bytes}) == i);
    w.finish();
  }

  TEST_CASE("CFB-03, CFB-04 eight CPU threads touch device memory: it comes back once, and all see the data") {
    for (bool const same_page : {true, false}) {
      CAPTURE(same_page);
      world w{small_machine(svm::migration_mode::where_possible)};
      w.map(base, 64 * KiB);
      for (std::uint64_t n = 0; n < 16; ++n) REQUIRE(w.cpu_write(base + byte_count{n * page_bytes}, 50 + n));
      REQUIRE(w.gpu_read(base) == 50u);
      std::atomic<int> wrong{0};
      std::vector<std::thread> threads;
      for (std::uint64_t t = 0; t < 8; ++t)
        threads.emplace_back([&, n = same_page ? 5 : 2 * t] {
          std::byte word[8];
          std::uint64_t value = 0;
          if (w.process.load(base + byte_count{n * page_bytes}, word) != sys::ok) ++wrong;
          std::memcpy(&value, word, sizeof value);
          if (value != 50 + n) ++wrong;
        });
      for (std::thread& t : threads) t.join();
      CHECK(wrong.load() == 0);
      CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == 64 * KiB);
      CHECK(w.device_memory.used().value == 0);
      w.finish();
    }
  }

  TEST_CASE("MIG-14 a CPU that touches memory in the middle of its copy waits, and sees the data") {
    world w{small_machine(svm::migration_mode::where_possible)};
    w.map(base, 64 * KiB);
    REQUIRE(w.cpu_write(base, 7));
    gate stop;
    w.hooks.hook = [&](step s) {
      if (s == step::copying && this_thread_parks) {
        this_thread_parks = false;
        stop.park();
      }
    };
    std::thread gpu{[&] {
      this_thread_parks = true;
      CHECK(w.gpu_read(base) == 7u);
    }};
    stop.wait_until_parked();
    std::atomic<bool> done{false};
    std::thread cpu{[&] {
      std::byte word[8];
      std::uint64_t value = 0;
      CHECK(w.process.load(base, word) == sys::ok);
      std::memcpy(&value, word, sizeof value);
      CHECK(value == 7);
      done.store(true);
    }};
    // The copy stands still: nothing that the CPU does can end before it goes on.
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK_FALSE(done.load());
    stop.open();
    gpu.join();
    cpu.join();
    w.finish();
  }

  TEST_CASE("NOT-10, NOT-13 a reader and a removal wait for the callback that runs") {
    world w{small_machine(svm::migration_mode::never)};
    struct parked_target final : svm::invalidation_target {
      world& w;
      gate& stop;
      typename svm::mock::notifiers<svm::mock::rank_checked<svm::std_lock>>::registration& own;
      parked_target(world& machine, gate& g, decltype(own) r) : w(machine), stop(g), own(r) {}
      svm::invalidation_answer invalidate(svm::invalidation const&, std::uint64_t sequence) noexcept override {
        w.process.set_sequence(own, sequence);
        stop.park();
        return svm::invalidation_answer::done;
      }
      void finish_invalidation(svm::invalidation const&) noexcept override {}
    };
    gate stop;
    svm::mock::notifiers<svm::mock::rank_checked<svm::std_lock>>::registration registration;
    parked_target target{w, stop, registration};
    va_range const span{base, byte_count{64 * KiB}};
    REQUIRE(w.process.register_notifier(registration, span, target) == errc::ok);
    std::uint64_t const before = w.process.read_begin(registration);
    std::thread event{[&] { CHECK(w.process.invalidate_only({span, svm::invalidation_cause::clear})); }};
    stop.wait_until_parked();
    CHECK(w.process.read_retry(registration, before));
    std::atomic<bool> read{false};
    std::thread reader{[&] {
      CHECK(w.process.read_begin(registration) != before);
      read.store(true);
    }};
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK_FALSE(read.load());
    stop.open();
    event.join();
    reader.join();
    CHECK(read.load());
    w.process.unregister_notifier(registration);

    gate again;
    svm::mock::notifiers<svm::mock::rank_checked<svm::std_lock>>::registration second;
    parked_target other{w, again, second};
    REQUIRE(w.process.register_notifier(second, span, other) == errc::ok);
    std::thread next_event{[&] { CHECK(w.process.invalidate_only({span, svm::invalidation_cause::clear})); }};
    again.wait_until_parked();
    std::atomic<bool> removed{false};
    std::thread remover{[&] {
      w.process.unregister_notifier(second);
      removed.store(true);
    }};
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK_FALSE(removed.load());
    again.open();
    next_event.join();
    remover.join();
    CHECK(removed.load());
    w.finish();
  }
}
