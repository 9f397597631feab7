// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_history.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace svmsh {

/// A row of a map: pages that follow each other among those that were accessed.
struct map_row {
  std::uint64_t first_page, last_page;
  std::size_t first, end;  // among the accessed pages
  int top = 0, height = 0;
  std::uint64_t accesses = 0;
};

/// Rows without a large hole between them; in pixels from the top of the plot, where the highest address is.
struct map_part {
  std::uint64_t first_page = 0;
  std::uint64_t accessed = 0;    // pages
  std::uint64_t hole_below = 0;  // pages
  int gap_below = 0;
  int top = 0, height = 0;
  std::size_t first_row = 0, end_row = 0;
};

/// How a cell is drawn: 0 to 3 for system memory, from idle to busy, 4 to 7 for device memory, 8 to 11 for both,
/// 12 to 15 for device memory that was prefetched.
inline constexpr std::size_t cell_classes = 16;

struct cell_run {
  std::size_t first, end;  // columns
  std::size_t what;

  bool operator==(cell_run const&) const = default;
};

inline bool is_idle(cell_run const& run) {
  return run.what % 4 == 0;
}

struct placed_mark {
  incident what;
  double x;
  int y;
};

/// Where everything in a map goes; what was never accessed is folded away.
class map_layout {
 public:
  explicit map_layout(history const& past);

  std::vector<map_row> rows;    // ascending addresses
  std::vector<map_part> parts;  // likewise
  int height = 0;
  std::uint64_t pages_per_row = 1;
  std::uint64_t page_bytes;

  /// What a row shows, in columns of `merge` columns of the history: first the idle colours, then what is busy on top.
  [[nodiscard]] std::vector<cell_run> runs(std::size_t row, std::size_t merge) const;
  /// At most one mark of a kind in each square of `bin` pixels (0: all); `x` gives the place of a column.
  [[nodiscard]] std::vector<placed_mark> marks(std::function<double(std::size_t)> const& x, int bin) const;
  /// True when some page was prefetched at some time.
  [[nodiscard]] bool shows_prefetched() const;
  [[nodiscard]] std::vector<std::uint64_t> pages_in_use(std::size_t columns) const;

 private:
  /// One row in one column.
  struct sum {
    std::uint64_t on_system = 0, on_device = 0, on_prefetched = 0, accesses = 0;
  };

  void make_parts(std::uint64_t least_hole);
  void make_rows();
  void place_rows();
  void find_levels();
  [[nodiscard]] std::vector<sum> add_up(map_row const& row, std::size_t merge) const;

  std::vector<page_track const*> pages_;
  std::size_t columns_;
  std::uint64_t some_ = 0, many_ = 0;  // accesses of a page in a column that count as more than a few
};

}  // namespace svmsh
