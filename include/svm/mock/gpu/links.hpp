// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>

#include <svm/mock/machine/owned.hpp>

namespace svm::inline v0::mock {

/// Which GPUs reach each other's memory, and which are still there.
class links {
 public:
  explicit links(unsigned gpus)
      : gpus_(gpus),
        down_(new std::atomic<bool>[std::size_t{gpus} * gpus] {}),
        unplugged_(new std::atomic<bool>[gpus] {}) {}

  [[nodiscard]] unsigned gpus() const { return gpus_; }
  void set_up(unsigned a, unsigned b, bool up) { down_[between(a, b)] = !up; }
  void unplug(unsigned gpu) { unplugged_[gpu] = true; }
  [[nodiscard]] bool is_unplugged(unsigned gpu) const { return unplugged_[gpu]; }
  /// True when an access of one GPU to the other's memory gets through.
  [[nodiscard, gnu::always_inline]] bool reach(unsigned a, unsigned b) const {
    return !unplugged_[a] && (a == b || (!unplugged_[b] && !down_[between(a, b)]));
  }

 private:
  [[nodiscard]] std::size_t between(unsigned a, unsigned b) const {
    return a < b ? std::size_t{a} * gpus_ + b : std::size_t{b} * gpus_ + a;
  }

  unsigned const gpus_;
  owned_array<std::atomic<bool>> down_;
  owned_array<std::atomic<bool>> unplugged_;
};

}  // namespace svm::inline v0::mock
