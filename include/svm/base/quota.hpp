// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace svm::inline v0::detail {

/// A limit and how much of it is taken; any thread may call any function. `Counter` is an atomic word of a lock policy.
///
/// Invariant: never more is taken than the limit.
template <class Counter>
class quota {
 public:
  explicit quota(std::uint64_t limit) : limit_(limit) {}
  quota(quota const&) = delete;
  quota& operator=(quota const&) = delete;

  /// Takes `n`; false, and nothing is taken, when so much is not left.
  [[nodiscard]] bool charge(std::uint64_t n) {
    std::uint64_t seen = used_.load();
    do {
      if (n > limit_ || seen > limit_ - n) return false;
    } while (!used_.compare_exchange(seen, seen + n));
    return true;
  }
  /// Gives back `n` that were charged.
  void uncharge(std::uint64_t n) { used_.fetch_sub(n); }

  [[nodiscard]] std::uint64_t used() const { return used_.load(); }
  [[nodiscard]] std::uint64_t limit() const { return limit_; }

 private:
  std::uint64_t const limit_;
  Counter used_{0};
};

}  // namespace svm::inline v0::detail
