// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <svm/mock/machine/stream_copy.hpp>

namespace svm::inline v0::mock {

/// The bytes of a page, and which of its 64 lines may hold anything but zero: only these are ever moved or cleared.
///
/// Invariant: a line that is not marked reads as zero.
///
/// A store marks its lines before it writes, and stores of CPU and GPU may meet. They do so under shared locks, each of
/// which the machine takes exclusively to end the last mapping of a page. So every store and its mark come before a copy
/// from a page without mappings. A mark that another thread set counts too: a store that saw it comes after it. Only a
/// store that breaks a rule, or one beside a sync, can race with a copy. The copy then has the line as it was before the
/// store, or as it is after: as with any two accesses without order.
template <std::size_t PageBytes>
class page_content {
 public:
  static constexpr std::size_t line_bytes = PageBytes / 64;

  /// Without bytes until `make()`.
  page_content() = default;
  page_content(page_content const&) = delete;
  page_content& operator=(page_content const&) = delete;
  ~page_content() { drop(); }

  [[nodiscard]] bool is_made() const { return bytes_ != nullptr; }
  void make() {
    drop();
    bytes_ = new std::byte[PageBytes]{};
    owns_ = true;
  }
  /// In bytes that somebody else keeps, and that are zero: they are not touched before somebody writes.
  void make(std::byte* kept) {
    drop();
    bytes_ = kept;
    owns_ = false;
  }

  // All that follows needs the bytes.

  /// The bytes, to read only.
  [[nodiscard]] std::byte* bytes() const { return bytes_; }
  /// The bytes from `offset` on, of which `size` may be written until the next `clear` or `copy`.
  [[nodiscard]] std::byte* writable(std::size_t offset, std::size_t size) {
    if (size != 0) mark(lines(offset, size));
    return bytes_ + offset;
  }
  /// The bytes, to write any of them until the next `clear` or `copy`.
  [[nodiscard]] std::byte* writable() { return writable(0, PageBytes); }

  /// Makes all bytes zero.
  ///
  /// \pre nobody else writes the page
  void clear() {
    zero(marked());
    marked_.store(0, std::memory_order_relaxed);
  }
  /// Takes over what another page holds.
  ///
  /// \pre nobody else writes this page
  void copy(page_content const& from, copy_way way = copy_way::cached) {
    std::uint64_t const theirs = from.marked();
    zero(marked() & ~theirs);
    marked_.store(theirs, std::memory_order_relaxed);
    take(from, theirs, way);
  }
  /// Takes over what another page holds, while others may write this one: no mark goes, which could be theirs.
  void sync(page_content const& from) {
    std::uint64_t const theirs = from.marked();
    zero(marked() & ~theirs);
    mark(theirs);
    take(from, theirs, copy_way::cached);
  }
  /// Fills all bytes with one value.
  void fill(int value) { std::memset(writable(), value, PageBytes); }
  /// Fills what may not be zero with one value.
  void spoil(int value) {
    for_each_run(marked(), [&](std::size_t offset, std::size_t size) { std::memset(bytes_ + offset, value, size); });
  }

  /// True when the invariant holds.
  [[nodiscard]] bool is_sound() const {
    for (std::size_t i = 0; i < PageBytes; ++i)
      if (bytes_[i] != std::byte{} && (marked() & lines(i, 1)) == 0) return false;
    return true;
  }
  /// The number of marked lines.
  [[nodiscard]] int marked_lines() const { return std::popcount(marked()); }

 private:
  void drop() {
    if (owns_) delete[] bytes_;
  }
  /// The lines of a span that is not empty.
  [[nodiscard]] static constexpr std::uint64_t lines(std::size_t offset, std::size_t size) {
    return UINT64_MAX >> (63 - (offset + size - 1) / line_bytes) & UINT64_MAX << offset / line_bytes;
  }
  [[nodiscard]] std::uint64_t marked() const { return marked_.load(std::memory_order_relaxed); }
  void mark(std::uint64_t bits) {
    if ((marked() & bits) != bits) marked_.fetch_or(bits, std::memory_order_relaxed);
  }
  /// Calls `visit(offset, size)` for each run of lines.
  template <class Visit>
  static void for_each_run(std::uint64_t bits, Visit&& visit) {
    while (bits != 0) {
      int const first = std::countr_zero(bits);
      int const count = std::countr_one(bits >> first);
      visit(static_cast<std::size_t>(first) * line_bytes, static_cast<std::size_t>(count) * line_bytes);
      bits &= bits + (std::uint64_t{1} << first);  // the carry runs through the ones
    }
  }
  void zero(std::uint64_t bits) {
    for_each_run(bits, [&](std::size_t offset, std::size_t size) { std::memset(bytes_ + offset, 0, size); });
  }
  void take(page_content const& from, std::uint64_t bits, copy_way way) {
    for_each_run(bits, [&](std::size_t offset, std::size_t size) {
      copy_bytes(bytes_ + offset, from.bytes_ + offset, size, way);
    });
  }

  std::atomic<std::uint64_t> marked_{0};
  std::byte* bytes_ = nullptr;
  bool owns_ = false;
};

}  // namespace svm::inline v0::mock
