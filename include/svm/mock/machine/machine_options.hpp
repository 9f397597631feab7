// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <svm/driver/svm_driver.hpp>
#include <svm/mock/gpu/gpu.hpp>
#include <svm/mock/gpu/iommu.hpp>
#include <svm/mock/cpu/mm.hpp>
#include <svm/placement/topology.hpp>
#include <svm/placement/uvm_options.hpp>

namespace svm::inline v0::mock {

/// The size of the simulated machine, and how its GPUs' drivers are set up.
struct machine_options {
  byte_count ram{std::uint64_t{1} << 30};
  byte_count vram{std::uint64_t{256} << 20};  ///< of each GPU
  va_range window{cpu_va{}, byte_count{user_end}};
  byte_count notifier_size{std::uint64_t{512} << 20};
  std::vector<byte_count> chunks{byte_count{2 << 20}, byte_count{64 << 10}, byte_count{4 << 10}};
  driver_options driver{};
  migrator_options eviction{};                        ///< what makes room in a GPU's memory
  std::optional<placement::uvm_options> placement{};  ///< full_machine: faults are served page by page
  dma_addr first_dma_address{};
  unsigned gpus = 1;
  bool linked = true;       ///< the GPUs reach each other's memory
  bool thp = false;         ///< anonymous memory is faulted in as huge pages without advice
  bool joins_pages = true;  ///< pages that are allocated one after the other lie together, so that a walk joins them
  page_faults faults = page_faults::replayed;  ///< full_machine: fatal has queues that stop
  iommu_mode iommu = iommu_mode::direct;
  bool late_copies = false;  ///< the copy engines clear memory late and move blocks in any order
  std::uint64_t seed = 1;
};

/// Who reaches whose memory on a machine, as policies know it.
[[nodiscard]] inline placement::topology links_of(machine_options const& of) {
  placement::topology all = placement::topology::bus();
  for (unsigned a = 0; of.linked && a < of.gpus; ++a)
    for (unsigned b = 0; b < of.gpus; ++b)
      if (a != b) all.connect(placement::gpu(a), placement::gpu(b), {});
  return all;
}

}  // namespace svm::inline v0::mock
