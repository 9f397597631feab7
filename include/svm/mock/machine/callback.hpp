// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <svm/base/refcount.hpp>

namespace svm::inline v0::mock {

/// What somebody wants to be called with `Args...`, or nothing; it may set or clear itself while it runs.
///
/// Set it while nobody else calls it.
template <class... Args>
class callback {
  /// Lives as long as the callback names it or it runs.
  struct target {
    virtual void call(Args... args) = 0;

    void get() { ++references; }
    void put() {
      if (--references == 0) delete this;
    }
    std::atomic<std::uint32_t> references{1};

   protected:
    virtual ~target() = default;
  };
  template <class Function>
  struct target_of final : target {
    explicit target_of(Function&& f) : function(std::move(f)) {}
    explicit target_of(Function const& f) : function(f) {}
    void call(Args... args) override { function(std::forward<Args>(args)...); }
    Function function;
  };

 public:
  callback() = default;
  callback(std::nullptr_t) {}
  template <class Function>
  requires(!std::same_as<std::remove_cvref_t<Function>, callback>) callback(Function&& f)
      : target_(counted_ref<target>::adopt(*new target_of<std::remove_cvref_t<Function>>(std::forward<Function>(f)))) {}

  explicit operator bool() const { return static_cast<bool>(target_); }
  void operator()(Args... args) const {
    counted_ref<target> const running = target_;
    running->call(std::forward<Args>(args)...);
  }

 private:
  counted_ref<target> target_;
};

}  // namespace svm::inline v0::mock
