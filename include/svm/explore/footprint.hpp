// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace svm::inline v0::explore {

/// One thing that steps read and write, by a number that is the same in every execution.
///
/// The locks and words of `explore::lock_policy` have numbers of their own, with the highest bit set. A program numbers what
/// else it shares as it likes below that; `object{"page", 7}` makes a number from a kind and a number.
struct object {
  std::uint64_t id = 0;

  constexpr object() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a list of plain numbers is a list of objects
  constexpr object(std::uint64_t number) : id(number) {}
  constexpr object(char const* kind, std::uint64_t number) : id(number) {
    for (; *kind != '\0'; ++kind) id = (id ^ static_cast<unsigned char>(*kind)) * 0x100000001b3;
    id &= ~own;
  }
  friend constexpr bool operator==(object, object) = default;

  /// Marks the numbers that the explorer gives.
  static constexpr std::uint64_t own = std::uint64_t{1} << 63;
};

/// What a step does with an object.
enum class access_kind : std::uint8_t { read, write };

/// What a step reads and writes: two steps that conflict may not change places.
///
/// It holds `capacity` objects exactly; with more it knows only which of 64 classes of objects it meets, so that it
/// finds too many conflicts, never too few.
class footprint {
 public:
  static constexpr std::size_t capacity = 12;

  constexpr footprint() = default;
  constexpr footprint(std::initializer_list<object> reads, std::initializer_list<object> writes) {
    for (object const o : reads) add(o, access_kind::read);
    for (object const o : writes) add(o, access_kind::write);
  }

  constexpr void add(object o, access_kind how) {
    (how == access_kind::write ? writes_ : reads_) |= class_of(o);
    for (std::size_t i = 0; i < size_; ++i)
      if (objects_[i] == o) return set(i, how);
    if (size_ == capacity) {
      exact_ = false;
    } else {
      objects_[size_] = o;
      set(size_++, how);
    }
  }
  /// Adds every object of the classes in `classes`, as read.
  constexpr void add_classes(std::uint64_t classes) {
    reads_ |= classes;
    exact_ = false;
  }

  [[nodiscard]] constexpr bool conflicts(footprint const& other) const {
    if (((writes_ & other.touched_classes()) | (reads_ & other.writes_)) == 0) return false;
    if (!exact_ || !other.exact_) return true;
    for (std::size_t i = 0; i < size_; ++i)
      for (std::size_t k = 0; k < other.size_; ++k)
        if (objects_[i] == other.objects_[k] && (is_written(i) || other.is_written(k))) return true;
    return false;
  }

  // The objects that it holds exactly.
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr object operator[](std::size_t i) const { return objects_[i]; }
  [[nodiscard]] constexpr bool is_written(std::size_t i) const { return (written_ >> i & 1) != 0; }

  [[nodiscard]] constexpr std::uint64_t written_classes() const { return writes_; }
  [[nodiscard]] constexpr std::uint64_t touched_classes() const { return reads_ | writes_; }

 private:
  [[nodiscard]] static constexpr std::uint64_t class_of(object o) {
    return std::uint64_t{1} << ((o.id * 0x9e3779b97f4a7c15) >> 58);
  }

  constexpr void set(std::size_t i, access_kind how) {
    if (how == access_kind::write) written_ = static_cast<std::uint16_t>(written_ | 1U << i);
  }

  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  std::array<object, capacity> objects_{};
  std::uint8_t size_ = 0;
  std::uint16_t written_ = 0;  ///< a bit for each of `objects_`
  bool exact_ = true;
};

}  // namespace svm::inline v0::explore
