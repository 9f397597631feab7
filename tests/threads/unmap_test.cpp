// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Unmapping beside a GPU that works and a migration that holds the pages, with real threads; run under TSan too.

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <threads/world.hpp>

using namespace real_threads;

namespace {

using svm::mock::step;

constexpr std::uint64_t chunk = 64 * KiB;

svm::mock::machine_options with_chunks(std::vector<byte_count> const& chunks) {
  svm::mock::machine_options o;
  o.vram = {4 * MiB};
  o.chunks = chunks;
  o.driver.check_pages_threshold = {};
  return o;
}

}  // namespace

TEST_SUITE("threads/unmap") {
  TEST_CASE("a GPU that hammers a page sees no error and no old data while its neighbours go and come (UNM-27)") {
    for (auto const mode : {svm::migration_mode::never, svm::migration_mode::where_possible})
      for (auto const rest : {svm::partial_unmap::evict, svm::partial_unmap::split}) {
        CAPTURE(static_cast<int>(mode));
        CAPTURE(static_cast<int>(rest));
        auto o = with_chunks({byte_count{2 * MiB}, byte_count{chunk}, byte_count{page_bytes}});
        o.driver.migrate = mode;
        o.driver.rest = rest;
        world w{o};
        w.map(base, 2 * MiB);
        std::atomic<bool> stop{false};
        std::atomic<std::uint64_t> rounds{0};
        std::atomic<int> wrong{0};
        std::thread hammer{[&] {
          for (std::uint64_t value = 1; !stop.load(); ++value, ++rounds) {
            if (w.gpu_write(base, value) != errc::ok) ++wrong;
            if (w.gpu_read(base) != value) ++wrong;
          }
        }};
        // Each change waits for a whole round of the hammer, so that no fault meets more of them than it has passes.
        auto const wait_for_hammer = [&] {
          for (std::uint64_t const seen = rounds.load(); rounds.load() < seen + 2;) std::this_thread::yield();
        };
        for (std::uint64_t n = 1; n <= 40; ++n) {
          std::uint64_t const offset = n % 2 == 0 ? page_bytes : (1 + n % 31) * chunk;
          std::uint64_t const size = n % 2 == 0 ? page_bytes : chunk;
          wait_for_hammer();
          CHECK(w.process.munmap(base + byte_count{offset}, {size}) == sys::ok);
          wait_for_hammer();
          w.map(base + byte_count{offset}, size);
          CHECK(w.cpu_write(base + byte_count{offset}, n));
          CHECK(w.gpu_read(base + byte_count{offset}) == n);
        }
        stop.store(true);
        hammer.join();
        CHECK(wrong.load() == 0);
        w.finish();
      }
  }

  TEST_CASE("an unmap of memory that is all locked for its way to the device waits, and then all is gone (UNM-28)") {
    world w{with_chunks({byte_count{chunk}, byte_count{page_bytes}})};
    w.map(base, chunk);
    for (std::uint64_t n = 0; n < chunk / page_bytes; ++n) REQUIRE(w.cpu_write(base + byte_count{n * page_bytes}, n));
    std::thread other;
    std::atomic<bool> begun{false};
    std::atomic<bool> done{false};
    w.hooks.hook = [&](step s) {
      if (s == step::copying && !other.joinable()) {
        other = std::thread{[&] {
          begun.store(true);
          CHECK(w.process.munmap(base, {chunk}) == sys::ok);
          done.store(true);
        }};
        while (!begun.load()) std::this_thread::yield();
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
      }
      // The migration has the map lock until it is through.
      if (s == step::copying || s == step::installing) CHECK_FALSE(done.load());
    };
    errc const e = w.mover.migrate_to_device(w.process, {base, byte_count{chunk}}, {});
    other.join();
    w.hooks.hook = nullptr;
    CHECK(e == errc::ok);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK_FALSE(w.gpu_read(base));
    w.finish();
  }

  TEST_CASE("an unmap of memory that is all locked for its way back goes through, and nothing comes back (UNM-28)") {
    for (step const when : {step::copying, step::installing}) {
      CAPTURE(static_cast<int>(when));
      world w{with_chunks({byte_count{chunk}, byte_count{page_bytes}})};
      w.map(base, chunk);
      for (std::uint64_t n = 0; n < chunk / page_bytes; ++n) REQUIRE(w.cpu_write(base + byte_count{n * page_bytes}, n));
      REQUIRE(w.gpu_write(base, 1) == errc::ok);
      REQUIRE(w.device_memory.used() == byte_count{chunk});
      bool unmapped = false;
      w.hooks.hook = [&](step s) {
        if (s != when || unmapped) return;
        unmapped = true;
        std::thread{[&] { CHECK(w.process.munmap(base, {chunk}) == sys::ok); }}.join();
      };
      static_cast<void>(w.mover.evict_all());
      w.hooks.hook = nullptr;
      CHECK(unmapped);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.frames.ram_used() == byte_count{});
      CHECK(w.gpu_write(base, 1) == errc::no_vma);
      w.finish();
    }
  }
}
