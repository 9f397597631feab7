// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include <svm/base/augmented_tree.hpp>
#include <svm/base/interval.hpp>
#include <svm/mock/cpu/frame.hpp>
#include <svm/mock/machine/number_map.hpp>

namespace svm::inline v0::mock {

/// Where the addresses of a process end.
inline constexpr std::uint64_t user_end = std::uint64_t{1} << 47;

/// True when a span lies below the end of user addresses.
[[nodiscard]] constexpr bool is_user_span(cpu_va a, byte_count size) {
  return a.value <= user_end && size.value <= user_end - a.value;
}

/// Where no VMA is, and where an mmap goes that names no place.
///
/// Invariants: 1. holes are disjoint and do not touch. 2. each stands in the map and in the tree.
/// \source mm/mmap.c, the gaps of the VMA tree
class holes {
 public:
  holes() { add(0, user_end); }
  holes(holes const&) = delete;
  holes& operator=(holes const&) = delete;
  ~holes() {
    for (auto& [start, h] : map_) tree_.erase(h);
  }

  /// A VMA comes to a span of user addresses where nothing is.
  ///
  /// \complexity O(log n)
  [[gnu::cold]] void fill(va_range span) {
    std::uint64_t const start = span.start().value;
    auto const around = map_.before(map_.upper_bound(start));
    std::uint64_t const hole_start = around->first;
    std::uint64_t const hole_end = around->second.end;
    drop(around);
    if (hole_start != start) add(hole_start, start);
    if (hole_end != span.last().value + 1) add(span.last().value + 1, hole_end);
  }
  /// The VMA of a span is gone.
  ///
  /// \complexity O(log n)
  [[gnu::cold]] void clear(va_range span) {
    std::uint64_t start = span.start().value;
    std::uint64_t end = span.last().value + 1;
    auto const next = map_.upper_bound(start);
    if (next != map_.begin())
      if (auto const before = map_.before(next); before->second.end == start) {
        start = before->first;
        drop(before);
      }
    if (next != map_.end() && next->first == end) {
      end = next->second.end;
      drop(next);
    }
    add(start, end);
  }

  /// The lowest address from 4 GiB on, 2 MiB-aligned, for `size` bytes with 2 MiB of nothing on both sides.
  ///
  /// \complexity O(log n)
  [[nodiscard, gnu::cold]] std::optional<cpu_va> lowest(byte_count size) const {
    hole const* const found = tree_.first_reaching(size.value);
    if (found == nullptr) return std::nullopt;
    return cpu_va{found->usable_start()};
  }

 private:
  struct hole : tree_hook<hole> {
    static constexpr std::uint64_t first = std::uint64_t{4} << 30;
    static constexpr std::uint64_t gap = 2 << 20;

    hole(std::uint64_t from, std::uint64_t to) : start(from), end(to) {}

    [[nodiscard]] std::uint64_t usable_start() const {
      std::uint64_t const mask = huge_page_size.value - 1;
      std::uint64_t const aligned = (start + gap + mask) & ~mask;
      return aligned < first ? first : aligned;
    }
    [[nodiscard]] std::uint64_t usable_end() const {
      if (end == user_end) return end;
      return end < gap ? 0 : end - gap;
    }
    [[nodiscard]] std::uint64_t key() const { return start; }
    [[nodiscard]] std::uint64_t weight() const {
      return usable_end() < usable_start() ? 0 : usable_end() - usable_start();
    }

    std::uint64_t const start;
    std::uint64_t const end;
  };
  using map_type = number_map<hole>;

  void add(std::uint64_t start, std::uint64_t end) { tree_.insert(map_.emplace(start, start, end).first->second); }
  void drop(map_type::iterator h) {
    tree_.erase(h->second);
    map_.erase(h);
  }

  map_type map_;  // by start
  augmented_tree<hole> tree_;
};

}  // namespace svm::inline v0::mock
