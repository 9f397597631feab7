// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Races that were lost once, each run in the one order that loses it: threads stop at a step of the machine or at a
// lock, never for a time. Run under TSan too.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/machine.hpp>
#include <svm/std/std_lock.hpp>

namespace {

using svm::access_kind;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::event_kind;
using svm::lock_rank;
using svm::migration_mode;
using svm::mock::failure;
using svm::mock::pte;
using svm::mock::step;
using svm::mock::sys;

/// Where a thread does something in between; each thread has its own, and is not called again while it is in it.
struct seams {
  std::function<void(step)> at_step;
  std::function<void(lock_rank)> after_unlock;  ///< it has just given up a lock
  std::function<void(lock_rank)> before_block;  ///< it is about to wait for a lock that somebody else holds
  std::function<void()> before_wait;            ///< it is about to wait for an event, with the event's mutex held
};
thread_local seams here;

template <class... Args>
void pass(std::function<void(Args...)>& seam, std::type_identity_t<Args>... args) {
  thread_local bool inside = false;
  if (!seam || inside) return;
  inside = true;
  seam(args...);
  inside = false;
}

/// The standard locks, with seams.
struct seamed_lock : svm::std_lock {
  template <class Inner, lock_rank Rank>
  class seamed {
   public:
    void lock() {
      if (lock_.try_lock()) return;
      pass(here.before_block, Rank);
      lock_.lock();
    }
    void unlock() {
      lock_.unlock();
      pass(here.after_unlock, Rank);
    }
    [[nodiscard]] bool try_lock() { return lock_.try_lock(); }
    void lock_shared() { lock_.lock_shared(); }
    void unlock_shared() {
      lock_.unlock_shared();
      pass(here.after_unlock, Rank);
    }
    [[nodiscard]] bool try_lock_shared() { return lock_.try_lock_shared(); }
    void assert_held() SVM_ASSERT_CAPABILITY(this) {}
    void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this)) {}

   private:
    Inner lock_;
  };
  template <lock_rank Rank>
  using mutex = seamed<std::mutex, Rank>;
  template <lock_rank Rank>
  using shared_mutex = seamed<std::shared_mutex, Rank>;

  class event : public svm::std_lock::event {
   public:
    template <class Mutex, class Ready>
    void wait(Mutex& mutex, Ready ready) {
      if (!ready()) pass(here.before_wait);
      svm::std_lock::event::wait(mutex, ready);
    }
  };
};

using machine = svm::mock::machine<svm::mock::rank_checked<seamed_lock>>;

/// Ends the program when it is not ended itself within a generous time: turns a hang into a failure.
class hang_guard {
 public:
  hang_guard() : watch_([this] { watch(); }) {}
  ~hang_guard() {
    {
      std::scoped_lock const guard{lock_};
      done_ = true;
    }
    changed_.notify_all();
    watch_.join();
  }

 private:
  void watch() {
    std::unique_lock guard{lock_};
    if (changed_.wait_for(guard, std::chrono::minutes(2), [&] { return done_; })) return;
    std::fputs("a thread hangs\n", stderr);
    std::abort();
  }

  std::mutex lock_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread watch_;
};

/// Given once or more often by one thread, waited for by another.
class sign {
 public:
  void give() {
    given_.store(true);
    given_.notify_all();
  }
  void wait() { given_.wait(false); }

 private:
  std::atomic<bool> given_{false};
};

/// Runs `action` on another thread, and waits for its end.
template <class Action>
void meanwhile(Action&& action) {
  std::thread{std::forward<Action>(action)}.join();
}

constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
constexpr cpu_va base{std::uint64_t{4} << 30};

cpu_va page(std::uint64_t n) {
  return base + byte_count{n * page_bytes};
}

/// A machine with chunks of `chunk_pages` and device memory of `vram_pages`; its audit must be clean.
struct world : machine {
  world(std::uint64_t chunk_pages, std::uint64_t vram_pages, migration_mode migrate)
      : world(options(chunk_pages, vram_pages, migrate)) {}
  ~world() {
    std::vector<std::string> const lines = audit();
    CHECK_MESSAGE(lines.empty(), doctest::toString(lines.empty() ? std::string{} : lines.front()));
  }

  void map(std::uint64_t pages) {
    REQUIRE(process.mmap({pages * page_bytes}, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, base)
                .error == sys::ok);
  }
  [[nodiscard]] sys cpu_write(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return process.store(a, word);
  }
  [[nodiscard]] std::optional<std::uint64_t> cpu_read(cpu_va a) {
    std::byte word[8];
    if (process.load(a, word) != sys::ok) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }
  [[nodiscard]] std::optional<std::uint64_t> gpu_read(cpu_va a) {
    std::byte word[8];
    if (gpu_load(a, word) != errc::ok) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }
  [[nodiscard]] bool is_on_device(cpu_va a) { return process.entry_at(a).what == pte::state::device; }

