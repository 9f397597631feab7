// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// The mm-wide half of the interval-notifier sequence protocol, as a state machine without a lock of its own.
///
/// The counter is even while no subscription is being invalidated and odd from the first invalidation that hits one
/// until the last open section ends. A subscription stores the counter when it is invalidated; a reader that finds the
/// two equal waits, and a reader whose value changed since `read_begin` starts again.
///
///     begin   hit    begin  hit   end     end
///     active 1 ----- 1 ---- 2 --- 2 ----- 1 ------ 0
///     value  4       5      5     5       5        6 (deferred changes are applied, waiters wake)
///
/// Invariants: 1. a subscription's value is odd. 2. value() odd => active() > 0. 3. active() == 0 => value() even.
/// \pre every call: the mm's sequence lock is held
/// \source mm/mmu_notifier.c, mn_itree_*; one correction: see `insert`
class interval_sequence {
 public:
  /// What a subscription that is inserted now has to do.
  struct insertion {
    bool deferred;        ///< true: enter the index when the open section ends
    std::uint64_t value;  ///< the subscription's first sequence value
  };

  /// Opens an invalidation section.
  void begin() { ++active_; }

  /// An open section hits a subscription: returns the value that the callback stores in it.
  [[nodiscard]] std::uint64_t hit() {
    SVM_ASSERT_OP(active_, >, 0u);
    value_ |= 1;
    return value_;
  }

  /// Closes a section; true when deferred changes are due and waiters may wake.
  [[nodiscard]] bool end() {
    SVM_ASSERT_OP(active_, >, 0u);
    if (--active_ != 0 || (value_ & 1) == 0) return false;
    ++value_;
    return true;
  }

  /// Admits a new subscription.
  ///
  /// With a section open that has hit nothing so far, the section is made a hitting one: storing the even value would
  /// let the subscription's first reader sleep for ever.
  [[nodiscard]] insertion insert() {
    if (active_ == 0) return {false, value_ - 1};
    if ((value_ & 1) != 0) return {true, value_};
    value_ |= 1;
    return {false, value_};
  }

  /// True while a subscription with this value must not be read.
  [[nodiscard]] bool must_wait(std::uint64_t subscription) const { return subscription == value_; }
  /// True while the index of subscriptions must not change.
  [[nodiscard]] bool index_frozen() const { return (value_ & 1) != 0; }

  [[nodiscard]] std::uint64_t value() const { return value_; }
  [[nodiscard]] std::uint64_t active() const { return active_; }

 private:
  std::uint64_t value_ = 2;
  std::uint64_t active_ = 0;
};

}  // namespace svm::inline v0
