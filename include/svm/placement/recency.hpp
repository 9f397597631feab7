// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/intrusive_list.hpp>

namespace svm::inline v0::placement {

/// Names the list that is ordered by the last touch.
struct aged_by_recency;

/// Something that goes when it was touched longest ago: an allocation or a group of pages.
class aged : public list_hook<aged_by_recency> {
 public:
  [[nodiscard]] std::uint64_t touched() const { return touched_; }

 private:
  template <class>
  friend class recency_order;

  std::uint64_t touched_ = 0;
  std::uint64_t tie_ = 0;
};

/// The order of victims by the moment of their last touch; of those touched in the same moment the one with the lower
/// number goes first: the allocation that was made first, or the lower address. `T` derives from `aged`.
///
/// Who never touches has them go in the order in which they came.
template <class T>
class recency_order {
 public:
  /// \pre `moment` is not before any other in the order; `entry` stands in none
  void insert(T& entry, std::uint64_t moment, std::uint64_t tie) {
    entry.tie_ = tie;
    place(entry, moment);
  }
  /// \pre `moment` is not before any other in the order; `entry` stands in it
  void touch(T& entry, std::uint64_t moment) {
    if (entry.touched_ == moment) return;
    list_.erase(entry);
    place(entry, moment);
  }
  void erase(T& entry) { list_.erase(entry); }

  /// The first that goes and for which `may_go` is true, or null; it stays in the order.
  template <class MayGo>
  [[nodiscard]] T* victim(MayGo&& may_go) const {
    T* entry = list_.front();
    while (entry != nullptr && !may_go(*entry)) entry = list_.next(*entry);
    return entry;
  }
  [[nodiscard]] T* front() const { return list_.front(); }
  [[nodiscard]] T* next(T& entry) const { return list_.next(entry); }
  [[nodiscard]] bool empty() const { return list_.empty(); }

 private:
  void place(T& entry, std::uint64_t moment) {
    entry.touched_ = moment;
    T* before = list_.back();
    while (before != nullptr && before->touched_ == moment && before->tie_ > entry.tie_)
      before = list_.previous(*before);
    if (before == nullptr)
      list_.push_front(entry);
    else
      list_.insert_after(*before, entry);
  }

  intrusive_list<T, aged_by_recency> list_;
};

}  // namespace svm::inline v0::placement
