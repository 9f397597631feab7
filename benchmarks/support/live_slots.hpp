// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <svm/mock/machine/random.hpp>

namespace bench {

inline constexpr std::uint64_t fault_base = std::uint64_t{0x7f} << 40;

/// Slots of ranges, some of which are live at a time: four times as many slots as live ranges, in random order.
class live_slots {
 public:
  /// \param chunk  bytes a slot
  live_slots(std::uint64_t live, std::uint64_t chunk) : live_(live), addresses_(live * 4), next_(live) {
    std::iota(addresses_.begin(), addresses_.end(), std::uint64_t{0});
    for (std::size_t i = addresses_.size(); i > 1; --i) std::swap(addresses_[i - 1], addresses_[random_.below(i)]);
    for (std::uint64_t& a : addresses_) a = fault_base + a * chunk;
  }

  /// The addresses of the live ranges.
  [[nodiscard]] std::vector<std::uint64_t> live() const {
    return {addresses_.begin(), addresses_.end() - static_cast<std::ptrdiff_t>(addresses_.size() - live_)};
  }
  /// Addresses where no range is, for a batch that is removed again; others with each call.
  [[nodiscard]] std::vector<std::uint64_t> const& fresh() {
    batch_.resize(live_ < 4000 ? std::max<std::uint64_t>(100, live_ / 2) : 2000);
    for (std::uint64_t& a : batch_) {
      a = addresses_[next_];
      next_ = next_ + 1 == addresses_.size() ? live_ : next_ + 1;
    }
    return batch_;
  }
  /// Addresses of live ranges, at random.
  [[nodiscard]] std::vector<std::uint64_t> const& hits() {
    batch_.resize(10'000);
    for (std::uint64_t& a : batch_) a = addresses_[random_.below(live_)];
    return batch_;
  }

 private:
  svm::mock::random random_{42};
  std::uint64_t const live_;
  std::vector<std::uint64_t> addresses_;
  std::vector<std::uint64_t> batch_;
  std::uint64_t next_;
};

}  // namespace bench
