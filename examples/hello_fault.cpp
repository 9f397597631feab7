// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/mock.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>

namespace mock = svm::mock;

// A CPU and a GPU share a buffer by its address: nothing is registered, pinned or copied by hand.
int main() {
  // A simulated computer: one process, one GPU, and the library as the GPU's driver.
  using computer = mock::usual_machine;
  mock::machine_options const options;
  computer pc{options, *computer::check(options)};

  auto const mib_on_gpu = [&] { return static_cast<int>(pc.device_memory.used().value >> 20); };
  auto const bytes = [](std::uint64_t& word) { return std::as_writable_bytes(std::span{&word, 1}); };
  auto const say = [&](char const* what, std::uint64_t word) {
    std::printf("%-9s %2d    GPU faults: %d    in GPU memory: %d MiB\n", what, static_cast<int>(word),
                static_cast<int>(pc.stats.count(svm::event_kind::gpu_fault)), mib_on_gpu());
  };

  svm::cpu_va const buffer =
      pc.process.mmap({2 << 20}, mock::protection::read_write, mock::mapping_kind::anon, std::nullopt).at;
  std::uint64_t word = 42;
  bool good = pc.process.store(buffer, bytes(word)) == mock::sys::ok && mib_on_gpu() == 0;
  say("CPU wrote", word);

  word = 0;  // the GPU's page table is empty: the load faults, and the fault moves the memory to the GPU
  good &= pc.gpu_load(buffer, bytes(word)) == svm::errc::ok && word == 42 && mib_on_gpu() == 2;
  say("GPU read", word);

  word = 43;  // it is mapped by now
  good &= pc.gpu_store(buffer, bytes(word)) == svm::errc::ok && mib_on_gpu() == 2;
  say("GPU wrote", word);

  word = 0;  // now the CPU faults, and the memory comes back
  good &= pc.process.load(buffer, bytes(word)) == mock::sys::ok && word == 43 && mib_on_gpu() == 0;
  say("CPU read", word);
  return good ? 0 : 1;
}
