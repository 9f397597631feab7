// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>

#include <svm/base/units.hpp>
#include <svm/placement/processor.hpp>

namespace svm::inline v0::placement {

/// What an access needs, the least intrusive first.
enum class fault_access : std::uint8_t { prefetch, read, write, atomic_weak, atomic_strong };

/// A set of accesses.
class access_set {
 public:
  constexpr access_set() = default;
  constexpr access_set(fault_access a) : bits_(bit(a)) {}
  [[nodiscard]] constexpr bool contains(fault_access a) const { return (bits_ & bit(a)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  /// The most intrusive one. \pre not empty
  [[nodiscard]] constexpr fault_access strongest() const {
    return static_cast<fault_access>(31 - __builtin_clz(bits_));
  }
  /// The least intrusive one. \pre not empty
  [[nodiscard]] constexpr fault_access weakest() const { return static_cast<fault_access>(__builtin_ctz(bits_)); }
  constexpr access_set& operator|=(access_set other) {
    bits_ = bits_ | other.bits_;
    return *this;
  }
  friend constexpr bool operator==(access_set, access_set) = default;

 private:
  static constexpr std::uint32_t bit(fault_access a) { return std::uint32_t{1} << static_cast<unsigned>(a); }
  std::uint32_t bits_ = 0;
};

/// Whose access it was, as the hardware says it: a process on a GPU, with a part of its context.
struct fault_context {
  std::uint64_t instance = 0;
  std::uint32_t sub_context = 0;
  friend constexpr auto operator<=>(fault_context const&, fault_context const&) = default;
};

/// One entry of a GPU's ring of faults.
struct hardware_fault {
  fault_context context{};
  cpu_va page{};  ///< rounded down to a page of the mm, so that its low bits are clear
  fault_access access = fault_access::read;
  unsigned microtlb = 0;
  bool is_fatal = false;  ///< of a kind that no service can cure
};

/// What cannot be served of an entry and is to be cancelled.
enum class fatality : std::uint8_t { none, write_and_atomic, all };

/// A fault of a batch: the most intrusive of those that were merged into it.
struct fault_entry {
  hardware_fault fault{};
  access_set accesses{};
  unsigned instances = 0;
  std::uint32_t space = 0;  ///< the address space, by the number that the translation gave
  processor gpu = nobody;
  bool invalid_prefetch = false;
  bool throttled = false;
  fatality fatal = fatality::none;
};

}  // namespace svm::inline v0::placement
