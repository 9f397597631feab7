// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>

namespace svm::inline v0::mock {

/// The memory of a `plain_list`; no template, so that all lists of the machine share its code.
class plain_storage {
 public:
  plain_storage() = default;
  plain_storage(plain_storage&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  plain_storage& operator=(plain_storage other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~plain_storage() { ::operator delete(bytes_); }

  [[nodiscard]] std::byte* bytes() const { return bytes_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  /// Makes room for `size` bytes, of which the first `used` are kept.
  [[gnu::noinline]] void reserve(std::size_t size, std::size_t used) {
    if (size <= capacity_) return;
    std::size_t const larger = size > 2 * capacity_ ? size : 2 * capacity_;
    auto* const fresh = static_cast<std::byte*>(::operator new(larger));
    if (used != 0) std::memcpy(fresh, bytes_, used);
    ::operator delete(bytes_);
    bytes_ = fresh;
    capacity_ = larger;
  }
  /// Moves what lies from `from` up to `end` to `to`.
  void move(std::size_t from, std::size_t end, std::size_t to) {
    if (end != from) std::memmove(bytes_ + to, bytes_ + from, end - from);
  }

 private:
  std::byte* bytes_ = nullptr;
  std::size_t capacity_ = 0;
};

/// Plain values one after the other: what of `std::vector` the machine needs, at a tenth of the code.
template <class T>
class plain_list {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

 public:
  using value_type = T;

  plain_list() = default;
  plain_list(std::initializer_list<T> all) {
    for (T const& value : all) push_back(value);
  }
  explicit plain_list(std::size_t size) { resize(size); }
  plain_list(plain_list const& other) : size_(other.size_) {
    storage_.reserve(size_ * sizeof(T), 0);
    if (size_ != 0) std::memcpy(storage_.bytes(), other.storage_.bytes(), size_ * sizeof(T));
  }
  plain_list(plain_list&& other) noexcept : storage_(std::move(other.storage_)), size_(std::exchange(other.size_, 0)) {}
  plain_list& operator=(plain_list other) noexcept {
    storage_ = std::move(other.storage_);
    size_ = other.size_;
    return *this;
  }

  [[nodiscard]] T* data() const { return std::launder(reinterpret_cast<T*>(storage_.bytes())); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] T* begin() { return data(); }
  [[nodiscard]] T* end() { return data() + size_; }
  [[nodiscard]] T const* begin() const { return data(); }
  [[nodiscard]] T const* end() const { return data() + size_; }
  [[nodiscard]] T& operator[](std::size_t i) { return data()[i]; }
  [[nodiscard]] T const& operator[](std::size_t i) const { return data()[i]; }
  [[nodiscard]] T& back() { return data()[size_ - 1]; }
  /// True when one of the values is `value`.
  [[nodiscard]] bool contains(T const& value) const {
    for (T const& one : *this)
      if (one == value) return true;
    return false;
  }

  void push_back(T value) {
    storage_.reserve((size_ + 1) * sizeof(T), size_ * sizeof(T));
    ::new (storage_.bytes() + size_++ * sizeof(T)) T(value);
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  /// More values, if need be, are as `T{}` is.
  void resize(std::size_t size) {
    storage_.reserve(size * sizeof(T), size_ * sizeof(T));
    for (std::size_t i = size_; i < size; ++i) ::new (storage_.bytes() + i * sizeof(T)) T{};
    size_ = size;
  }
  void insert(std::size_t i, T value) {
    storage_.reserve((size_ + 1) * sizeof(T), size_ * sizeof(T));
    storage_.move(i * sizeof(T), size_++ * sizeof(T), (i + 1) * sizeof(T));
    ::new (storage_.bytes() + i * sizeof(T)) T(value);
  }
  void erase(std::size_t i) {
    storage_.move((i + 1) * sizeof(T), size_ * sizeof(T), i * sizeof(T));
    --size_;
  }
  /// Takes out the first of the values that is `value`; false when none is.
  bool remove(T const& value) {
    for (std::size_t i = 0; i < size_; ++i)
      if ((*this)[i] == value) {
        erase(i);
        return true;
      }
    return false;
  }

 private:
  plain_storage storage_;
  std::size_t size_ = 0;
};

}  // namespace svm::inline v0::mock
