// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/constants.hpp>
#include <svm/placement/density.hpp>
#include <svm/placement/processor.hpp>

namespace svm::inline v0::placement {

/// What moves along with a fault.
enum class prefetch_mode : std::uint8_t {
  off,         ///< a fault moves what is missing of its range
  density,     ///< a fault moves its page, and density says what else
  until_full,  ///< density until the first eviction, and faulted pages alone from the next service on
};
/// What makes room.
enum class eviction_mode : std::uint8_t {
  oldest,   ///< what one service brought into one range, the one made first
  touched,  ///< the same, the one touched longest ago
  uvm,      ///< all of a block, the one served longest ago; a block takes its whole size
  density,  ///< the group touched longest ago, and what the tree above it would no longer keep
};
/// Whether pages that move to and fro are held: not, as UVM does, or for a slice of time.
enum class thrash_mode : std::uint8_t { off, on, slice };
/// Whether access counters bring memory: not, as UVM does, or with a way back.
enum class counter_mode : std::uint8_t { off, on, hysteresis };

/// How the policies of UVM are put together, and which of those beyond UVM are switched on.
struct uvm_options {
  prefetch_mode prefetch = prefetch_mode::density;
  unsigned threshold = defaults::density_threshold;  ///< percent, 0 to 100
  bool stream = false;                               ///< a block that was completed in order brings the next ones
  bool gate = false;                                 ///< while memory is short less is prefetched
  bool feedback = false;  ///< a block whose prefetched pages went unused gets less, where the device tells of use
  eviction_mode evict = eviction_mode::oldest;
  thrash_mode thrash = thrash_mode::off;
  counter_mode counters = counter_mode::off;
  processor self = gpu(0);  ///< which processor the GPU is to the policies

  /// Whether a CPU fault brings back its page and what density adds, instead of an allocation.
  [[nodiscard]] constexpr bool comes_back_by_pages() const { return prefetch != prefetch_mode::off; }
  /// The pages that come back with those that the CPU wants.
  [[nodiscard]] constexpr page_mask comes_back(density_input const& in) const {
    return density(in, threshold <= 100 ? threshold : defaults::density_threshold);
  }
};

}  // namespace svm::inline v0::placement
