// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <svm/base/time.hpp>

namespace svm::inline v0::mock {

/// The warps of a GPU program: each makes its accesses in order, and one that faulted waits while others run on.
///
/// Who may go on first is who was ready first; of those, the lowest number. One thread.
template <class Access>
class warps {
 public:
  using number = std::uint32_t;

  /// The next access of a warp, behind those that it has left.
  void deal(number who, Access const& what, time_point now) {
    warp& w = all_[who];
    w.left.push_back(what);
    ++kept_;
    if (w.left.size() == 1) be_ready(who, w, now);
  }

  /// The warp that goes on now; nothing when all that have accesses left wait.
  [[nodiscard]] std::optional<number> next() const {
    if (ready_.empty()) return {};
    return ready_.begin()->second;
  }
  /// The access that a warp is at. \pre it has one
  [[nodiscard]] Access& current(number who) { return all_[who].left.front(); }

  /// A warp made its access, and may go on from this moment. \pre it has one and does not wait
  void done(number who, time_point at) {
    warp& w = all_[who];
    ready_.erase({w.since.nanoseconds, who});
    pop(w);
    if (!w.left.empty()) be_ready(who, w, at);
  }
  /// A warp waits for its fault. \pre it has an access and does not wait
  void stall(number who) {
    warp& w = all_[who];
    ready_.erase({w.since.nanoseconds, who});
    w.waits = true;
    ++waiting_;
  }
  /// A warp tries its access again. \pre it waits
  void resume(number who, time_point at) {
    warp& w = all_[who];
    w.waits = false;
    --waiting_;
    be_ready(who, w, at);
  }
  /// The access of a warp ends without having been made. \pre it waits
  void give_up(number who, time_point at) {
    warp& w = all_[who];
    w.waits = false;
    --waiting_;
    pop(w);
    if (!w.left.empty()) be_ready(who, w, at);
  }

  /// Accesses that were dealt and not made.
  [[nodiscard]] std::size_t kept() const { return kept_; }
  /// Warps that wait for a fault.
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  struct warp {
    std::deque<Access> left;
    time_point since{};  // when it was ready
    bool waits = false;
  };

  void be_ready(number who, warp& w, time_point at) {
    w.since = at;
    ready_.insert({at.nanoseconds, who});
  }
  void pop(warp& w) {
    w.left.pop_front();
    --kept_;
  }

  std::map<number, warp> all_;
  std::set<std::pair<std::uint64_t, number>> ready_;
  std::size_t kept_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace svm::inline v0::mock
