// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <svm/config.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/device.hpp>

namespace svm::inline v0::detail {

/// Room for the blocks of a mapping: for one in the object itself, for more in memory of an allocator, which is named at
/// each call to keep the object small.
template <class Allocator>
class address_blocks {
 public:
  address_blocks() = default;
  address_blocks(address_blocks const&) = delete;
  address_blocks& operator=(address_blocks const&) = delete;
  ~address_blocks() { SVM_ASSERT(more_ == nullptr); }

  /// Forgets all blocks and makes room for `count`; false, with room for one, when there is no memory.
  ///
  /// \allocs none for one block, or where there is room already
  [[nodiscard, gnu::always_inline]] bool reserve(Allocator& memory, std::size_t count) {
    forget();
    return count <= 1 || count <= capacity_ || grow(memory, count);
  }
  /// Gives memory of the allocator back.
  [[gnu::always_inline]] void clear(Allocator& memory) {
    if (more_ == nullptr) return;
    memory.deallocate(reinterpret_cast<std::byte*>(more_), capacity_ * sizeof(device_address), alignof(device_address));
    more_ = nullptr;
    count_ = capacity_ = 0;
  }

  /// True when it has memory of the allocator.
  [[nodiscard]] bool has_array() const { return more_ != nullptr; }
  [[nodiscard]] std::span<device_address const> all() const { return {more_ == nullptr ? &only_ : more_, count_}; }
  /// Puts one behind the others.
  ///
  /// \pre there is room for it
  void push_back(device_address const& block) { add() = block; }
  /// The same for one that the caller fills in, field by field: to copy one whose fields were just stored would wait for
  /// the stores.
  ///
  /// \pre there is room for it
  [[nodiscard]] device_address& add() {
    SVM_ASSERT(count_ < (more_ == nullptr ? 1 : capacity_));
    return (more_ == nullptr ? &only_ : more_)[count_++];
  }
  /// Puts a block a run behind the others, which `fill(run, block)` fills in, until it says other than ok.
  ///
  /// \pre there is room for them
  template <class Runs, class Fill>
  [[nodiscard]] errc add_each(Runs const& runs, Fill&& fill) {
    SVM_ASSERT(count_ + runs.size() <= (more_ == nullptr ? 1 : capacity_));
    device_address* const begin = (more_ == nullptr ? &only_ : more_) + count_;
    device_address* next = begin;
    errc e = errc::ok;
    for (auto const& r : runs) {
      if (e = fill(r, *next); e != errc::ok) break;
      ++next;
    }
    count_ += static_cast<std::uint32_t>(next - begin);
    return e;
  }
  /// Forgets all blocks; the room stays.
  void forget() { count_ = 0; }

  void swap(address_blocks& other) {
    std::swap(only_, other.only_);
    std::swap(more_, other.more_);
    std::swap(count_, other.count_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  [[nodiscard, gnu::noinline]] bool grow(Allocator& memory, std::size_t count) {
    clear(memory);
    std::byte* const place =
        count > UINT32_MAX ? nullptr : memory.allocate(count * sizeof(device_address), alignof(device_address));
    if (place == nullptr) return false;
    more_ = reinterpret_cast<device_address*>(place);
    capacity_ = static_cast<std::uint32_t>(count);
    static_assert(std::is_trivially_copyable_v<device_address>);  // so one lives when it is written
    return true;
  }

  device_address only_{};
  device_address* more_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t capacity_ = 0;  // of more_
};

}  // namespace svm::inline v0::detail