 private:
  explicit world(svm::mock::machine_options const& o) : machine(o, *machine::check(o)) {
    hooks.hook = [](step s) { pass(here.at_step, s); };
  }
  [[nodiscard]] static svm::mock::machine_options options(std::uint64_t chunk_pages, std::uint64_t vram_pages,
                                                          migration_mode migrate) {
    svm::mock::machine_options o;
    o.vram = byte_count{vram_pages * page_bytes};
    o.notifier_size = byte_count{64 * page_bytes};
    o.chunks = {byte_count{chunk_pages * page_bytes}};
    if (chunk_pages != 1) o.chunks.push_back(byte_count{page_bytes});
    o.driver.check_pages_threshold = {};
    o.driver.migrate = migrate;
    return o;
  }

  hang_guard guard_;
};

}  // namespace

TEST_SUITE("threads/regression") {
  TEST_CASE("a fault removes the range that a parked collector has taken out of its queue, and succeeds (UNM-21)") {
    for (bool const partial : {false, true}) {
      CAPTURE(partial);
      world w{4, 64, partial ? migration_mode::where_possible : migration_mode::never};
      w.map(4);
      for (std::uint64_t n = 0; n < 4; ++n) REQUIRE(w.cpu_write(page(n), 10 + n) == sys::ok);
      REQUIRE(w.gpu_read(base) == 10);
      std::uint64_t const gone = partial ? 2 : 4;
      REQUIRE(w.process.munmap(base, {gone * page_bytes}) == sys::ok);
      w.map(gone);
      REQUIRE(w.cpu_write(base, 20) == sys::ok);

      sign taken;
      sign go_on;
      std::thread collector{[&] {
        here.after_unlock = [&, parked = false](lock_rank rank) mutable {
          if (rank != lock_rank::leaf_collector || std::exchange(parked, true)) return;
          taken.give();
          go_on.wait();
        };
        w.driver.collect_garbage();
      }};
      taken.wait();
      CHECK(w.driver.fault(base, access_kind::read) == errc::ok);
      CHECK(w.stats.count(event_kind::gpu_fault_retry) == 1);
      CHECK(w.stats.count(event_kind::range_removed) == 1);
      go_on.give();
      collector.join();
      CHECK(w.stats.count(event_kind::range_removed) == 1);
      CHECK(w.gpu_read(base) == 20);
      if (partial) CHECK(w.gpu_read(page(3)) == 13);
    }
  }

  TEST_CASE("a CPU access to a page that an eviction has locked waits for it, and succeeds (RAC-14)") {
    for (bool const write : {false, true}) {
      CAPTURE(write);
      world w{4, 64, migration_mode::where_possible};
      w.map(4);
      REQUIRE(w.cpu_write(base, 42) == sys::ok);
      REQUIRE(w.gpu_read(base) == 42);
      REQUIRE(w.is_on_device(base));

      sign locked;
      sign waiting;
      std::thread evictor{[&] {
        here.at_step = [&](step s) {
          if (s != step::collecting) return;
          // The pages are locked, and the page table still has them.
          here.after_unlock = [&, parked = false](lock_rank rank) mutable {
            if (rank != lock_rank::leaf_page_table || std::exchange(parked, true)) return;
            locked.give();
            waiting.wait();
          };
        };
        CHECK(w.mover.evict_all() == errc::ok);
      }};
      locked.wait();
      CHECK(w.is_on_device(base));
      bool waited = false;
      meanwhile([&] {
        here.before_wait = [&] {
          waited = true;
          waiting.give();
        };
        if (write)
          CHECK(w.cpu_write(base, 43) == sys::ok);
        else
          CHECK(w.cpu_read(base) == 42);
        waiting.give();
      });
      evictor.join();
      CHECK(waited);
      CHECK_FALSE(w.is_on_device(base));
      CHECK(w.device_memory.used().value == 0);
      CHECK(w.cpu_read(base) == (write ? 43 : 42));
    }
  }

  TEST_CASE("a page that was unmapped under an eviction may belong to another migration before the eviction ends") {
    world w{1, 2, migration_mode::where_possible};
    cpu_va const kept = page(0);
    cpu_va const unmapped = page(1);
    cpu_va const other = page(8);
    w.map(9);
    std::uint64_t tag = 1;
    for (cpu_va const a : {kept, unmapped, other}) REQUIRE(w.cpu_write(a, tag++) == sys::ok);
    REQUIRE(w.gpu_read(kept) == 1);
    REQUIRE(w.gpu_read(unmapped) == 2);
    REQUIRE(w.device_memory.available().value == 0);

    sign copying;
    sign evicted;
    std::thread other_fault;
    std::thread evictor{[&] {
      here.at_step = [&](step s) {
        if (s == step::collecting)
          here.after_unlock = [&, done = false](lock_rank rank) mutable {
            if (rank != lock_rank::leaf_page_table || std::exchange(done, true)) return;
            meanwhile([&] { CHECK(w.process.munmap(unmapped, {page_bytes}) == sys::ok); });
          };
        if (s != step::copying) return;
        // The frame of the unmapped page is free again, and the only one.
        CHECK(w.device_memory.available().value == page_bytes);
        other_fault = std::thread{[&] {
          here.at_step = [&](step inner) {
            if (inner != step::copying) return;
            copying.give();
            evicted.wait();
          };
          CHECK(w.driver.fault(other, access_kind::read) == errc::ok);
          copying.give();
        }};
        copying.wait();
      };
      CHECK(w.mover.evict_span(w.process, {base, byte_count{2 * page_bytes}}) == errc::ok);
    }};
    evictor.join();
    evicted.give();
    REQUIRE(other_fault.joinable());
    other_fault.join();
    CHECK(w.is_on_device(other));
    CHECK(w.gpu_read(other) == 3);
    CHECK(w.cpu_read(other) == 3);
    CHECK(w.cpu_read(kept) == 1);
    CHECK_FALSE(w.cpu_read(unmapped).has_value());
  }

  TEST_CASE("a page dropped between a migration's last look at it and its end is freed once, and reads as zero") {
    for (bool const zero_page : {false, true}) {
      CAPTURE(zero_page);
      world w{1, 4, migration_mode::where_possible};
      w.map(1);
      if (zero_page) REQUIRE(w.cpu_read(base) == 0);
      bool dropped = false;
      meanwhile([&] {
        here.at_step = [&](step s) {
          if (s != step::installing) return;
          here.after_unlock = [&](lock_rank rank) {
            if (rank != lock_rank::leaf_page_table || dropped || !w.is_on_device(base)) return;
            dropped = true;
            meanwhile([&] { CHECK(w.process.madvise_dontneed(base, {page_bytes}) == sys::ok); });
          };
        };
        CHECK(w.driver.fault(base, access_kind::write) == errc::ok);
      });
      CHECK(dropped);
      w.check_quiet();
      CHECK(w.broken.empty());
      CHECK(w.gpu_read(base) == 0);
      CHECK(w.cpu_read(base) == 0);
    }
  }

  TEST_CASE("of two CPU threads that touch a page first, one fills it and the other uses what it finds") {
    for (bool const first_writes : {false, true})
      for (bool const second_writes : {false, true}) {
        CAPTURE(first_writes);
        CAPTURE(second_writes);
        world w{1, 4, migration_mode::never};
        w.map(1);
        auto const touch = [&](bool writes, std::uint64_t offset) {
          cpu_va const a = base + byte_count{offset};
          if (writes)
            CHECK(w.cpu_write(a, offset + 1) == sys::ok);
          else
            CHECK(w.cpu_read(a) == 0);
        };
        meanwhile([&] {
          // The first has just seen that there is nothing.
          here.after_unlock = [&, done = false](lock_rank rank) mutable {
            if (rank != lock_rank::leaf_page_table || std::exchange(done, true)) return;
            CHECK(w.process.entry_at(base).is_none());
            meanwhile([&] { touch(second_writes, 8); });
            CHECK_FALSE(w.process.entry_at(base).is_none());
          };
          touch(first_writes, 0);
        });
        std::uint64_t const pages = first_writes || second_writes ? 1 : 0;
        CHECK(w.failures.calls(failure::ram) == pages);
        CHECK(w.frames.ram_used().value == pages * page_bytes);
        CHECK(w.cpu_read(base) == (first_writes ? 1 : 0));
        CHECK(w.cpu_read(base + byte_count{8}) == (second_writes ? 9 : 0));
      }
  }

  TEST_CASE("of two faults that must have the only room one waits for the other's eviction, and both succeed") {
    world w{1, 1, migration_mode::required};
    w.map(3);
    for (std::uint64_t n = 0; n < 3; ++n) REQUIRE(w.cpu_write(page(n), 10 + n) == sys::ok);
    REQUIRE(w.gpu_read(page(0)) == 10);

    sign evicting;
    sign blocked;
    sign first_done;
    bool did_block = false;
    std::thread first{[&] {
      here.at_step = [&, parked = false](step s) mutable {
        if (s != step::copying || std::exchange(parked, true)) return;
        evicting.give();
        blocked.wait();
      };
      CHECK(w.driver.fault(page(1), access_kind::read) == errc::ok);
    }};
    std::thread second{[&] {
      here.before_block = [&](lock_rank rank) {
        if (rank != lock_rank::eviction || std::exchange(did_block, true)) return;
        blocked.give();
        first_done.wait();
      };
      evicting.wait();
      CHECK(w.driver.fault(page(2), access_kind::read) == errc::ok);
      blocked.give();
    }};
    first.join();
    first_done.give();
    second.join();
    CHECK(did_block);
    CHECK(w.is_on_device(page(2)));
    for (std::uint64_t n = 0; n < 3; ++n) CHECK(w.cpu_read(page(n)) == 10 + n);
  }
}
