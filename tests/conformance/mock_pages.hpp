// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>

#include <svm/mock/cpu/frame.hpp>

namespace support {

/// What a bench on the simulated machine says of its pages.
template <class Frames>
class mock_pages {
 public:
  using page = svm::mock::page;

  /// \param frames  may be made later, and outlives the bench's users
  explicit mock_pages(Frames& frames) : all_frames_(frames) {}

  bool is_live(page p) { return all_frames_.is_alive(p) && all_frames_.head(p).references != 0; }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, all_frames_.bytes(p), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(all_frames_.bytes(p), &value, sizeof value); }
  void set_locked(page p, bool locked) { all_frames_.head(p).locked = locked; }
  void set_pinned(page p, bool pinned) {
    if (pinned)
      ++all_frames_.head(p).references;
    else
      all_frames_.put(p);
  }

 private:
  Frames& all_frames_;
};

}  // namespace support
