// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include <svm/base/units.hpp>
#include <svm/mock/gpu/access_listener.hpp>

namespace svm::inline v0::mock {

/// How the hardware counts accesses to memory that is elsewhere.
struct notice_options {
  std::uint32_t threshold = 256;  ///< accesses of a region that are worth a notice
  std::size_t entries = 256;      ///< notices that wait for the driver
};

/// What a GPU tells of memory that it reaches over a link: it was accessed often, and where.
struct access_notice {
  cpu_va address{};               ///< of the last access, aligned to a sub-region
  std::uint32_t sub_regions = 0;  ///< those of the region that were accessed, a bit each
};

/// The access counters of a GPU: it counts its accesses by regions of 2 MiB, and tells of each that reaches the threshold
/// once, until the driver clears it.
///
/// A notice that finds no room is lost, and its region goes on counting. Any thread.
class access_notices final : public access_listener {
 public:
  static constexpr byte_count region{2 << 20};
  static constexpr byte_count sub_region{64 << 10};

  explicit access_notices(notice_options const& options = {}) : options_(options) {}

  /// The GPU made an access over a link.
  void count(cpu_va at) override {
    std::scoped_lock const guard{lock_};
    counter& c = counters_[at.value / region.value];
    if (c.is_silent) return;
    c.sub_regions |= std::uint32_t{1} << (at.value % region.value / sub_region.value);
    if (c.accesses < options_.threshold) ++c.accesses;
    if (c.accesses < options_.threshold || waiting_.size() == options_.entries) return;
    c.is_silent = true;
    waiting_.push_back({at.align_down(sub_region), c.sub_regions});
  }

  /// The oldest notice that waits.
  [[nodiscard]] std::optional<access_notice> take() {
    std::scoped_lock const guard{lock_};
    if (waiting_.empty()) return {};
    access_notice const first = waiting_.front();
    waiting_.pop_front();
    return first;
  }
  /// Lets the region around an address count again, from 0.
  void clear(cpu_va at) {
    std::scoped_lock const guard{lock_};
    counters_.erase(at.value / region.value);
  }

 private:
  struct counter {
    std::uint32_t accesses = 0;
    std::uint32_t sub_regions = 0;
    bool is_silent = false;
  };

  notice_options const options_;
  std::mutex lock_;
  std::map<std::uint64_t, counter> counters_;  // by region
  std::deque<access_notice> waiting_;
};

}  // namespace svm::inline v0::mock
