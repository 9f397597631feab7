// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include <svm/placement/fault_entry.hpp>

namespace svm::inline v0::mock {

/// The faults of engines that cannot wait, in a ring of their own: each is served by itself, or its channel ends.
class engine_faults {
 public:
  using fault = placement::hardware_fault;

  explicit engine_faults(unsigned entries = 64) : entries_(entries) {}

  /// An engine faulted, and its channel stands still; false when that ended already, or ends now for want of room.
  [[nodiscard]] bool report(fault const& what) {
    if (has_ended(what.context)) return false;
    if (ring_.size() == entries_) {
      cancel(what.context);
      return false;
    }
    ring_.push_back(what);
    return true;
  }
  /// The oldest one that is left. \pre not empty
  [[nodiscard]] fault take() {
    fault const first = ring_.front();
    ring_.pop_front();
    return first;
  }
  [[nodiscard]] bool empty() const { return ring_.empty(); }
  /// Ends a channel: its faults go, and it reports no more.
  void cancel(placement::fault_context const& channel) {
    ended_.push_back(channel);
    std::erase_if(ring_, [&](fault const& f) { return f.context == channel; });
  }
  [[nodiscard]] bool has_ended(placement::fault_context const& channel) const {
    return std::ranges::find(ended_, channel) != ended_.end();
  }

 private:
  unsigned const entries_;
  std::deque<fault> ring_;
  std::vector<placement::fault_context> ended_;
};

}  // namespace svm::inline v0::mock
