// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What one learns here: a policy of one's own that says what moves along with a GPU fault. No header is edited: a bundle
// names the policy, and what the policy does not say is as UVM does it.

#include "minimal_backend.hpp"

#include <svm/driver/block_service.hpp>
#include <svm/placement/uvm_placement.hpp>

#include <array>
#include <cstdint>
#include <cstdio>

namespace {

using namespace svm::literals;

/// A fault brings the aligned 512 KiB around it.
struct quarters : svm::placement::uvm_placement {
  using uvm_placement::uvm_placement;

  svm::page_mask along(block_data&, svm::placement::prefetch_request const& service) {
    constexpr unsigned quarter = svm::page_mask::pages / 4;
    svm::page_mask brought;
    for (unsigned first = 0; first < svm::page_mask::pages; first += quarter)
      if (svm::page_mask const part{svm::page_span{first, first + quarter}}; part.meets(service.pages.faulted))
        brought |= part;
    return (brought & svm::page_mask{service.pages.where.window}) - service.pages.faulted;
  }
};

template <class Placement>
struct policies : tiny::policies {
  using placement = Placement;
};

/// How many services it takes until a program on the GPU has read 2 MiB from the first page to the last.
template <class Placement>
std::uint64_t services_of_a_sweep() {
  using bundle = policies<Placement>;
  svm::heap heap;
  tiny::memory memory{heap};
  tiny::process process{memory, 1};
  tiny::gpu gpu{memory};
  tiny::vram vram{memory, 4_MiB};
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<bundle> migrator{{process, gpu, vram, heap, clock, observer}};
  std::array const chunks{2_MiB, 64_KiB, 4_KiB};
  auto const shape = svm::gpusvm_layout::make({svm::cpu_va{}, 1_TiB}, 4_MiB, chunks, tiny::process::page_size);
  svm::svm_driver<bundle> driver{migrator, *shape, {}};
  svm::block_service<bundle> service{driver, {}};  // from here on faults are served page by page

  svm::va_range const buffer{svm::cpu_va{0x10000000}, 2_MiB};
  process.mmap(buffer);
  for (svm::cpu_va a = buffer.start(); buffer.contains(a); a = a + tiny::process::page_size) {
    if (!process.store(a, 42)) return 0;
  }
  for (svm::cpu_va a = buffer.start(); buffer.contains(a); a = a + tiny::process::page_size)
    while (gpu.load(a) != 42)
      if (driver.fault(a, svm::access_kind::read) != svm::errc::ok) return 0;
  process.munmap(buffer.start());
  return service.counts().fault_services;
}

}  // namespace

int main() {
  std::uint64_t const by_density = services_of_a_sweep<svm::placement::uvm_placement>();
  std::uint64_t const by_quarters = services_of_a_sweep<quarters>();
  std::printf("A sweep over 2 MiB takes %llu services by density, and %llu by quarters.\n",
              static_cast<unsigned long long>(by_density), static_cast<unsigned long long>(by_quarters));
  return by_density == 6 && by_quarters == 4 ? 0 : 1;
}
