// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

namespace svm::inline v0::mock {

/// An object of the heap, or none: what of `std::unique_ptr` the machine needs, at a tenth of the code.
template <class T>
class owned {
 public:
  owned() = default;
  explicit owned(T* object) : object_(object) {}
  owned(owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  owned& operator=(owned other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~owned() { delete object_; }

  [[nodiscard]] T* get() const { return object_; }
  [[nodiscard]] T& operator*() const { return *object_; }
  [[nodiscard]] T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

/// An array of the heap, whose size is its owner's business.
template <class T>
class owned_array {
 public:
  owned_array() = default;
  explicit owned_array(T* first) : first_(first) {}
  owned_array(owned_array&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
  owned_array& operator=(owned_array other) noexcept {
    std::swap(first_, other.first_);
    return *this;
  }
  ~owned_array() { delete[] first_; }

  [[nodiscard]] T& operator[](std::size_t i) const { return first_[i]; }
  explicit operator bool() const { return first_ != nullptr; }

 private:
  T* first_ = nullptr;
};

}  // namespace svm::inline v0::mock
