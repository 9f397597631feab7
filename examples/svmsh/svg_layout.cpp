// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "svg_layout.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace svmsh {

namespace {

constexpr int plot_height = 420;  // more only where holes and small parts take room
constexpr int tallest_row = 24;
constexpr int least_part = 10;
constexpr std::size_t most_parts = 64;
constexpr std::size_t most_wide_gaps = 16;
constexpr int wide_gap = 16, narrow_gap = 3;

}  // namespace

map_layout::map_layout(history const& past)
    : page_bytes(past.page_bytes()), pages_(past.accessed_pages()), columns_(past.columns()) {
  make_parts(past.block_pages());
  make_rows();
  place_rows();
  find_levels();
}

/// Cuts at every hole of `least_hole` pages, or, where that makes too many parts, at larger ones.
void map_layout::make_parts(std::uint64_t least_hole) {
  for (std::uint64_t hole = least_hole;; hole *= 2) {
    parts.clear();
    for (std::size_t i = 0; i < pages_.size(); ++i) {
      std::uint64_t const number = pages_[i]->number;
      std::uint64_t const before = i == 0 ? number : pages_[i - 1]->number;
      if (i == 0 || number - before > hole) parts.push_back({number, 0, i == 0 ? 0 : number - before - 1});
      ++parts.back().accessed;
    }
    if (parts.size() <= most_parts) return;
  }
}

void map_layout::make_rows() {
  pages_per_row = std::max<std::uint64_t>(1, (pages_.size() + plot_height - 1) / plot_height);
  std::size_t next = 0;  // page
  for (map_part& part : parts) {
    part.first_row = rows.size();
    for (std::uint64_t left = part.accessed; left != 0;) {
      std::uint64_t const count = std::min(left, pages_per_row);
      map_row row{pages_[next]->number, pages_[next + count - 1]->number, next, next + count};
      for (; next != row.end; ++next) row.accesses += pages_[next]->accesses;
      rows.push_back(row);
      left -= count;
    }
    part.end_row = rows.size();
  }
}

void map_layout::place_rows() {
  if (rows.empty()) return;
  int const usual = std::clamp(plot_height / static_cast<int>(rows.size()), 1, tallest_row);
  bool const roomy = parts.size() <= most_wide_gaps;
  for (std::size_t p = parts.size(); p-- > 0;) {
    map_part& part = parts[p];
    int const count = static_cast<int>(part.end_row - part.first_row);
    int const row_height = roomy ? std::max(usual, (least_part + count - 1) / count) : usual;
    part.top = height;
    for (std::size_t r = part.end_row; r-- > part.first_row; height += row_height) {
      rows[r].top = height;
      rows[r].height = row_height;
    }
    part.height = height - part.top;
    part.gap_below = p == 0 ? 0 : roomy ? wide_gap : narrow_gap;
    height += part.gap_below;
  }
}

/// Half of the cells have a few accesses, a sixth has many.
void map_layout::find_levels() {
  std::vector<std::uint32_t> counts;
  for (page_track const* const page : pages_)
    for (history_cell const& cell : page->cells)
      if (cell.accesses != 0) counts.push_back(cell.accesses);
  if (counts.empty()) return;
  auto const quantile = [&](std::size_t part, std::size_t of) {
    auto const at = counts.begin() + static_cast<std::ptrdiff_t>((counts.size() - 1) * part / of);
    std::nth_element(counts.begin(), at, counts.end());
    return *at;
  };
  some_ = quantile(1, 2);
  many_ = quantile(5, 6);
}

auto map_layout::add_up(map_row const& row, std::size_t merge) const -> std::vector<sum> {
  constexpr std::uint64_t whole = 255;
  std::vector<sum> columns((columns_ + merge - 1) / merge);
  for (std::size_t p = row.first; p != row.end; ++p) {
    place where = place::absent;
    std::size_t next = 0;
    auto const idle_until = [&](std::size_t end) {
      for (; next < end; ++next) {
        columns[next / merge].on_system += where == place::system ? whole : 0;
        columns[next / merge].on_device += where >= place::device ? whole : 0;
        columns[next / merge].on_prefetched += where == place::prefetched ? whole : 0;
      }
    };
    for (history_cell const& cell : pages_[p]->cells) {
      idle_until(cell.column);
      sum& s = columns[next++ / merge];
      s.on_system += cell.on_system;
      s.on_device += cell.on_device;
      s.on_prefetched += cell.on_prefetched;
      s.accesses += cell.accesses;
      where = cell.after;
    }
    idle_until(columns_);
  }
  return columns;
}

std::vector<cell_run> map_layout::runs(std::size_t row, std::size_t merge) const {
  std::vector<sum> const columns = add_up(rows[row], merge);
  std::uint64_t const pages = (rows[row].end - rows[row].first) * merge;
  constexpr std::size_t nothing = cell_classes;
  auto const idle_class = [](sum const& s) -> std::size_t {
    constexpr std::uint64_t clearly = 7;  // one place has seven times the share of the other
    if (s.on_system + s.on_device == 0) return s.accesses != 0 ? 0 : nothing;
    if (s.on_system >= clearly * s.on_device) return 0;
    if (s.on_device < clearly * s.on_system) return 8;
    return 2 * s.on_prefetched > s.on_device ? 12 : 4;
  };
  auto const level = [&](sum const& s) -> std::size_t {
    return s.accesses == 0 ? 0 : s.accesses <= some_ * pages ? 1 : s.accesses <= many_ * pages ? 2 : 3;
  };
  std::vector<cell_run> all;
  auto const add = [&](auto const& class_of) {
    for (std::size_t c = 0; c < columns.size();) {
      std::size_t const what = class_of(columns[c]);
      std::size_t end = c + 1;
      while (end < columns.size() && class_of(columns[end]) == what) ++end;
      if (what != nothing) all.push_back({c, end, what});
      c = end;
    }
  };
  add(idle_class);
  add([&](sum const& s) { return level(s) == 0 ? nothing : idle_class(s) + level(s); });
  return all;
}

std::vector<placed_mark> map_layout::marks(std::function<double(std::size_t)> const& x, int bin) const {
  std::vector<placed_mark> found;
  for (std::size_t k = 0; k < incident_kinds; ++k) {
    std::set<std::pair<int, int>> taken;
    for (map_row const& row : rows)
      for (std::size_t p = row.first; p != row.end; ++p)
        for (history_cell const& cell : pages_[p]->cells) {
          if ((cell.marks >> k & 1) == 0) continue;
          double const at = x(cell.column);
          int const y = row.top + row.height / 2;
          if (bin == 0 || taken.emplace(static_cast<int>(at) / bin, y / bin).second)
            found.push_back({static_cast<incident>(k), at, y});
        }
  }
  return found;
}

bool map_layout::shows_prefetched() const {
  return std::ranges::any_of(pages_, [](page_track const* page) { return page->came_along; });
}

std::vector<std::uint64_t> map_layout::pages_in_use(std::size_t columns) const {
  std::vector<std::uint64_t> counts(columns);
  for (page_track const* const page : pages_)
    for (history_cell const& cell : page->cells) counts[cell.column] += cell.accesses != 0 ? 1 : 0;
  return counts;
}

}  // namespace svmsh
