// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// A number of bytes.
struct byte_count {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(byte_count, byte_count) = default;
  friend constexpr byte_count operator+(byte_count a, byte_count b) { return {a.value + b.value}; }
  friend constexpr byte_count operator-(byte_count a, byte_count b) { return {a.value - b.value}; }
  friend constexpr byte_count operator*(byte_count a, std::uint64_t n) { return {a.value * n}; }
  friend constexpr byte_count& operator+=(byte_count& a, byte_count b) { return a = a + b; }
  friend constexpr byte_count& operator-=(byte_count& a, byte_count b) { return a = a - b; }

  [[nodiscard]] constexpr bool is_power_of_two() const { return value != 0 && (value & (value - 1)) == 0; }
};

/// A number of pages of the mm's page size.
struct page_count {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(page_count, page_count) = default;
  friend constexpr page_count operator+(page_count a, page_count b) { return {a.value + b.value}; }
  friend constexpr page_count operator-(page_count a, page_count b) { return {a.value - b.value}; }
  friend constexpr page_count& operator+=(page_count& a, page_count b) { return a = a + b; }
  friend constexpr byte_count operator*(page_count n, byte_count page_size) { return page_size * n.value; }
};

/// The binary logarithm of a block's size in pages: 0 is one page, 9 is 2 MiB of 4 KiB pages.
struct page_order {
  std::uint8_t value = 0;

  friend constexpr auto operator<=>(page_order, page_order) = default;
  [[nodiscard]] constexpr page_count pages() const { return {std::uint64_t{1} << value}; }
};

/// A byte address in one address space; the tag tells the spaces apart.
template <class Tag>
struct address {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(address, address) = default;
  friend constexpr address operator+(address a, byte_count n) { return {a.value + n.value}; }
  friend constexpr address operator-(address a, byte_count n) { return {a.value - n.value}; }
  friend constexpr byte_count operator-(address a, address b) { return {a.value - b.value}; }

  /// Rounds down to a multiple of `alignment`, a power of two.
  [[nodiscard]] constexpr address align_down(byte_count alignment) const { return {value & ~(alignment.value - 1)}; }
  [[nodiscard]] constexpr bool is_aligned(byte_count alignment) const { return (value & (alignment.value - 1)) == 0; }
};

namespace detail {
struct cpu_va_tag;
struct gpu_va_tag;
struct dma_tag;
}  // namespace detail

using cpu_va = address<detail::cpu_va_tag>;  ///< in a process's address space; the GPU uses the same numbers
using gpu_va = address<detail::gpu_va_tag>;  ///< in a GPU's own VA space (gpuvm)
using dma_addr = address<detail::dma_tag>;   ///< what a device puts on its bus; 0 is an address like any other

/// How many pages of `page_size` (a power of two) `bytes` holds; `bytes` is a multiple of it.
[[nodiscard]] constexpr page_count pages_in(byte_count bytes, byte_count page_size) {
  return {bytes.value >> __builtin_ctzll(page_size.value)};
}

namespace literals {
constexpr byte_count operator""_B(unsigned long long n) {
  return {n};
}
constexpr byte_count operator""_KiB(unsigned long long n) {
  return {n << 10};
}
constexpr byte_count operator""_MiB(unsigned long long n) {
  return {n << 20};
}
constexpr byte_count operator""_GiB(unsigned long long n) {
  return {n << 30};
}
constexpr byte_count operator""_TiB(unsigned long long n) {
  return {n << 40};
}
}  // namespace literals

}  // namespace svm::inline v0
