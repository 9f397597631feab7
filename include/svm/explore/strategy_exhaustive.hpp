// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <svm/explore/strategy.hpp>

namespace svm::inline v0::explore {

/// Every execution, up to the order of steps that do not conflict: a depth-first search with sleep sets.
///
/// A thread whose step was explored at a node sleeps in the siblings that come after it, until a step conflicts with its
/// own. An execution in which only sleepers could go on has been seen in another order: it is given up. So each
/// equivalence class is completed exactly once. What is read or written without being published is not seen.
/// \source P. Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, chapter 5
class exhaustive final : public strategy {
 public:
  [[nodiscard]] std::string name() const override { return "exhaustive"; }

  [[nodiscard]] bool start(std::uint64_t, std::size_t) override {
    if (started_ && !backtrack()) exhausted_ = true;
    started_ = true;
    depth_ = 0;
    sleeping_ = 0;
    return !exhausted_;
  }

  [[nodiscard]] std::size_t choose(decision const& d) override {
    if (depth_ == path_.size()) {
      thread_set const awake = d.enabled & ~sleeping_;
      if (awake == 0) return nobody;
      std::size_t const chosen =
          d.current != nobody && contains(awake, d.current) && !d.yielding ? d.current : first_of(awake);
      path_.push_back({d.enabled, sleeping_, 0, chosen, explored_.size(), {}});
    }
    node const& n = path_[depth_++];
    if (n.enabled != d.enabled) {
      diverged_ = true;
      return nobody;
    }
    std::size_t const end = depth_ < path_.size() ? path_[depth_].explored : explored_.size();
    for (std::size_t i = n.explored; i < end; ++i) dreams_[explored_[i].thread] = explored_[i].touched;
    return n.chosen;
  }

  void stepped(footprint const& touched) override {
    node& n = path_[depth_ - 1];
    n.touched = touched;
    sleeping_ = 0;
    for (thread_set left = (n.sleeping | n.explored_threads) & ~only(n.chosen); left != 0; left &= left - 1)
      if (std::size_t const t = first_of(left); !dreams_[t].conflicts(touched)) sleeping_ |= only(t);
  }

  [[nodiscard]] bool exhausted() const override { return exhausted_; }
  [[nodiscard]] bool diverged() const override { return diverged_; }

 private:
  struct node {
    thread_set enabled;
    thread_set sleeping;
    thread_set explored_threads;
    std::size_t chosen;
    std::size_t explored;  ///< where this node's part of `explored_` starts
    footprint touched;     ///< by the step of `chosen`
  };
  struct explored_step {
    std::size_t thread;
    footprint touched;
  };

  /// Goes back to the last node where somebody is left who neither sleeps nor was tried; false when there is none.
  bool backtrack() {
    for (; !path_.empty(); path_.pop_back()) {
      node& n = path_.back();
      n.explored_threads |= only(n.chosen);
      explored_.push_back({n.chosen, n.touched});
      if (thread_set const left = n.enabled & ~(n.sleeping | n.explored_threads); left != 0) {
        n.chosen = first_of(left);
        return true;
      }
      explored_.resize(n.explored);
    }
    return false;
  }

  std::vector<node> path_;
  std::vector<explored_step> explored_;          ///< the steps tried at each node of the path, node after node
  std::array<footprint, max_threads> dreams_{};  ///< what the steps of those who sleep touch
  std::size_t depth_ = 0;
  thread_set sleeping_ = 0;
  bool started_ = false;
  bool exhausted_ = false;
  bool diverged_ = false;
};

}  // namespace svm::inline v0::explore
