// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/page_mask.hpp>
#include <svm/base/time.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/processor.hpp>

namespace svm::inline v0::placement {

/// What a block remembers instead of a history of its pages: the processor that got pages last, these pages, and how long they
/// stay there.
///
/// A slice begins with a move of pages, first touches apart. Pages that the same processor gets until it ends join it;
/// what another one gets meanwhile is not held, unless nothing is left of the slice. A slice that follows the one of
/// somebody else soon, and takes pages from it, is twice as long as that.
class residency_slice {
 public:
  /// Pages came to a processor's memory from that of another one.
  constexpr void moved(page_mask const& pages, processor to, time_point now) {
    if (pages.none()) return;
    if (holder_ == to && is_before(now, end_)) {
      pages_ |= pages;
      return;
    }
    bool const takes = holder_.is_some() && holder_ != to && pages_.meets(pages);
    if (holder_ != to && held(now).any()) {  // of another processor: what it did not get stays in it
      pages_ -= pages;
      if (pages_.any()) return;
    }
    bool const soon = is_before(now, end_ + length_);
    length_ = takes && soon ? doubled(length_) : defaults::slice;
    holder_ = to;
    pages_ = pages;
    end_ = now + length_;
  }
  /// The pages that stay where they are now.
  [[nodiscard]] constexpr page_mask held(time_point now) const {
    return holder_.is_some() && is_before(now, end_) ? pages_ : page_mask{};
  }
  /// Pages are nowhere any more.
  constexpr void forget(page_mask const& pages) { pages_ -= pages; }

  [[nodiscard]] constexpr processor holder() const { return holder_; }
  [[nodiscard]] constexpr time_point end() const { return end_; }
  [[nodiscard]] constexpr duration length() const { return length_; }

 private:
  [[nodiscard]] static constexpr duration doubled(duration d) {
    duration const twice{2 * d.nanoseconds};
    return twice < defaults::slice_most ? twice : defaults::slice_most;
  }

  page_mask pages_{};
  processor holder_ = nobody;
  time_point end_{};
  duration length_{};
};

}  // namespace svm::inline v0::placement
