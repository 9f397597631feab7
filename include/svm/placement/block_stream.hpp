// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/constants.hpp>

namespace svm::inline v0::placement {

/// Finds a program that goes through its blocks one after the other, up or down: which blocks it will want next.
///
/// UVM's prefetch ends at the block. Each block that is complete right behind the last one doubles what comes next.
class block_stream {
 public:
  /// Blocks that are to come whole: `count` of them, the first one `step` behind `from`; none when `count` is 0.
  struct blocks {
    std::uint64_t from = 0;
    std::int64_t step = 1;
    unsigned count = 0;
  };

  /// A service completed a block, which is named by its number.
  [[nodiscard]] blocks completed(std::uint64_t block) {
    bool const is_next = known_ && block == last_ + static_cast<std::uint64_t>(step_);
    bool const turned = known_ && !is_next && (block == last_ + 1 || block + 1 == last_);
    if (turned) step_ = block == last_ + 1 ? 1 : -1;
    ahead_ = is_next || turned ? (ahead_ == 0 ? 1 : ahead_ * 2) : 0;
    if (ahead_ > defaults::stream_blocks_most) ahead_ = defaults::stream_blocks_most;
    known_ = true;
    last_ = block;
    return {block, step_, ahead_};
  }
  /// A block came whole on the word of `completed`.
  void brought(std::uint64_t block) { last_ = block; }

 private:
  std::uint64_t last_ = 0;
  std::int64_t step_ = 1;
  unsigned ahead_ = 0;
  bool known_ = false;
};

}  // namespace svm::inline v0::placement
