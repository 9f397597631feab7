// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/config.hpp>

#include <cstdint>
#include <span>

namespace svm::inline v0 {

/// How the tables of a `chunk_index` divide the span of an index: derived from the sizes that its entries have.
///
///     bits of an address   63 .. 29 | 28 27 26 | 25 .. 21 | 20 .. 16 | 15 .. 12 | 11 .. 0
///                          the span | the root |  table   |  table   |  table   | in a 4K chunk
///
/// A table has 2^`table_bits` slots at most, the root 2^`root_bits`. A level ends where a chunk size does, when that
/// leaves it three bits at least: a chunk of that size then fills just one slot. A chunk of another size fills several.
class chunk_layout {
 public:
  static constexpr unsigned table_bits = 5;
  static constexpr unsigned root_bits = 3;
  /// A level that is not the highest has three bits at least.
  static constexpr unsigned max_levels = 22;

  /// \param within  what all entries lie in
  /// \param chunks  the sizes of entries: powers of two, largest first, the last at least 2
  /// \pre at most 64 chunk sizes, none above the block around `within`
  constexpr chunk_layout(va_range within, std::span<byte_count const> chunks) {
    unsigned shift = log2(chunks.back().value);
    std::uint64_t const differ = within.start().value ^ within.last().value;
    unsigned const span = (differ >> shift) == 0 ? shift : log2(differ) + 1;
    span_bits_ = static_cast<std::uint8_t>(span);
    while (span - shift > root_bits) {
      unsigned next = shift + table_bits;
      for (byte_count const size : chunks) {
        unsigned const bits = log2(size.value);
        if (bits > shift + 2 && bits <= shift + table_bits) {
          next = bits;
          break;
        }
      }
      if (next > span) next = span;
      if (next == 64) next = 63;  // a shift by 64 means nothing
      for (unsigned bit = shift; bit < next; ++bit) slots_[bit] = static_cast<std::uint8_t>(shift);
      ends_[shift] = static_cast<std::uint8_t>(next);
      levels_[count_++] = static_cast<std::uint8_t>(shift);
      shift = next;
    }
    root_shift_ = static_cast<std::uint8_t>(shift);
  }

  /// log2 of the size of the root's slots.
  [[nodiscard]] constexpr unsigned root_shift() const { return root_shift_; }
  /// log2 of the size of the slots of each table below it, the lowest first.
  [[nodiscard]] constexpr std::span<std::uint8_t const> levels() const { return {levels_, count_}; }
  /// The first address of the span of an index that has `a` in it.
  [[nodiscard]] constexpr std::uint64_t base_of(std::uint64_t a) const { return a & ~mask(span_bits_); }
  /// How far the last address of that span is from the first.
  [[nodiscard]] constexpr std::uint64_t reach() const { return mask(span_bits_); }
  /// The same for the table whose slots have 2^`shift` bytes.
  [[nodiscard]] constexpr std::uint64_t reach(unsigned shift) const { return mask(ends_[shift]); }
  /// log2 of the slots of the lowest table that has both addresses, in different slots.
  ///
  /// \pre the two lie in one slot of the root, and in different chunks
  [[nodiscard]] constexpr unsigned parting(std::uint64_t a, std::uint64_t b) const { return slots_[log2(a ^ b)]; }

 private:
  [[nodiscard]] static constexpr unsigned log2(std::uint64_t value) {
    return 63u - static_cast<unsigned>(__builtin_clzll(value));
  }
  /// 2^bits - 1.
  [[nodiscard]] static constexpr std::uint64_t mask(unsigned bits) {
    return bits == 64 ? UINT64_MAX : (std::uint64_t{1} << bits) - 1;
  }

  std::uint8_t slots_[64]{};  // by the highest bit in which two addresses differ
  std::uint8_t ends_[64]{};   // by the shift of a table
  std::uint8_t levels_[max_levels]{};
  std::uint8_t count_ = 0;
  std::uint8_t root_shift_ = 0;
  std::uint8_t span_bits_ = 0;
};

}  // namespace svm::inline v0
