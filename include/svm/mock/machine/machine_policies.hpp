// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/concepts/policies.hpp>
#include <svm/mock/cpu/mm.hpp>
#include <svm/mock/gpu/gpu.hpp>
#include <svm/mock/gpu/vram.hpp>
#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/statistics.hpp>
#include <svm/mock/machine/virtual_clock.hpp>
#include <svm/placement/uvm_placement.hpp>

namespace svm::inline v0::mock {

/// The policies of the simulated machine; `Lock` is a `rank_checked` policy.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false>
struct machine_policies : default_policies {
  using mm = address_space<Lock, PageBytes>;
  using device = gpu<Lock, PageBytes>;
  using pagemap = vram<Lock, PageBytes, Coherent>;
  using lock = Lock;
  using clock = virtual_clock;
  using allocator = counting_allocator;
  using observer = statistics;
  using placement = svm::placement::uvm_placement;  // a view without options for it moves ranges whole
};

}  // namespace svm::inline v0::mock
