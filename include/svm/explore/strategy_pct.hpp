// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <svm/config.hpp>
#include <svm/explore/strategy.hpp>
#include <svm/mock/machine/random.hpp>

namespace svm::inline v0::explore {

/// Random priorities, changed at `depth - 1` random decisions. A bug that needs `depth` steps in one order shows in an
/// execution with a probability of at least 1 / (n k^(depth - 1)): n threads, k decisions.
///
/// Only a choice of two or more counts as a decision; k is the largest number of them so far. A thread that yields falls
/// behind all others.
/// \source S. Burckhardt et al., A randomized scheduler with probabilistic guarantees of finding bugs (ASPLOS 2010)
class pct final : public strategy {
 public:
  static constexpr std::uint32_t max_depth = 8;

  /// \pre 1 <= depth <= max_depth
  explicit pct(std::uint32_t depth) : depth_(depth) {
    SVM_ASSERT_OP(depth, >=, 1u);
    SVM_ASSERT_OP(depth, <=, max_depth);
  }

  [[nodiscard]] std::string name() const override { return "pct" + std::to_string(depth_); }

  [[nodiscard]] bool is_systematic() const override { return false; }
  [[nodiscard]] bool start(std::uint64_t seed, std::size_t threads) override {
    mock::random random{seed};
    for (std::size_t t = 0; t < threads; ++t) {
      priorities_[t] = static_cast<std::int64_t>(t) + 1;
      std::swap(priorities_[t], priorities_[random.below(t + 1)]);
    }
    for (std::uint32_t i = 0; i + 1 < depth_; ++i) changes_[i] = random.below(most_decisions_) + 1;
    decisions_ = 0;
    lowest_ = 0;
    return true;
  }

  [[nodiscard]] std::size_t choose(decision const& d) override {
    if (d.yielding && d.current != nobody) priorities_[d.current] = --lowest_;
    if ((d.enabled & (d.enabled - 1)) == 0) return first_of(d.enabled);
    if (++decisions_ > most_decisions_) most_decisions_ = decisions_;
    std::size_t chosen = highest(d.enabled);
    for (std::uint32_t i = 0; i + 1 < depth_; ++i)
      if (changes_[i] == decisions_) {
        priorities_[chosen] = --lowest_;
        chosen = highest(d.enabled);
      }
    return chosen;
  }

 private:
  [[nodiscard]] std::size_t highest(thread_set left) const {
    std::size_t best = first_of(left);
    for (; left != 0; left &= left - 1)
      if (priorities_[first_of(left)] > priorities_[best]) best = first_of(left);
    return best;
  }

  std::uint32_t depth_;
  std::array<std::int64_t, max_threads> priorities_{};
  std::array<std::uint64_t, max_depth> changes_{};
  std::uint64_t most_decisions_ = 8;
  std::uint64_t decisions_ = 0;
  std::int64_t lowest_ = 0;
};

}  // namespace svm::inline v0::explore
