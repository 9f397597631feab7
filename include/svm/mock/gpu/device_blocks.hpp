// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <svm/base/units.hpp>
#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// The free frames of a GPU's memory, as naturally aligned blocks of 2^order.
///
/// Invariants: 1. the blocks are disjoint. 2. no two free halves of one block stand beside each other.
class device_blocks {
 public:
  device_blocks(std::uint32_t first, std::uint64_t count, page_order largest) : largest_(largest.value) {
    for (std::uint64_t at = 0; at < count;) {
      unsigned const order = fitting(first + at, count - at);
      give(first + static_cast<std::uint32_t>(at), order);
      at += std::uint64_t{1} << order;
    }
  }

  [[nodiscard]] std::uint64_t free() const { return pages_; }

  /// Takes `count` frames, in as large blocks as there are.
  ///
  /// \pre count <= free()
  void take(std::uint64_t count, plain_list<std::uint32_t>& out) {
    while (count != 0) {
      unsigned order = fitting(0, count);
      unsigned from = order;
      while (from <= largest_ && free_[from].empty()) ++from;
      if (from > largest_) {  // nothing so large: the largest there is
        from = order;
        while (free_[from].empty()) --from;
        order = from;
      }
      auto const start = static_cast<std::uint32_t>(free_[from].begin()->first);
      free_[from].erase(free_[from].begin());
      pages_ -= std::uint64_t{1} << from;
      while (from > order) {
        --from;
        give(start + (1u << from), from);
      }
      for (std::uint32_t i = 0; i < 1u << order; ++i) out.push_back(start + i);
      count -= std::uint64_t{1} << order;
    }
  }
  /// Gives one frame back.
  void give(std::uint32_t frame) { give(frame, 0); }

 private:
  /// The order of the largest aligned block at a number that is not larger than `count`.
  [[nodiscard]] unsigned fitting(std::uint64_t number, std::uint64_t count) const {
    unsigned const by_size = static_cast<unsigned>(std::bit_width(count)) - 1;
    unsigned const aligned = number == 0 ? largest_ : static_cast<unsigned>(std::countr_zero(number));
    unsigned const fits = by_size < aligned ? by_size : aligned;
    return fits < largest_ ? fits : largest_;
  }
  void give(std::uint32_t start, unsigned order) {
    pages_ += std::uint64_t{1} << order;
    while (order < largest_ && free_[order].erase(start ^ (1u << order))) start &= ~(1u << order++);
    free_[order].emplace(start);
  }

  unsigned const largest_;
  std::array<number_set, 32> free_;  // by order; the lowest goes first
  std::uint64_t pages_ = 0;
};

}  // namespace svm::inline v0::mock
