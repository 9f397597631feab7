// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include <svm/config.hpp>

namespace svm::inline v0::detail {

/// Makes a `T` in memory of `memory` (a model of `allocator`), or returns null when there is none.
template <class T, class Allocator, class... Arguments>
[[nodiscard]] T* construct(Allocator& memory, Arguments&&... arguments) {
  std::byte* const place = memory.allocate(sizeof(T), alignof(T));
  return place == nullptr ? nullptr : ::new (place) T(std::forward<Arguments>(arguments)...);
}

/// Ends the life of an object that `construct` made.
template <class T, class Allocator>
void destroy(Allocator& memory, T* object) {
  object->~T();
  memory.deallocate(reinterpret_cast<std::byte*>(object), sizeof(T), alignof(T));
}

/// A fixed-size array of default-made `T` that owns its memory and is empty until `reserve` succeeds.
template <class T, class Allocator>
class [[nodiscard]] scratch_array {
 public:
  explicit scratch_array(Allocator& memory) : memory_(memory) {}
  scratch_array(scratch_array const&) = delete;
  scratch_array& operator=(scratch_array const&) = delete;
  ~scratch_array() {
    if (data_ != nullptr) clear();
  }

  /// Replaces the content by `count` value-initialised elements; false, and empty, when there is no memory.
  ///
  /// \allocs once, unless the array is large enough already
  [[nodiscard]] bool reserve(std::size_t count) {
    if (count > capacity_) {
      if (!allocate(count)) return false;
      for (std::size_t i = 0; i < count; ++i) ::new (&data_[i]) T{};
    } else {
      for (std::size_t i = 0; i < count; ++i) data_[i] = T{};
    }
    size_ = count;
    return true;
  }

  /// The same, with elements that are to be written before they are read.
  [[nodiscard]] bool reserve_for_overwrite(std::size_t count) {
    if constexpr (!std::is_trivially_copyable_v<T>) return reserve(count);
    if (count > capacity_ && !allocate(count)) return false;
    size_ = count;
    return true;
  }

  void clear() {
    for (std::size_t i = 0; i < capacity_; ++i) data_[i].~T();
    if (data_ != nullptr) memory_.deallocate(reinterpret_cast<std::byte*>(data_), capacity_ * sizeof(T), alignof(T));
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

  /// Exchanges content with an array of the same allocator.
  void swap(scratch_array& other) {
    SVM_ASSERT(&memory_ == &other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] T* begin() const { return data_; }
  [[nodiscard]] T* end() const { return data_ + size_; }
  [[nodiscard]] T& operator[](std::size_t i) const {
    SVM_ASSERT_OP(i, <, size_);
    return data_[i];
  }

 private:
  [[nodiscard]] bool allocate(std::size_t count) {
    clear();
    std::byte* const place = count > SIZE_MAX / sizeof(T) ? nullptr : memory_.allocate(count * sizeof(T), alignof(T));
    if (place == nullptr) return false;
    data_ = reinterpret_cast<T*>(place);
    capacity_ = count;
    return true;
  }

  Allocator& memory_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace svm::inline v0::detail
