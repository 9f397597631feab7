// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <svm/base/units.hpp>
#include <svm/mock/machine/owned.hpp>
#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// The numbers of the free frames in one region of memory.
///
/// Single frames are reused newest first, so that a stale user meets other data at once; frames that were never used
/// follow in ascending order: each, or every other one for as long as that goes. Blocks are naturally aligned; they come from the top of what was never used, then from
/// freed frames that lie together.
///
/// Invariants: 1. `is_free` of a frame below `next_` or from `top_` on holds when it stands in the list. It stands there
/// unless it is taken or was passed over. 2. each block's
/// count is the number of its frames in the list.
class free_frames {
 public:
  /// The frames from `first`, a multiple of `block_frames`, up to `end`.
  ///
  /// \param joins  frames that were never used and are taken one after the other are neighbours
  free_frames(std::uint32_t first, std::uint32_t end, bool joins = true)
      : first_(first),
        joins_(joins),
        next_(first),
        top_(end),
        count_((end - first + block_frames - 1) / block_frames),
        blocks_(new owned<block>[count_]) {}

  [[nodiscard]] std::optional<std::uint32_t> take() {
    if (head_ != none) {
      std::uint32_t const number = head_;
      unlink(number);
      return number;
    }
    if (next_ == top_) return link_passed_over() ? take() : std::nullopt;
    std::uint32_t const number = next_++;
    if (!joins_ && next_ != top_) passed_over_.push_back(next_++);
    return number;
  }

  /// The first of 2^order frames that lie together, aligned to their number.
  [[nodiscard, gnu::cold]] std::optional<std::uint32_t> take(page_order order) {
    if (order.value == 0) return take();
    auto const count = static_cast<std::uint32_t>(order.pages().value);
    if (top_ - next_ >= count) {
      std::uint32_t const first = (top_ - count) & ~(count - 1);
      if (first >= next_) {
        for (std::uint32_t n = top_; n-- > first + count;) link(n);
        top_ = first;
        return first;
      }
    }
    for (std::size_t b = 0; b < count_; ++b) {
      if (!blocks_[b] || blocks_[b]->free < count) continue;
      std::uint32_t const start = first_ + static_cast<std::uint32_t>(b) * block_frames;
      for (std::uint32_t at = start; at < start + block_frames; at += count) {
        std::uint32_t n = 0;
        while (n < count && entry(at + n).is_free) ++n;
        if (n != count) continue;
        for (n = 0; n < count; ++n) unlink(at + n);
        return at;
      }
    }
    return link_passed_over() ? take(order) : std::nullopt;
  }

  /// Gives 2^order frames back; the first of them is the next to be taken.
  void give(std::uint32_t first, page_order order) {
    for (auto n = static_cast<std::uint32_t>(order.pages().value); n-- > 0;) link(first + n);
  }

 private:
  static constexpr std::uint32_t block_frames = 512;
  static constexpr std::uint32_t none = UINT32_MAX;

  struct link_entry {
    std::uint32_t next = none;
    std::uint32_t previous = none;
    bool is_free = false;
  };
  struct block {
    std::array<link_entry, block_frames> frames;
    std::uint32_t free = 0;
  };

  [[nodiscard]] block& block_of(std::uint32_t number) {
    owned<block>& b = blocks_[(number - first_) / block_frames];
    if (!b) b = owned<block>{new block};
    return *b;
  }
  [[nodiscard]] link_entry& entry(std::uint32_t number) {
    return block_of(number).frames[(number - first_) % block_frames];
  }
  void link(std::uint32_t number) {
    link_entry& e = entry(number);
    e = {head_, none, true};
    if (head_ != none) entry(head_).previous = number;
    head_ = number;
    ++block_of(number).free;
  }
  /// Frees the frames that were passed over; false when there are none.
  [[nodiscard, gnu::cold]] bool link_passed_over() {
    bool const any = !passed_over_.empty();
    for (std::uint32_t const number : passed_over_) link(number);
    passed_over_.clear();
    return any;
  }
  void unlink(std::uint32_t number) {
    link_entry& e = entry(number);
    (e.previous == none ? head_ : entry(e.previous).next) = e.next;
    if (e.next != none) entry(e.next).previous = e.previous;
    e.is_free = false;
    --block_of(number).free;
  }

  std::uint32_t const first_;
  bool const joins_;
  std::uint32_t next_;  // from here to top_ nothing was ever used
  std::uint32_t top_;
  std::uint32_t head_ = none;              // the newest
  plain_list<std::uint32_t> passed_over_;  // never used, and in no list
  std::uint32_t const count_;
  owned_array<owned<block>> blocks_;
};

}  // namespace svm::inline v0::mock
