// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include <svm/explore/strategy.hpp>
#include <svm/mock/machine/random.hpp>

namespace svm::inline v0::explore {

/// At each step any of the enabled threads, all equally likely.
class uniform final : public strategy {
 public:
  [[nodiscard]] std::string name() const override { return "random"; }
  [[nodiscard]] bool is_systematic() const override { return false; }
  [[nodiscard]] bool start(std::uint64_t seed, std::size_t) override {
    random_ = mock::random{seed};
    return true;
  }
  [[nodiscard]] std::size_t choose(decision const& d) override {
    thread_set left = d.enabled;
    if ((left & (left - 1)) == 0) return first_of(left);
    for (auto skip = random_.below(static_cast<std::uint64_t>(std::popcount(left))); skip > 0; --skip) left &= left - 1;
    return first_of(left);
  }

 private:
  mock::random random_{0};
};

/// At each step an enabled thread, as likely as the number of steps that it has left in the longest execution so far: so
/// every order of steps is about equally likely, while `uniform` prefers those where short threads end early.
/// \source H. Zhao et al., Selectively Uniform Concurrency Testing (ASPLOS 2025): URW
class weighted final : public strategy {
 public:
  [[nodiscard]] std::string name() const override { return "weighted"; }
  [[nodiscard]] bool is_systematic() const override { return false; }
  [[nodiscard]] bool start(std::uint64_t seed, std::size_t) override {
    random_ = mock::random{seed};
    taken_ = {};
    return true;
  }
  [[nodiscard]] std::size_t choose(decision const& d) override {
    std::uint64_t all = 0;
    for (thread_set left = d.enabled; left != 0; left &= left - 1) all += weight(first_of(left));
    std::uint64_t draw = random_.below(all);
    thread_set left = d.enabled;
    for (std::uint64_t w = weight(first_of(left)); draw >= w; w = weight(first_of(left))) {
      draw -= w;
      left &= left - 1;
    }
    std::size_t const chosen = first_of(left);
    if (++taken_[chosen] > longest_[chosen]) longest_[chosen] = taken_[chosen];
    return chosen;
  }

 private:
  [[nodiscard]] std::uint64_t weight(std::size_t thread) const { return longest_[thread] - taken_[thread] + 1; }

  mock::random random_{0};
  std::array<std::uint32_t, max_threads> taken_{};
  std::array<std::uint32_t, max_threads> longest_{};
};

}  // namespace svm::inline v0::explore
