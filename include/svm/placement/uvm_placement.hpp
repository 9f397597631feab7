// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/page_mask.hpp>
#include <svm/placement/block_heat.hpp>
#include <svm/placement/block_heat.hpp>
#include <svm/placement/block_stream.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/density.hpp>
#include <svm/placement/eviction_policy.hpp>
#include <svm/placement/prefetch_feedback.hpp>
#include <svm/placement/uvm_options.hpp>

namespace svm::inline v0::placement {

/// The policies of UVM put together, for a bundle's `placement`.
///
/// A policy of a user's own derives from this one and hides what it does otherwise:
///
///     struct my_placement : svm::placement::uvm_placement {
///       using uvm_placement::uvm_placement;
///       svm::page_mask along(block_data&, svm::placement::prefetch_request const& service) { ... }
///     };
///
/// It is not for several threads at once: a service has it for its whole time.
class uvm_placement {
 public:
  using options = uvm_options;

  /// What is known of a block.
  struct block_data : evictable_block {
    prefetch_history history{};
    block_heat heat{};
    prefetch_feedback feedback{};
  };

  explicit uvm_placement(options const& how) : how_(how), eviction_(how.evict) {}

  [[nodiscard]] options const& how() const { return how_; }
  [[nodiscard]] eviction_policy& eviction() { return eviction_; }
  /// Whether a fault moves what is missing of its range, and nothing else is decided.
  [[nodiscard]] bool moves_ranges() const { return how_.prefetch == prefetch_mode::off; }

  /// The pages that move, or are mapped, along with the faulted ones.
  [[nodiscard]] page_mask along(block_data& b, prefetch_request const& service) {
    if (how_.prefetch == prefetch_mode::off || is_full_) return {};
    unsigned const threshold = how_.gate && is_under_pressure() && how_.threshold < defaults::gate_threshold
                                   ? defaults::gate_threshold
                                   : how_.threshold;
    page_mask const all = prefetch(b.history, service, prefetch_options{.threshold = threshold}.valid());
    return how_.feedback ? b.feedback.cut(all, service.pages.faulted, service.pages.where.group_pages) : all;
  }
  /// Something is about to be evicted; the service for which it is ends as it was decided.
  void evicting() {
    was_full_ = true;
    last_eviction_ = services_;
  }
  /// A service ended. Says which blocks are to come whole, where there is room for them.
  [[nodiscard]] block_stream::blocks served(block_data const& b) {
    ++services_;
    is_full_ = was_full_ && how_.prefetch == prefetch_mode::until_full;
    bool const is_complete = b.present.contains(page_mask{b.where.window});
    return how_.stream && is_complete ? stream_.completed(b.number) : block_stream::blocks{};
  }
  /// A block came whole because `served` named it.
  void brought(block_data const& b) { stream_.brought(b.number); }
  /// Whether memory had to be made free of late.
  [[nodiscard]] bool is_under_pressure() const {
    return was_full_ && services_ - last_eviction_ < defaults::gate_services;
  }

 private:
  options const how_;
  eviction_policy eviction_;
  block_stream stream_;
  std::uint64_t services_ = 0;
  std::uint64_t last_eviction_ = 0;  ///< by services; once `was_full_`
  bool was_full_ = false;
  bool is_full_ = false;
};

}  // namespace svm::inline v0::placement
