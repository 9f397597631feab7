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

/// Every execution, up to the order of steps that do not conflict: a depth-first search with sleep sets and source sets.
///
/// After an execution it looks for races: pairs of steps that conflict, that nothing orders, and that could have come the
/// other way round. Only where such a pair begins another thread is tried. A thread whose step was explored at a node
/// sleeps in the siblings that come after it, until a step conflicts with its own. An execution in which only sleepers
/// could go on has been seen in another order: it is given up. So each equivalence class is completed exactly once. What
/// is read or written without being published is not seen.
/// \source P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, Optimal dynamic partial order reduction, algorithm 1; a step that
///         waits for a lock also races with those before the one that gave it up, as in C. Flanagan, P. Godefroid, Dynamic
///         partial-order reduction for model checking software
class exhaustive final : public strategy {
 public:
  [[nodiscard]] std::string name() const override { return "exhaustive"; }

  [[nodiscard]] bool start(std::uint64_t, std::size_t threads) override {
    threads_ = threads;
    if (started_) {
      find_races();
      if (!backtrack()) exhausted_ = true;
    }
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
      path_.push_back({.enabled = d.enabled,
                       .sleeping = sleeping_,
                       .wanted = only(chosen),
                       .chosen = chosen,
                       .explored = explored_.size()});
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
  /// How many steps of each thread a step comes after, itself included.
  using clock = std::array<std::uint32_t, max_threads>;

  struct node {
    thread_set enabled;
    thread_set sleeping;
    thread_set wanted;  ///< to be tried here
    thread_set explored_threads = 0;
    std::size_t chosen;
    std::size_t explored;  ///< where this node's part of `explored_` starts
    footprint touched{};   ///< by the step of `chosen`
    clock after{};         ///< of that step
  };
  struct explored_step {
    std::size_t thread;
    footprint touched;
  };

  /// Goes back to the last node with a thread that is wanted, does not sleep and was not tried; false when there is
  /// none.
  bool backtrack() {
    for (; !path_.empty(); path_.pop_back()) {
      node& n = path_.back();
      n.explored_threads |= only(n.chosen);
      explored_.push_back({n.chosen, n.touched});
      if (thread_set const left = n.wanted & ~(n.sleeping | n.explored_threads); left != 0) {
        n.chosen = first_of(left);
        fresh_ = path_.size() - 1;
        return true;
      }
      explored_.resize(n.explored);
    }
    return false;
  }

  /// Looks at each new step of the execution that has ended: with which earlier ones it races.
  void find_races() {
    for (std::size_t i = fresh_; i < path_.size(); ++i) {
      node& mine = path_[i];
      std::size_t const before = last_step_of(mine.chosen, i);
      clock known = before == i ? clock{} : path_[before].after;  // what comes before it for another reason
      ++known[mine.chosen];
      mine.after = known;
      for (std::size_t k = i; k-- > 0;) {
        node const& other = path_[k];
        if (is_after(known, other) || !mine.touched.conflicts(other.touched)) continue;
        join(mine.after, other.after);
        if (reverse(k, i)) join(known, other.after);
      }
    }
    fresh_ = path_.size();
  }

  /// Wants at `k` a thread whose step leads to the step at `i` without the step at `k`. False when it is not known that
  /// the two can change places: the later one may have waited for what the step at `k` did, and race with an earlier
  /// one.
  bool reverse(std::size_t k, std::size_t i) {
    node& there = path_[k];
    std::size_t const self = path_[i].chosen;
    std::array<std::uint32_t, max_threads> first{};  // of each thread, its first step that can come before `k`
    thread_set beginners = 0;
    auto const add = [&](std::size_t t, clock const& after) {
      if (first[t] != 0) return;
      first[t] = after[t];
      for (std::size_t other = 0; other < threads_; ++other)
        if (other != t && first[other] != 0 && after[other] >= first[other]) return;
      beginners |= only(t);
    };
    for (std::size_t m = k + 1; m < i; ++m)
      if (node const& n = path_[m]; !is_after(n.after, there)) add(n.chosen, n.after);
    bool const is_next = first[self] == 0;
    if (is_next) add(self, path_[i].after);
    bool const is_first = is_next && contains(beginners, self);
    if (is_first && !contains(there.enabled, self)) return false;
    thread_set const able = beginners & there.enabled;
    if ((able & (there.wanted | there.sleeping | there.explored_threads)) == 0 && able != 0)
      there.wanted |= contains(able, self) ? only(self) : only(first_of(able));
    return is_first;
  }

  /// True when a step with this clock comes after the step of `n`, or is it.
  [[nodiscard]] static bool is_after(clock const& c, node const& n) { return c[n.chosen] >= n.after[n.chosen]; }
  void join(clock& c, clock const& other) const {
    for (std::size_t t = 0; t < threads_; ++t) c[t] = c[t] < other[t] ? other[t] : c[t];
  }
  /// Where the thread took its last step before `i`; `i` when it has taken none.
  [[nodiscard]] std::size_t last_step_of(std::size_t thread, std::size_t i) const {
    for (std::size_t k = i; k-- > 0;)
      if (path_[k].chosen == thread) return k;
    return i;
  }

  std::vector<node> path_;
  std::vector<explored_step> explored_;          ///< the steps tried at each node of the path, node after node
  std::array<footprint, max_threads> dreams_{};  ///< what the steps of sleeping threads touch
  std::size_t threads_ = 0;
  std::size_t depth_ = 0;
  std::size_t fresh_ = 0;  ///< where the steps begin that the last execution but one did not have
  thread_set sleeping_ = 0;
  bool started_ = false;
  bool exhausted_ = false;
  bool diverged_ = false;
};

}  // namespace svm::inline v0::explore
