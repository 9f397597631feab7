// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Copies that two GPUs read while the CPU writes, with real threads on std_lock; run under TSan too.

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <threads/world.hpp>

using namespace real_threads;

TEST_SUITE("threads/duplication") {
  TEST_CASE("two GPUs that read copies never read an older word than the CPU has written (DUP-25)") {
    constexpr unsigned pages = 8;
    constexpr std::uint64_t writes = 100;
    svm::mock::machine_options o;
    o.gpus = 2;
    o.vram = byte_count{16 * page_bytes};
    o.placement.emplace();
    world w{o};
    w.map(base, 2 * MiB);
    std::array<std::atomic<std::uint64_t>, pages> written{};
    for (unsigned p = 0; p < pages; ++p) REQUIRE(w.cpu_write(page_at(p), 0));
    for (auto const& view : w.first().views)
      REQUIRE(view->blocks->set_read_duplicated({base, byte_count{2 * MiB}}, true) == errc::ok);

    std::atomic<std::uint64_t> reads{0};
    std::atomic<bool> is_over{false}, is_wrong{false};
    std::vector<std::thread> threads;
    for (std::size_t gpu = 0; gpu < 2; ++gpu)
      threads.emplace_back([&, gpu] {
        for (unsigned p = 0; !is_over; p = (p + 1) % pages, ++reads) {
          std::uint64_t const least = written[p].load();
          std::uint64_t seen = 0;
          errc const e = w.gpu_load(w.first(), gpu, page_at(p), std::as_writable_bytes(std::span{&seen, 1}));
          if (e != errc::busy && (e != errc::ok || seen < least)) is_wrong = true;
        }
      });
    threads.emplace_back([&] {  // takes the memory of copies, and gives it back
      for (std::uint64_t n = 0; !is_over; ++n) {
        std::uint64_t const value = n;
        errc const e = w.gpu_store(w.first(), n % 2, page_at(16 + n % 4), std::as_bytes(std::span{&value, 1}));
        if (e != errc::busy && e != errc::ok) is_wrong = true;
      }
    });
    for (std::uint64_t n = 1; n <= writes && !is_wrong; ++n) {
      for (std::uint64_t const before = reads; reads < before + 2 * pages;) std::this_thread::yield();
      if (!w.cpu_write(page_at(n % pages), n)) is_wrong = true;
      written[n % pages] = n;
    }
    is_over = true;
    for (std::thread& t : threads) t.join();
    CHECK_FALSE(is_wrong);
    for (auto const& view : w.first().views) CHECK(view->blocks->counts().pages_duplicated > 0);
    w.finish();
  }
}
