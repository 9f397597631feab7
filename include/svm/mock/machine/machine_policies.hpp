// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/concepts/policies.hpp>
#include <svm/mock/cpu/mm.hpp>
#include <svm/mock/gpu/gpu.hpp>
#include <svm/mock/gpu/vram.hpp>
#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/statistics.hpp>
#include <svm/mock/machine/virtual_clock.hpp>

namespace svm::inline v0::mock {

/// Which drivers the GPUs of a machine may have: what is not there costs no time to compile.
enum class drivers : std::uint8_t {
  by_ranges,  ///< svm_driver, which moves ranges whole
  all,        ///< queue_driver and block_service too, where the machine's options ask for them
};

/// The policies of the simulated machine; `Lock` is a `rank_checked` policy.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false, drivers Drivers = drivers::by_ranges>
struct machine_policies : default_policies {
  static_assert(Drivers == drivers::by_ranges, "svm: a full_machine needs <svm/mock/full.hpp>");

  using mm = address_space<Lock, PageBytes>;
  using device = gpu<Lock, PageBytes>;
  using pagemap = vram<Lock, PageBytes, Coherent>;
  using lock = Lock;
  using clock = virtual_clock;
  using allocator = counting_allocator;
  using observer = statistics;
};

}  // namespace svm::inline v0::mock
