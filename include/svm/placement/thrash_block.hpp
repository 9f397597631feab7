// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/intrusive_list.hpp>
#include <svm/base/page_mask.hpp>
#include <svm/base/time.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/processor.hpp>

namespace svm::inline v0::placement {

class thrash_block;
/// Names the list of the pins of an address space.
struct pins_of_space;
/// Names the list of the pins of a block.
struct pins_of_block;

/// A page that stays where it was pinned until a deadline; its memory is the user's.
class pinned_page : public list_hook<pins_of_space>, public list_hook<pins_of_block> {
 public:
  thrash_block* block = nullptr;
  unsigned page = 0;
  time_point deadline{};
};

/// The history of one page. All zero is a page of which nothing is known.
struct thrash_page {
  time_point last{};           ///< of the last event, in steps of 64 ns
  time_point throttle_end{};   ///< while `in_period`
  processor_set processors{};  ///< who took part
  processor_set throttled{};   ///< who waits
  std::uint8_t events = 0;     ///< of which each followed the one before soon; saturates at 7
  std::uint8_t throttles = 0;  ///< saturates at 255
  processor pinned_at = nobody;
  processor exempt = nobody;  ///< who is not throttled in this period
  bool recorded : 1 = false;
  bool in_period : 1 = false;
  bool migrated : 1 = false;
  bool revoked : 1 = false;
  bool pinned : 1 = false;
};

/// What a block remembers of its pages' moves; guarded by what guards the block.
class thrash_block {
 public:
  thrash_block() = default;
  /// The pages that thrash now: they are not prefetched.
  [[nodiscard]] page_mask const& thrashing() const { return thrashing_; }
  [[nodiscard]] page_mask const& pinned() const { return pinned_; }
  /// The history of a page; null while the block has none.
  [[nodiscard]] thrash_page const* page(unsigned p) const { return pages_ == nullptr ? nullptr : pages_ + p; }
  [[nodiscard]] unsigned resets() const { return resets_; }

 private:
  template <class>
  friend class thrashing;

  thrash_page* pages_ = nullptr;  ///< 512 of them
  page_mask thrashing_;
  page_mask pinned_;
  unsigned ever_pinned_ = 0;  ///< never falls: a block that pinned once keeps its history
  unsigned resets_ = 0;
  processor last_processor_ = nobody;
  bool recorded_ = false;
  bool thrashed_ = false;
  time_point last_{};
  time_point last_thrash_{};
  intrusive_list<pinned_page, pins_of_block> pins_;
};

}  // namespace svm::inline v0::placement
