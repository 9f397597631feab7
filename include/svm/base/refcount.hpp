// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// A reference count that starts at one. `Counter` is an atomic (or plain) unsigned of a lock policy.
template <class Counter>
class reference_count {
 public:
  void get(std::uint32_t references = 1) {
    [[maybe_unused]] std::uint32_t const before = count_.fetch_add(references);
    SVM_ASSERT_OP(before, >, 0u);
  }

  /// Takes a reference unless the count has already fallen to zero.
  [[nodiscard]] bool try_get() {
    std::uint32_t seen = 1;  // a guess, mostly right, that saves a look
    while (seen != 0)
      if (count_.compare_exchange(seen, seen + 1)) return true;
    return false;
  }

  /// Drops a reference; true when it was the last, and the caller destroys the object.
  [[nodiscard]] bool put() {
    std::uint32_t const before = count_.fetch_sub(1);
    SVM_ASSERT_OP(before, >, 0u);
    return before == 1;
  }

  /// Starts anew at one.
  ///
  /// \pre the count is zero, and nobody else has the object
  void restart() { count_.store(1); }

  [[nodiscard]] std::uint32_t value() const { return count_.load(); }

 private:
  Counter count_{1};
};

/// A reference on an intrusively counted object: `T` offers `get()` and `put()`, and `put` destroys with the last one.
template <class T>
class [[nodiscard]] counted_ref {
 public:
  constexpr counted_ref() = default;
  /// Takes over a reference that the caller owns.
  static counted_ref adopt(T& object) { return counted_ref{&object}; }
  /// Takes a new reference.
  static counted_ref share(T& object) {
    object.get();
    return counted_ref{&object};
  }

  counted_ref(counted_ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  counted_ref(counted_ref const& other) : object_(other.object_) {
    if (object_ != nullptr) object_->get();
  }
  counted_ref& operator=(counted_ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  // In line, since most ends are of what was moved from, which costs nothing where that is seen.
  [[gnu::always_inline]] ~counted_ref() {
    if (object_ != nullptr) object_->put();
  }

  [[nodiscard]] T* get() const { return object_; }
  [[nodiscard]] T& operator*() const { return *object_; }
  [[nodiscard]] T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

  /// Gives the reference up to the caller, who must put it.
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }

 private:
  explicit counted_ref(T* object) : object_(object) {}
  T* object_ = nullptr;
};

}  // namespace svm::inline v0
