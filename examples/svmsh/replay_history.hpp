// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace svmsh {

/// Where a page is.
enum class place : std::uint8_t {
  absent,
  system,
  device,
  prefetched,  ///< in device memory, where it came along with a fault of another page
};

/// What a map of a replay marks.
enum class incident : std::uint8_t { gpu_fault, to_device, cpu_fault, to_system, eviction };
inline constexpr std::size_t incident_kinds = 5;

/// What happened to one page in one column of a history.
struct history_cell {
  std::uint16_t column = 0;
  std::uint8_t on_system = 0;  ///< the share of the column's time, of 255
  std::uint8_t on_device = 0;
  std::uint8_t on_prefetched = 0;  ///< of `on_device`
  place after = place::absent;     ///< where the page stays until its next cell
  std::uint8_t marks = 0;          ///< a bit for each incident
  std::uint32_t accesses = 0;
};

/// One page of a history; its cells are ascending, and only of columns in which something happened.
struct page_track {
  std::uint64_t number = 0;
  std::vector<history_cell> cells;
  std::uint64_t accesses = 0;

  // Of the column that is open.
  std::uint64_t since = 0;  // accounted for up to here
  std::uint64_t on_system = 0, on_device = 0, on_prefetched = 0;
  std::uint32_t recent = 0;
  std::uint8_t marks = 0;
  place now = place::absent;
  bool active = false;      // this column will have a cell
  bool came_along = false;  // at any time
};

/// Where every page was during a replay, and what happened to it, for a picture.
///
/// Time is counted in accesses, in columns of a power of two of them. When the columns run out, neighbours become one,
/// so memory depends on the number of pages and not on the length of the replay.
class history {
 public:
  static constexpr std::size_t most_columns = 960;

  /// \pre `page_bytes` divides 2 MiB, the size of a block
  explicit history(std::uint64_t page_bytes = 4096) : page_bytes_(page_bytes) {}

  [[nodiscard]] std::uint64_t page_bytes() const { return page_bytes_; }
  [[nodiscard]] std::uint64_t block_pages() const { return (std::uint64_t{2} << 20) / page_bytes_; }

  /// Adds the pages of a block, all absent.
  void add_block(std::uint64_t first_page);
  /// The page of a block that was added, or null.
  [[nodiscard]] page_track* find(std::uint64_t page);

  /// The first page from `first` to `last` that was accessed, or null.
  [[nodiscard]] page_track* find_accessed(std::uint64_t first, std::uint64_t last);

  /// What follows happens after this many accesses of the replay.
  void set_time(std::uint64_t accesses) { now_ = accesses; }
  void access(page_track& page) {
    activate(page);
    ++page.recent;
    ++page.accesses;
  }
  void place_at(page_track& page, place where);
  /// Counts incidents, and marks the page that they are about.
  void mark(incident what, std::uint64_t count, page_track* page);

  /// When `end_column` is due.
  [[nodiscard]] std::uint64_t column_end() const { return column_start_ + width_; }
  void end_column();
  /// Ends the last column, as far as it got.
  void finish(std::uint64_t accesses);

  [[nodiscard]] std::uint64_t column_width() const { return width_; }
  [[nodiscard]] std::uint64_t accesses() const { return now_; }
  [[nodiscard]] std::size_t columns() const { return column_; }
  [[nodiscard]] std::vector<std::uint64_t> const& incidents(incident what) const {
    return incidents_[static_cast<std::size_t>(what)];
  }
  /// The pages that were accessed or prefetched, ascending.
  [[nodiscard]] std::vector<page_track const*> accessed_pages() const;

 private:
  [[nodiscard]] static bool is_drawn(page_track const& page) { return page.accesses != 0 || page.came_along; }
  void activate(page_track& page) {
    if (page.active) return;
    page.active = true;
    active_.push_back(&page);
  }
  void account(page_track& page) const;
  void halve();

  std::uint64_t page_bytes_;
  std::map<std::uint64_t, std::vector<page_track>> blocks_;  // whose tracks stay where they are
  std::vector<page_track*> active_;
  std::array<std::vector<std::uint64_t>, incident_kinds> incidents_ = make_incidents();
  std::uint64_t now_ = 0;
  std::uint64_t column_start_ = 0;
  std::uint64_t width_ = 1;
  std::size_t column_ = 0;

  [[nodiscard]] static std::array<std::vector<std::uint64_t>, incident_kinds> make_incidents() {
    std::array<std::vector<std::uint64_t>, incident_kinds> counts;
    counts.fill(std::vector<std::uint64_t>(most_columns));
    return counts;
  }
};

}  // namespace svmsh
