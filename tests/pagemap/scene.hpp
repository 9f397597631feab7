// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <support/world.hpp>

namespace support {

using svm::prefetch_place;
using svm::mock::failure;
using repeat = svm::mock::failure_plan::repeat;
using allocation_ref = svm::migrator<policies>::devmem_ref;

/// The chunk that most tests move: 16 pages, so that a failure at every step stays quick.
inline constexpr std::uint64_t chunk = 64 * KiB;
inline constexpr std::uint64_t chunk_pages = chunk / page_bytes;

/// A machine whose largest chunk is `chunk`, with little device memory.
template <class Set>
[[nodiscard]] svm::mock::machine_options small_chunks(std::uint64_t vram, Set&& set) {
  return options([&](svm::mock::machine_options& o) {
    o.vram = {vram};
    o.chunks = {byte_count{chunk}, byte_count{page_bytes}};
    set(o);
  });
}
[[nodiscard]] inline svm::mock::machine_options small_chunks(std::uint64_t vram = 1 * MiB) {
  return small_chunks(vram, [](auto&) {});
}

/// The address of the n-th page of the first mapping.
[[nodiscard]] inline cpu_va page_at(std::uint64_t n) {
  return at(n * page_bytes);
}

/// The finished allocation whose page the CPU's page table has at `a`.
[[nodiscard]] inline allocation_ref allocation_at(world& w, cpu_va a) {
  return w.mover.find_slow(w.process.entry_at(a).target);
}

/// Moves a span to the device, without a timeslice and without a GPU mapping.
[[nodiscard]] inline errc to_device(world& w, cpu_va a, std::uint64_t size, svm::duration timeslice = {}) {
  return w.mover.migrate_to_device(w.process, span(a, size), {.timeslice = timeslice});
}

/// The page behind every page address of a span: what must not change when a migration changes nothing.
[[nodiscard]] inline std::vector<svm::mock::page> pages_behind(world& w, cpu_va a, std::uint64_t size) {
  std::vector<svm::mock::page> found;
  for (std::uint64_t done = 0; done < size; done += page_bytes)
    found.push_back(w.process.entry_at(a + byte_count{done}).target);
  return found;
}

/// How many pages of a span hold anything but zeros, as a GPU load or a CPU load of whole pages sees it.
template <class Load>
[[nodiscard]] std::uint64_t dirty_pages(cpu_va a, std::uint64_t size, Load&& load) {
  std::uint64_t dirty = 0;
  for (std::uint64_t done = 0; done < size; done += page_bytes) {
    std::vector<std::byte> bytes(page_bytes, std::byte{1});
    REQUIRE(load(a + byte_count{done}, bytes));
    bool zero = true;
    for (std::byte const b : bytes) zero = zero && b == std::byte{};
    dirty += zero ? 0 : 1;
  }
  return dirty;
}

/// Runs `act` as a thread beside this one would: with no lock of its own. Only for what the locks that this thread
/// holds would let that thread do.
template <class Act>
void as_another_thread(Act&& act) {
  auto const mine = std::exchange(svm::mock::this_thread_locks, svm::mock::held_locks{});
  act();
  CHECK(svm::mock::this_thread_locks.depth() == 0);
  svm::mock::this_thread_locks = mine;
}

/// Lets another thread act when the machine comes to a step for the first time.
inline void interfere(world& w, step where, std::function<void()> act) {
  w.hooks.hook = [where, act = std::move(act), done = false](step s) mutable {
    if (s != where || std::exchange(done, true)) return;
    as_another_thread(act);
  };
}

}  // namespace support
