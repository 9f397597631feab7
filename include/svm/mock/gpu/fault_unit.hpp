// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include <svm/placement/fault_entry.hpp>

namespace svm::inline v0::mock {

/// How the faults of a GPU reach its driver.
struct fault_unit_options {
  unsigned entries = 8192;  ///< of the ring; one of them always stays free
  bool merges = false;      ///< a uTLB that waits for a page does not report it once more
  bool lands_late = false;  ///< PUT moves before an entry is written, which `wait` lets happen
};

/// The replayable faults of a GPU: accesses that wait, and the ring in which the hardware tells the driver.
///
/// The hardware writes at PUT, and the driver reads from GET. A fault that finds the ring full is lost: its access waits
/// as the others do, and reports again with the next replay. The ring is what `placement::fault_batch` reads.
/// One thread.
class fault_unit {
 public:
  using fault = placement::hardware_fault;
  /// An access that waits, by a number that its maker gave it.
  struct waiter {
    std::uint64_t id = 0;
    fault what{};
  };
  enum class reported : std::uint8_t {
    written,
    merged,  ///< the uTLB waits for the page already
    lost,    ///< the ring was full
  };

  explicit fault_unit(fault_unit_options const& options = {})
      : options_(options), ring_(std::max(options.entries, 2u)) {}

  // What an access does.

  /// An access faulted; it waits from now on.
  reported stall(std::uint64_t id, fault const& what) {
    bool const is_known = options_.merges && std::ranges::any_of(waiting_, [&](waiter const& w) {
                            return w.what.microtlb == what.microtlb && w.what.page == what.page &&
                                   w.what.context == what.context && w.what.access >= what.access;
                          });
    waiting_.push_back({id, what});
    if (is_known) {
      ++merged_;
      return reported::merged;
    }
    if (next(put_) == get_) {
      ++overflows_;
      return reported::lost;
    }
    ring_[put_] = {what, !options_.lands_late};
    if (options_.lands_late) landing_.push_back(put_);
    put_ = next(put_);
    return reported::written;
  }
  [[nodiscard]] std::vector<waiter> const& waiting() const { return waiting_; }

  // What the driver does. The first six are what a `fault_batch` calls.

  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(ring_.size()); }
  [[nodiscard]] unsigned put() const { return put_; }
  [[nodiscard]] bool is_valid(unsigned at) const { return ring_[at].valid; }
  /// \pre is_valid(at)
  fault take(unsigned at) {
    ring_[at].valid = false;
    return ring_[at].what;
  }
  void set_get(unsigned get) { get_ = get; }
  /// Lets one entry land; false when none is on its way, so that nothing would ever change.
  bool wait() {
    if (landing_.empty()) return false;
    ring_[landing_.front()].valid = true;
    landing_.pop_front();
    return true;
  }
  [[nodiscard]] unsigned get() const { return get_; }

  /// Lets every access try again: returns those that waited, in the order of their faults. Those that fault again call
  /// `stall` again, so that what is in the ring still is there twice: a driver flushes it first.
  [[nodiscard]] std::vector<waiter> replay() {
    ++replays_;
    return std::exchange(waiting_, {});
  }
  /// Ends the accesses of a uTLB that wait for a page, reads too or writes and atomics alone: returns them.
  [[nodiscard]] std::vector<waiter> cancel(cpu_va page, unsigned microtlb, placement::fatality which) {
    return end([&](fault const& f) {
      bool const reads = f.access <= placement::fault_access::read;
      return f.page == page && f.microtlb == microtlb && (which == placement::fatality::all || !reads);
    });
  }
  /// Ends every access of a context.
  [[nodiscard]] std::vector<waiter> cancel(placement::fault_context const& context) {
    return end([&](fault const& f) { return f.context == context; });
  }

  [[nodiscard]] std::uint64_t overflows() const { return overflows_; }
  [[nodiscard]] std::uint64_t merged() const { return merged_; }
  [[nodiscard]] std::uint64_t replays() const { return replays_; }

 private:
  struct entry {
    fault what{};
    bool valid = false;
  };

  [[nodiscard]] unsigned next(unsigned at) const { return at + 1 == ring_.size() ? 0 : at + 1; }
  template <class Test>
  [[nodiscard]] std::vector<waiter> end(Test&& test) {
    auto const first =
        std::stable_partition(waiting_.begin(), waiting_.end(), [&](waiter const& w) { return !test(w.what); });
    std::vector<waiter> ended{first, waiting_.end()};
    waiting_.erase(first, waiting_.end());
    return ended;
  }

  fault_unit_options const options_;
  std::vector<entry> ring_;
  std::vector<waiter> waiting_;
  std::deque<unsigned> landing_;  // entries that PUT has passed and that are not written yet
  unsigned get_ = 0;
  unsigned put_ = 0;
  std::uint64_t overflows_ = 0, merged_ = 0, replays_ = 0;
};

}  // namespace svm::inline v0::mock
