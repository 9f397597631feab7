// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/base/construct.hpp>
#include <svm/base/units.hpp>

namespace svm::inline v0::detail {

/// What a block in a `block_table` is derived from.
template <class Block>
class block_entry {
 public:
  explicit block_entry(cpu_va at) : at_(at) {}
  /// Where the block begins.
  [[nodiscard]] cpu_va at() const { return at_; }

 private:
  template <class, class>
  friend class block_table;

  cpu_va const at_;
  Block* following_ = nullptr;  // in its bucket
};

/// The blocks of an address space that are known, by where they begin. It owns them; one that is made stays.
///
/// Not for several threads at once.
template <class Block, class Allocator>
class block_table {
 public:
  block_table(Allocator& memory, byte_count block_size)
      : memory_(memory), block_bytes_(block_size.value), buckets_(memory) {}
  block_table(block_table const&) = delete;
  block_table& operator=(block_table const&) = delete;
  ~block_table() {
    for (Block* const first : buckets_)
      for (Block* b = first; b != nullptr;) {
        Block* const next = b->following_;
        destroy(memory_, b);
        b = next;
      }
  }

  [[nodiscard]] Block* find(cpu_va at) const {
    if (buckets_.size() == 0) return nullptr;
    Block* b = buckets_[bucket_of(at, buckets_.size())];
    while (b != nullptr && b->at() != at) b = b->following_;
    return b;
  }
  /// The block at `at`, made where it is not known; null when there is no memory.
  ///
  /// \allocs a block, and now and then an array of a pointer a block
  [[nodiscard]] Block* find_or_make(cpu_va at) {
    if (Block* const known = find(at)) return known;
    if (count_ >= buckets_.size()) grow();
    if (buckets_.size() == 0) return nullptr;
    Block* const made = construct<Block>(memory_, at);
    if (made == nullptr) return nullptr;
    put(buckets_, *made);
    ++count_;
    return made;
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  /// Calls `visit(Block&)` for each block, in no order.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (Block* const first : buckets_)
      for (Block* b = first; b != nullptr; b = b->following_) visit(*b);
  }

 private:
  using bucket_array = scratch_array<Block*, Allocator>;
  static constexpr std::size_t first_buckets = 64;

  [[nodiscard]] std::size_t bucket_of(cpu_va at, std::size_t count) const {
    return static_cast<std::size_t>(at.value / block_bytes_) & (count - 1);  // neighbours lie in different ones
  }
  void put(bucket_array& to, Block& b) const {
    Block*& first = to[bucket_of(b.at(), to.size())];
    b.following_ = first;
    first = &b;
  }
  /// Twice as many buckets; without memory the chains grow instead.
  void grow() {
    bucket_array larger{memory_};
    if (!larger.reserve(buckets_.size() == 0 ? first_buckets : 2 * buckets_.size())) return;
    for (Block* const first : buckets_)
      for (Block* b = first; b != nullptr;) {
        Block* const next = b->following_;
        put(larger, *b);
        b = next;
      }
    buckets_.swap(larger);
  }

  Allocator& memory_;
  std::uint64_t const block_bytes_;
  bucket_array buckets_;
  std::size_t count_ = 0;
};

}  // namespace svm::inline v0::detail
