// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
//
// What one learns here: the CPU and a GPU share a buffer by its address; a GPU fault moves the memory there, and a CPU
// access brings it back.
#include <svm/mock.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>

namespace mock = svm::mock;

int main() {
  mock::machine_options const options;  // a simulated computer: a process, a GPU, and the library as the GPU's driver
  mock::usual_machine pc{options, *mock::usual_machine::check(options)};
  svm::cpu_va const buffer =
      pc.process.mmap({2 << 20}, mock::protection::read_write, mock::mapping_kind::anon, std::nullopt).at;
  std::uint64_t word = 42;
  auto const bytes = std::as_writable_bytes(std::span{&word, 1});
  auto const says = [&](char const* who, bool done, std::uint64_t value, std::uint64_t mib_on_gpu) {
    std::printf("%-9s %2d    GPU faults: %d    in GPU memory: %d MiB\n", who, static_cast<int>(word),
                static_cast<int>(pc.stats.count(svm::event_kind::gpu_fault)), static_cast<int>(mib_on_gpu));
    return done && word == value && pc.device_memory.used().value == mib_on_gpu << 20;
  };

  bool good = says("CPU wrote", pc.process.store(buffer, bytes) == mock::sys::ok, 42, 0);
  word = 0;  // the GPU has no mapping: its load faults, and the fault moves the memory to the GPU
  good &= says("GPU read", pc.gpu_load(buffer, bytes) == svm::errc::ok, 42, 2);
  word = 43;  // it is mapped by now
  good &= says("GPU wrote", pc.gpu_store(buffer, bytes) == svm::errc::ok, 43, 2);
  word = 0;  // now the CPU faults, and the memory comes back
  good &= says("CPU read", pc.process.load(buffer, bytes) == mock::sys::ok, 43, 0);
  return good ? 0 : 1;
}
