// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <svm/port/decorated.hpp>

namespace svm::inline v0::port {

/// Fails a call on demand, in place of running it. One call is armed at a time; arm it while no other thread calls.
class call_breaker {
 public:
  /// Lets the `nth` call of a function from now on fail (1 is the next), and those after it when `goes_on`.
  ///
  /// \pre the function can fail: it returns an errc, a result, or whether there is a user
  void fail(model_call c, std::uint64_t nth, errc why, bool goes_on = false) {
    call_ = c;
    why_ = why;
    goes_on_ = goes_on;
    left_.store(nth);
  }
  /// The same with the error that such a call usually fails with.
  void fail(model_call c, std::uint64_t nth) { fail(c, nth, usual_error(c)); }
  void disarm() { left_.store(0); }
  /// How many calls were made to fail.
  [[nodiscard]] std::uint64_t struck() const { return struck_.load(); }

  template <class Run>
  auto around(model_call c, Run&& run) {
    using returned = std::invoke_result_t<Run>;
    if constexpr (std::is_same_v<returned, errc>)
      return strikes(c) ? why_ : std::forward<Run>(run)();
    else if constexpr (std::is_same_v<returned, bool>)
      return c == model_call::get_user && strikes(c) ? false : std::forward<Run>(run)();
    else if constexpr (std::is_void_v<returned> || std::is_integral_v<returned>)
      return std::forward<Run>(run)();
    else
      return strikes(c) ? returned{why_} : std::forward<Run>(run)();
  }

 private:
  [[nodiscard]] bool strikes(model_call c) {
    if (c != call_) return false;
    std::uint64_t left = left_.load();
    do {
      if (left == 0) return false;
    } while (!(left == 1 && goes_on_) && !left_.compare_exchange_weak(left, left - 1));
    if (left != 1) return false;
    struck_.fetch_add(1);
    return true;
  }

  model_call call_ = model_call::get_user;
  errc why_ = errc::ok;
  bool goes_on_ = false;
  std::atomic<std::uint64_t> left_{0};
  std::atomic<std::uint64_t> struck_{0};
};

/// An mm, a device or a pagemap of which a test can let any call fail: `model.tap().fail(model_call::dma_map, 3)`.
template <class Model>
using failing = decorated<Model, call_breaker>;

}  // namespace svm::inline v0::port
