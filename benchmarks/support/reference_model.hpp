// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace baseline {

/// A plain model of the reference's fault path: one driver mutex around everything, one reader-writer lock for all
/// notifiers, ordered trees of heap nodes, two scratch arrays a fault. It does what the library does on the lean
/// backend, and no more.
class svm {
 public:
  explicit svm(std::uint64_t range_pages) : chunk_(range_pages * 4096) {}

  /// Serves a fault; true when the range is bound at the end.
  [[nodiscard]] bool fault(std::uint64_t address) {
    std::scoped_lock const driver{driver_lock_};
    notifier& home = notifier_for(address);
    std::uint64_t const start = address & ~(chunk_ - 1);
    // The driver's lock keeps the tree; the notifiers' lock keeps it from an invalidation while it changes.
    auto const next = home.ranges.upper_bound(address);
    range* r = nullptr;
    if (next != home.ranges.begin() && std::prev(next)->first + chunk_ > address) {
      r = &std::prev(next)->second;
      if (is_valid(*r)) return true;
    } else {
      std::shared_lock const guard{notifier_lock_};
      r = &home.ranges[start];
    }
    get_pages(home, start, *r);
    std::shared_lock const guard{notifier_lock_};
    return r->valid;
  }

  /// True when there was a range to remove.
  bool remove(std::uint64_t address) {
    std::scoped_lock const driver{driver_lock_};
    notifier& home = notifier_for(address);
    std::shared_lock const guard{notifier_lock_};
    return home.ranges.erase(address & ~(chunk_ - 1)) == 1;
  }

  /// True when a valid range is there with the addresses of its pages.
  [[nodiscard]] bool is_bound(std::uint64_t address) {
    range const* const r = find(address);
    return r != nullptr && r->valid && r->addresses.size() == chunk_ / 4096 &&
           r->addresses.back().address == (address & ~(chunk_ - 1)) + chunk_ - 4096;
  }
  /// True when a range is there that is not valid.
  [[nodiscard]] bool is_forgotten(std::uint64_t address) {
    range const* const r = find(address);
    return r != nullptr && !r->valid;
  }

  void invalidate(std::uint64_t start, std::uint64_t size) {
    std::uint64_t const last = start + size - 1;
    std::unique_lock const guard{notifier_lock_};
    for (auto& [at, home] : notifiers_)
      for (auto r = home.ranges.lower_bound(start & ~(chunk_ - 1)); r != home.ranges.end() && r->first <= last; ++r)
        r->second.valid = false;
  }

 private:
  static constexpr std::uint64_t notifier_size = std::uint64_t{512} << 20;
  struct address_entry {
    std::uint64_t address;
    std::uint64_t attributes;
  };
  struct range {
    std::vector<address_entry> addresses;
    std::uint64_t sequence = 0;
    bool valid = false;
    char other_state[128] = {};
  };
  struct notifier {
    std::map<std::uint64_t, range> ranges;
    std::uint64_t sequence = 1;
  };

  notifier& notifier_for(std::uint64_t address) { return notifiers_[address & ~(notifier_size - 1)]; }

  [[nodiscard]] range const* find(std::uint64_t address) {
    notifier& home = notifier_for(address);
    auto const found = home.ranges.find(address & ~(chunk_ - 1));
    return found == home.ranges.end() ? nullptr : &found->second;
  }
  [[nodiscard]] bool is_valid(range const& r) {
    std::shared_lock const guard{notifier_lock_};
    return r.valid;
  }
  void get_pages(notifier& home, std::uint64_t start, range& r) {
    std::uint64_t const pages = chunk_ / 4096;
    std::vector<std::uint64_t> frames(pages);
    std::uint64_t const sequence = home.sequence;
    for (std::uint64_t i = 0; i < pages; ++i) frames[i] = start + i * 4096;
    std::shared_lock const guard{notifier_lock_};
    if (home.sequence != sequence) return;
    r.addresses.resize(pages);
    for (std::uint64_t i = 0; i < pages; ++i) r.addresses[i] = {frames[i], 0};
    r.valid = true;
    r.sequence = sequence;
  }

  std::uint64_t const chunk_;
  std::mutex driver_lock_;
  std::shared_mutex notifier_lock_;
  std::map<std::uint64_t, notifier> notifiers_;
};

}  // namespace baseline
