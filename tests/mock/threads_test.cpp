// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The simulated machine with real threads: forks, moves, daemons and two GPUs at the same time. Runs under TSan too.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <thread>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <threads/world.hpp>

using namespace real_threads;

namespace {

constexpr std::uint64_t pages = 64;

bool write(machine::task& t, cpu_va a, std::uint64_t value) {
  std::byte word[8];
  std::memcpy(word, &value, sizeof word);
  return t.process.store(a, word) == sys::ok;
}
std::optional<std::uint64_t> read(machine::task& t, cpu_va a) {
  std::byte word[8];
  if (t.process.load(a, word) != sys::ok) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, word, sizeof value);
  return value;
}

svm::mock::machine_options two_gpus() {
  svm::mock::machine_options o;
  o.ram = {8 << 20};
  o.vram = {128 * KiB};
  o.gpus = 2;
  o.notifier_size = {256 * KiB};
  o.chunks = {byte_count{64 * KiB}, byte_count{4 * KiB}};
  o.driver.check_pages_threshold = {};
  return o;
}

}  // namespace

TEST_SUITE("mock/machine, threads") {
  TEST_CASE("forks, daemons, two GPUs and a CPU at once, and every word stays right (RAC-08, FRK-14)") {
    world w{two_gpus()};
    w.map(base, pages * page_bytes);
    for (std::uint64_t n = 0; n < pages; ++n) REQUIRE(write(w.first(), page_at(n), n));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::deque<std::thread> threads;
    // Each writer has pages of its own: n, n + 4, ...
    auto const writer = [&](std::uint64_t which, std::function<bool(cpu_va, std::uint64_t)> const& store) {
      for (std::uint64_t round = 1; round <= 30; ++round)
        for (std::uint64_t n = which; n < pages; n += 4) {
          if (!store(page_at(n), n + pages * round)) continue;
          if (read(w.first(), page_at(n)) != n + pages * round) ++wrong;
        }
    };
    threads.emplace_back([&] { writer(0, [&](cpu_va a, std::uint64_t v) { return write(w.first(), a, v); }); });
    for (std::size_t g : {0u, 1u})
      threads.emplace_back([&, g] {
        writer(1 + g, [&](cpu_va a, std::uint64_t v) {
          std::byte word[8];
          std::memcpy(word, &v, sizeof word);
          return w.gpu_store(w.first(), g, a, word) == errc::ok;
        });
      });
    std::deque<std::thread> daemons;
    daemons.emplace_back([&] {
      for (int forks = 0; !stop && forks < 100; ++forks) {
        machine::task& child = w.fork(w.first());
        for (std::uint64_t n = 3; n < pages; n += 4) {  // pages that nobody writes
          if (read(child, page_at(n)) != n) ++wrong;
          if (!write(child, page_at(n), 0)) ++wrong;
        }
        w.exit(child);
      }
    });
    daemons.emplace_back([&] {
      svm::mock::random draw{1};
      while (!stop) {
        cpu_va const a = page_at(draw.below(pages));
        if (draw.below(2) == 0)
          w.process.swap_out(a);
        else
          w.process.replace_page(a);
      }
    });
    daemons.emplace_back([&] {
      while (!stop)
        for (std::size_t g : {0u, 1u}) static_cast<void>(w.gpu_card(g).mover.evict_all());
    });
    for (std::thread& t : threads) t.join();
    stop = true;
    for (std::thread& t : daemons) t.join();
    CHECK(wrong == 0);
    for (std::uint64_t n = 3; n < pages; n += 4) CHECK(read(w.first(), page_at(n)) == n);
    w.finish();
  }

  TEST_CASE("a mapping moves to and fro while a GPU uses it and the device is emptied (RAC-09)") {
    world w{two_gpus()};
    cpu_va const places[] = {base, page_at(256)};
    w.map(base, 16 * page_bytes);
    for (std::uint64_t n = 0; n < 16; ++n) REQUIRE(write(w.first(), page_at(n), n + 1));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::thread user{[&] {
      svm::mock::random draw{2};
      while (!stop) {
        std::uint64_t const n = draw.below(16);
        std::byte word[8];
        for (cpu_va const place : places)
          if (w.gpu_load(w.first(), draw.below(2), place + byte_count{n * page_bytes}, word) == errc::ok) {
            std::uint64_t value = 0;
            std::memcpy(&value, word, sizeof value);
            if (value != n + 1) ++wrong;
          }
      }
    }};
    std::thread evictor{[&] {
      while (!stop)
        for (std::size_t g : {0u, 1u}) static_cast<void>(w.gpu_card(g).mover.evict_all());
    }};
    for (int i = 0; i < 200; ++i)
      CHECK(w.process.mremap(places[i % 2], {16 * page_bytes}, {16 * page_bytes}, false, places[1 - i % 2]).error ==
            sys::ok);
    stop = true;
    user.join();
    evictor.join();
    CHECK(wrong == 0);
    for (std::uint64_t n = 0; n < 16; ++n) CHECK(read(w.first(), page_at(n)) == n + 1);
    w.finish();
  }
}
