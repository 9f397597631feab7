// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// The link that an object embeds, as a base class, to wait in a `retire_list` until no reader can look at it any more.
///
/// The object says how it is released: that may destroy the hook.
class retire_hook {
 public:
  using release_function = void (*)(retire_hook&) noexcept;

  explicit constexpr retire_hook(release_function function) : release_(function) {}
  retire_hook(retire_hook const&) = delete;
  retire_hook& operator=(retire_hook const&) = delete;

  /// Called once, by the domain that it was retired into, when no reader can look at the object any more.
  void release() noexcept { release_(*this); }

 private:
  friend class retire_list;

  retire_hook* next_ = nullptr;
  release_function release_;
};

/// A queue of retired objects that embed their links: it owns nothing, and allocates nothing.
///
/// Invariants: 1. an object stands in at most one list. 2. `size()` counts the objects in it. The list is not thread-safe.
class retire_list {
 public:
  retire_list() = default;
  retire_list(retire_list const&) = delete;
  retire_list& operator=(retire_list const&) = delete;
  ~retire_list() { SVM_ASSERT(empty()); }

  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// \pre `hook` stands in no list
  /// \complexity O(1)
  void push(retire_hook& hook) {
    SVM_ASSERT(hook.next_ == nullptr && last_ != &hook);
    (first_ == nullptr ? first_ : last_->next_) = &hook;
    last_ = &hook;
    ++size_;
  }

  /// Takes all that `other` has, behind what is here.
  /// \complexity O(1)
  void splice(retire_list& other) {
    if (other.empty()) return;
    (first_ == nullptr ? first_ : last_->next_) = other.first_;
    last_ = other.last_;
    size_ += other.size_;
    other.forget();
  }

  /// Takes the first object out, or returns null.
  [[nodiscard]] retire_hook* pop() {
    retire_hook* const hook = first_;
    if (hook == nullptr) return nullptr;
    first_ = hook->next_;
    if (first_ == nullptr) last_ = nullptr;
    hook->next_ = nullptr;
    --size_;
    return hook;
  }

  /// Releases all, in the order in which they came; returns how many.
  std::size_t release_all() noexcept {
    std::size_t const released = size_;
    while (retire_hook* const hook = pop()) hook->release();
    return released;
  }

 private:
  void forget() {
    first_ = last_ = nullptr;
    size_ = 0;
  }

  retire_hook* first_ = nullptr;
  retire_hook* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace svm::inline v0
