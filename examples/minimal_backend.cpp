// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What one learns here: how a backend written from scratch is used. The backend is the header; this is its last part:
//
// -- 7. Use it --------------------------------------------------------------------------------------------------------

#include "minimal_backend.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace {

/// Says what should be so, and whether it is.
bool claim(bool holds, char const* what) {
  std::printf("%s %s\n", holds ? "  yes:" : "  NO: ", what);
  return holds;
}

}  // namespace

int main() {
  using namespace svm::literals;

  // The system: memory, two processes, one GPU with 1 MiB of its own memory, and a page table for each process.
  svm::heap heap;
  tiny::memory memory{heap};
  tiny::process process{memory, 1};
  tiny::process other{memory, 2};
  tiny::gpu gpu{memory};
  tiny::gpu gpu_of_other{memory};
  tiny::vram vram{memory, 1_MiB};

  // The library on top of it: ranges of 64 KiB where they fit, of one page elsewhere.
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<tiny::policies> migrator{{process, gpu, vram, heap, clock, observer}};
  std::array const chunks{64_KiB, 4_KiB};
  svm::va_range const window{svm::cpu_va{}, 1_TiB};
  auto const shape = svm::gpusvm_layout::make(window, 2_MiB, chunks, tiny::process::page_size);
  svm::svm_driver<tiny::policies> driver{migrator, *shape, {}};
  svm::environment<tiny::policies> const beside{other, gpu_of_other, vram, heap, clock, observer};
  svm::svm_driver<tiny::policies> driver_of_other{migrator, beside, *shape, {}};

  // What the GPU's fault interrupt does.
  auto const gpu_load = [&](svm::cpu_va a) -> std::optional<std::uint64_t> {
    while (true) {
      if (auto const value = gpu.load(a)) return value;
      svm::errc const e = driver.fault(a, svm::access_kind::read);
      std::printf("  GPU fault at 0x%llx: %s\n", static_cast<unsigned long long>(a.value), svm::describe(e).cause);
      if (e != svm::errc::ok) return std::nullopt;
    }
  };

  svm::cpu_va const buffer{0x10000000};
  bool good = true;

  std::puts("The process maps 64 KiB, which come as a block, and writes 42; the GPU reads.");
  process.mmap({buffer, 64_KiB}, svm::page_order{4});
  for (std::uint64_t offset = 0; offset < 64 << 10; offset += tiny::page_bytes)
    good = process.store(buffer + svm::byte_count{offset}, 42) && good;
  good = claim(gpu_load(buffer) == 42, "the GPU read 42") && good;
  good = claim(vram.available() == 1_MiB - 64_KiB, "the 64 KiB are in device memory now") && good;

  std::puts("Another process does the same at the same address, with 43 and in pages. Each CPU reads its own.");
  other.mmap({buffer, 64_KiB});
  for (std::uint64_t offset = 0; offset < 64 << 10; offset += tiny::page_bytes)
    good = other.store(buffer + svm::byte_count{offset}, 43) && good;
  good =
      claim(driver_of_other.fault(buffer, svm::access_kind::read) == svm::errc::ok, "its GPU fault is served") && good;
  good = claim(gpu_of_other.load(buffer) == 43, "the GPU read 43 for it") && good;
  good = claim(vram.available() == 1_MiB - 128_KiB, "both are in device memory") && good;
  good = claim(other.load(buffer) == 43, "the other process's CPU read 43") && good;
  good = claim(vram.available() == 1_MiB - 64_KiB, "only its memory came back") && good;
  other.munmap(buffer);

  std::puts("The CPU reads.");
  good = claim(process.load(buffer) == 42, "the CPU read 42") && good;
  good = claim(vram.available() == 1_MiB, "nothing is in device memory any more") && good;
  good = claim(!gpu.load(buffer), "the GPU's mapping went with it") && good;

  std::puts("The GPU reads once more, then the process unmaps the memory.");
  good = claim(gpu_load(buffer) == 42, "the GPU read 42") && good;
  process.munmap(buffer);
  good = claim(!gpu.load(buffer), "the GPU's mapping was invalidated") && good;
  good = claim(!gpu_load(buffer), "the next access fails") && good;
  good = claim(vram.available() == 1_MiB && gpu.dma_mappings() + gpu_of_other.dma_mappings() == 0,
               "nothing is left behind") &&
         good;
  return good ? 0 : 1;
}
