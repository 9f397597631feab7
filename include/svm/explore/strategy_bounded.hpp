// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <svm/explore/strategy.hpp>

namespace svm::inline v0::explore {

/// Every execution with at most so many preemptions: switches away from a thread that could go on and did not yield.
///
/// Without sleep sets, which could leave out an execution because of one that the bound left out. So it also sees races
/// between steps whose footprints say nothing of them.
/// \source M. Musuvathi, S. Qadeer, Iterative context bounding for systematic testing of multithreaded programs
class bounded final : public strategy {
 public:
  static constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();

  explicit bounded(std::uint32_t preemptions) : bound_(preemptions) {}

  [[nodiscard]] std::string name() const override {
    return bound_ == unlimited ? "naive" : "bounded" + std::to_string(bound_);
  }

  [[nodiscard]] bool start(std::uint64_t, std::size_t) override {
    if (started_ && !backtrack()) exhausted_ = true;
    started_ = true;
    depth_ = 0;
    return !exhausted_;
  }

  [[nodiscard]] std::size_t choose(decision const& d) override {
    if (depth_ == path_.size()) {
      bool const preempts = d.current != nobody && contains(d.enabled, d.current) && !d.yielding;
      std::uint32_t const before = depth_ == 0 ? 0 : path_.back().after();
      thread_set const allowed = preempts && before == bound_ ? only(d.current) : d.enabled;
      std::size_t const chosen = preempts ? d.current : first_of(allowed);
      path_.push_back({d.enabled, allowed & ~only(chosen), chosen, preempts ? d.current : nobody, before});
    }
    node const& n = path_[depth_++];
    if (n.enabled != d.enabled) {
      diverged_ = true;
      return nobody;
    }
    return n.chosen;
  }

  [[nodiscard]] bool exhausted() const override { return exhausted_; }
  [[nodiscard]] bool diverged() const override { return diverged_; }

 private:
  struct node {
    thread_set enabled;
    thread_set left;  ///< still to be tried here
    std::size_t chosen;
    std::size_t preempted;  ///< the thread that another choice preempts, or `nobody`
    std::uint32_t before;   ///< preemptions on the way here

    [[nodiscard]] std::uint32_t after() const { return before + (preempted != nobody && chosen != preempted ? 1 : 0); }
  };

  bool backtrack() {
    for (; !path_.empty(); path_.pop_back())
      if (node& n = path_.back(); n.left != 0) {
        n.chosen = first_of(n.left);
        n.left &= n.left - 1;
        return true;
      }
    return false;
  }

  std::uint32_t bound_;
  std::vector<node> path_;
  std::size_t depth_ = 0;
  bool started_ = false;
  bool exhausted_ = false;
  bool diverged_ = false;
};

}  // namespace svm::inline v0::explore
