// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "svg_map.hpp"

#include "svg_layout.hpp"
#include "svg_writer.hpp"
#include "words.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace svmsh {

namespace {

constexpr int page_width = 1200;
constexpr int left = 132, right = 1092;  // of the plot
constexpr int plot_top = 124;
constexpr int lane_height = 26, lane_gap = 8;

constexpr char style[] = R"(
text{font-family:system-ui,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px;fill:#33373d}
.t{font-size:20px;font-weight:600;fill:#15181c}.q{fill:#6a7078}.n{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:11px}
.r{text-anchor:end}.c{text-anchor:middle}
.bg{fill:#fff}.paper{fill:#eef0f2}.grid{stroke:#15181c;stroke-opacity:.09;fill:none}.fold{stroke:#8b9199;stroke-dasharray:2 4;fill:none}
.lane{stroke:#5b626b}.hit,.hits path{fill:#000;fill-opacity:0}.hit:hover,.hits path:hover{fill-opacity:.1}
.c0{stroke:#cfe1f5;fill:#cfe1f5}.c1{stroke:#9cc3ec;fill:#9cc3ec}.c2{stroke:#4a8fd6;fill:#4a8fd6}.c3{stroke:#14509a;fill:#14509a}
.c4{stroke:#fce3c3;fill:#fce3c3}.c5{stroke:#f7bd72;fill:#f7bd72}.c6{stroke:#e5831a;fill:#e5831a}.c7{stroke:#9c4a00;fill:#9c4a00}
.c8{stroke:#e7d7f0;fill:#e7d7f0}.c9{stroke:#c6a2dc;fill:#c6a2dc}.c10{stroke:#945cbb;fill:#945cbb}.c11{stroke:#5a2486;fill:#5a2486}
.cells path{shape-rendering:crispEdges}.idle path{stroke:none}.busy path{fill:none}
.marks polyline,.lane{fill:none}
.m0,.m2{fill:#fff;stroke:#15181c;stroke-width:1.3}.m1{fill:#c05c00}.m3{fill:#0d4fa8}.m4{fill:none;stroke:#d0103a;stroke-width:2.2}
@media (prefers-color-scheme:dark){
text{fill:#c6ccd4}.t{fill:#f2f4f7}.q{fill:#8d949e}.bg{fill:#14171b}.paper{fill:#1d2127}.grid{stroke:#fff}.fold{stroke:#6d7580}
.lane{stroke:#a4acb7}.hit,.hits path{fill:#fff}
.c0{stroke:#203751;fill:#203751}.c1{stroke:#2f6096;fill:#2f6096}.c2{stroke:#5aa0e6;fill:#5aa0e6}.c3{stroke:#c3e1ff;fill:#c3e1ff}
.c4{stroke:#4a3315;fill:#4a3315}.c5{stroke:#96601a;fill:#96601a}.c6{stroke:#ec9c3a;fill:#ec9c3a}.c7{stroke:#ffe0b0;fill:#ffe0b0}
.c8{stroke:#3b2b49;fill:#3b2b49}.c9{stroke:#74499a;fill:#74499a}.c10{stroke:#b183d4;fill:#b183d4}.c11{stroke:#ead3fa;fill:#ead3fa}
.m0,.m2{fill:#14171b;stroke:#f2f4f7}.m1{fill:#ffb45e}.m3{fill:#7dbcff}.m4{stroke:#ff5c7f}}
)";

/// What a map with prefetched pages needs besides.
constexpr char prefetched_style[] = R"(
.c12{stroke:#d3ecd9;fill:#d3ecd9}.c13{stroke:#9fd3ad;fill:#9fd3ad}.c14{stroke:#4fa568;fill:#4fa568}.c15{stroke:#1b6b35;fill:#1b6b35}
@media (prefers-color-scheme:dark){
.c12{stroke:#1e3b28;fill:#1e3b28}.c13{stroke:#356e49;fill:#356e49}.c14{stroke:#63bd80;fill:#63bd80}.c15{stroke:#c9f2d5;fill:#c9f2d5}}
)";

/// The shapes of the marks, around the origin; a fault's is large enough to hold a migration's.
constexpr char shapes[] =
    "<defs><circle id=\"m0\" class=\"m0\" r=\"5\"/><path id=\"m1\" class=\"m1\" d=\"M0-3.2 3 2.2H-3z\"/>"
    "<rect id=\"m2\" class=\"m2\" x=\"-4.6\" y=\"-4.6\" width=\"9.2\" height=\"9.2\"/>"
    "<path id=\"m3\" class=\"m3\" d=\"M0 3.2 3-2.2H-3z\"/>"
    "<path id=\"m4\" class=\"m4\" d=\"M-4-4 4 4M4-4-4 4\"/></defs>\n";

constexpr std::array<std::string_view, incident_kinds> incident_names = {"GPU faults", "moved to device", "CPU faults",
                                                                         "moved to system", "evictions"};

std::string_view report_value(map_caption const& caption, std::string_view name) {
  for (report_line const& line : caption.report)
    if (line.name == name) return line.value;
  return "0";
}

/// The horizontal axis: a position in accesses.
struct time_axis {
  std::uint64_t accesses, width;

  [[nodiscard]] double x(double time) const {
    return left + (right - left) * time / static_cast<double>(std::max<std::uint64_t>(accesses, 1));
  }
  [[nodiscard]] double column(std::size_t c) const {
    return x(std::min(static_cast<double>(c) * static_cast<double>(width), static_cast<double>(accesses)));
  }
};

std::string title_of(map_caption const& caption) {
  std::string_view const whose = !caption.title.empty() ? caption.title
                                 : caption.trace == "-" ? "a program"
                                                        : caption.trace.substr(caption.trace.rfind('/') + 1);
  return "Where " + std::string(whose) + " had its memory";
}

void draw_head(svg_writer& out, map_caption const& caption, map_layout const& layout) {
  std::string subtitle = with_commas(report_value(caption, "accesses")) + " accesses (" +
                         with_commas(report_value(caption, "loads")) + " loads, " +
                         with_commas(report_value(caption, "stores")) + " stores) to " +
                         with_commas(report_value(caption, "distinct pages")) + " pages of " +
                         bytes_text(layout.page_bytes) + "; " + bytes_text(report_value(caption, "bytes_to_vram")) +
                         " moved to device memory, " + bytes_text(report_value(caption, "bytes_to_ram")) + " back";
  out.text(24, 36, "t", title_of(caption));
  out.text(24, 58, "", subtitle);
  if (!caption.settings.empty()) out.text(page_width - 24, 36, "q r n", caption.settings);
  out.text(24, plot_top - 8, "q",
           "addresses go up; faint is idle, strong is busy; what was never accessed is folded away");
  out.text(
      right, plot_top - 8, "q r",
      layout.pages_per_row == 1 ? "a row is a page" : "a row is " + std::to_string(layout.pages_per_row) + " pages");
}

void draw_legend(svg_writer& out, bool with_prefetched) {
  constexpr int y = 86, second_row = 103;
  int x = 24;
  if (with_prefetched) {
    for (int level = 0; level < 4; ++level)
      out.rect(x + level * 14, second_row - 10, 14, 12, "c" + std::to_string(12 + level));
    out.text(x + 62, second_row, "", "device memory, prefetched");
  }
  constexpr std::array<std::string_view, 3> places = {"system memory", "device memory", "both in turns"};
  for (int p = 0; p < 3; ++p) {
    for (int level = 0; level < 4; ++level)
      out.rect(x + level * 14, y - 10, 14, 12, "c" + std::to_string(4 * p + level));
    out.text(x + 62, y, "", places[static_cast<std::size_t>(p)]);
    x += 62 + 108;
  }
  out.rect(x, y - 10, 14, 12, "paper");
  out.text(x + 20, y, "", "not present");
  constexpr std::array<std::string_view, incident_kinds> names = {"GPU fault", "to device", "CPU fault", "to system",
                                                                  "eviction"};
  constexpr std::array<int, incident_kinds> widths = {76, 76, 76, 80, 60};
  x += 116;
  for (std::size_t k = 0; k < incident_kinds; ++k) {
    out.use("m" + std::to_string(k), x, y - 4);
    out.text(x + 9, y, "", names[k]);
    x += widths[k] + 12;
  }
}

/// Folds between the parts of the address space, their names, and the paper that they are drawn on.
void draw_frame(svg_writer& out, map_layout const& layout) {
  int last_label = INT32_MAX;
  for (std::size_t i = layout.parts.size(); i-- > 0;) {
    map_part const& part = layout.parts[i];
    int const top = plot_top + part.top;
    out.rect(left, top, right - left, part.height, "paper");
    int const bottom = top + part.height;
    // From the highest address downwards a label needs room of its own.
    int const baseline = std::max(bottom, plot_top + 10);
    if (last_label == INT32_MAX || baseline >= last_label + 13) {
      out.text(left - 8, baseline, "r n", hex(part.first_page * layout.page_bytes));
      last_label = baseline;
    }
    if (part.height >= 30) out.text(right + 8, top + part.height / 2 + 4, "q", pages_text(part.accessed));
    if (i != 0 && part.gap_below >= 8) {
      out.line(left, bottom + part.gap_below / 2, right, bottom + part.gap_below / 2, "fold");
      out.text(right + 8, bottom + part.gap_below / 2 + 4, "q", bytes_text(part.hole_below * layout.page_bytes));
    }
  }
}

/// What is idle, in rectangles over the rows that are alike; neighbours often move together.
std::array<std::string, cell_classes> idle_paths(map_layout const& layout, map_part const& part, std::size_t merge) {
  struct area {
    cell_run run;
    int top, bottom;
  };
  std::array<std::string, cell_classes> paths;
  auto const finish = [&paths](area const& a) {
    std::string const width = std::to_string(a.run.end - a.run.first);
    paths[a.run.what] += "M" + std::to_string(a.run.first) + " " + std::to_string(a.top) + "h" + width + "v" +
                         std::to_string(a.bottom - a.top) + "h-" + width;
  };
  std::vector<area> open;
  for (std::size_t r = part.first_row; r != part.end_row; ++r) {
    map_row const& row = layout.rows[r];
    std::vector<area> still_open;
    for (cell_run const& run : layout.runs(r, merge)) {
      if (!is_idle(run)) continue;
      auto const same = std::find_if(open.begin(), open.end(),
                                     [&](area const& a) { return a.run == run && a.top == row.top + row.height; });
      still_open.push_back({run, row.top, same == open.end() ? row.top + row.height : same->bottom});
      if (same != open.end()) open.erase(same);
    }
    for (area const& a : open) finish(a);
    open = std::move(still_open);
  }
  for (area const& a : open) finish(a);
  return paths;
}

/// What is busy, in a line along each row, whose upper end it is.
std::array<std::string, cell_classes> busy_paths(map_layout const& layout, map_part const& part, std::size_t merge) {
  std::array<std::string, cell_classes> paths;
  for (std::size_t r = part.first_row; r != part.end_row; ++r) {
    map_row const& row = layout.rows[r];
    std::array<std::size_t, cell_classes> pen{};  // where each path ends in this row
    for (cell_run const& run : layout.runs(r, merge)) {
      if (is_idle(run)) continue;
      std::string& d = paths[run.what];
      d += pen[run.what] == 0 ? "M" + std::to_string(run.first) + " " + std::to_string(row.top) + "h"
                              : "m" + std::to_string(run.first - pen[run.what]) + " 0h";
      d += std::to_string(run.end - run.first);
      pen[run.what] = run.end;
    }
  }
  return paths;
}

void draw_cells(svg_writer& out, map_layout const& layout, time_axis const& time, std::size_t merge) {
  double const unit = time.x(static_cast<double>(time.width * merge)) - left;
  out.raw("<g class=\"cells\" clip-path=\"url(#plot)\"><g transform=\"translate(" + std::to_string(left) + " " +
          std::to_string(plot_top) + ") scale(" + precise_text(unit) + " 1)\">\n");
  auto const draw_paths = [&out](std::string const& attributes, std::array<std::string, cell_classes> const& paths) {
    out.raw("<g " + attributes + ">\n");
    for (std::size_t c = 0; c < cell_classes; ++c)
      if (!paths[c].empty()) out.raw("<path class=\"c" + std::to_string(c) + "\" d=\"" + paths[c] + "\"/>\n");
    out.raw("</g>\n");
  };
  for (map_part const& part : layout.parts) {
    int const height = layout.rows[part.first_row].height;
    draw_paths("class=\"idle\"", idle_paths(layout, part, merge));
    draw_paths("class=\"busy\" stroke-width=\"" + std::to_string(height) + "\" transform=\"translate(0 " +
                   number_text(height / 2.0) + ")\"",
               busy_paths(layout, part, merge));
  }
  out.raw("</g></g>\n");
}

/// All marks, or, where they are many, smaller ones that stand for those around them.
void draw_marks(svg_writer& out, map_layout const& layout, time_axis const& time) {
  constexpr std::size_t most_marks = 240, most_small_marks = 700;
  constexpr int small_bin = 12;
  auto const x = [&](std::size_t column) { return (time.column(column) + time.column(column + 1)) / 2; };
  std::vector<placed_mark> marks = layout.marks(x, 0);
  double scale = 1;
  int bin = 0;
  if (marks.size() > most_marks) {
    scale = 0.6;
    for (bin = small_bin; (marks = layout.marks(x, bin)).size() > most_small_marks;) bin += small_bin / 2;
  }
  // A mark is what a marker draws at a point of a line that is not seen: that takes a few bytes.
  out.raw("<g class=\"marks\">\n");
  for (std::size_t k = 0; k < incident_kinds; ++k) {
    std::string points;
    for (placed_mark const& m : marks)
      if (m.what == static_cast<incident>(k)) points += " " + number_text(m.x) + "," + std::to_string(plot_top + m.y);
    if (points.empty()) continue;
    std::string const name = std::to_string(k);
    out.raw("<marker id=\"k" + name + "\" markerUnits=\"userSpaceOnUse\" overflow=\"visible\"><use href=\"#m" + name +
            "\" transform=\"scale(" + number_text(scale) + ")\"/></marker>\n<polyline marker-start=\"url(#k" + name +
            ")\" marker-mid=\"url(#k" + name + ")\" marker-end=\"url(#k" + name + ")\" points=\"" + points.substr(1) +
            "\"/>\n");
  }
  out.raw("</g>\n");
  if (bin != 0)
    out.text(right, plot_top + layout.height + 13, "q r",
             "many marks: at most one of a kind in a square of " + std::to_string(bin) + " pixels is drawn");
}

void draw_time(svg_writer& out, time_axis const& time, int bottom, int lanes_bottom) {
  double const step = nice_step(static_cast<double>(time.accesses) / 8);
  for (double t = 0; t <= static_cast<double>(time.accesses); t += step) {
    out.line(time.x(t), plot_top, time.x(t), bottom, "grid");
    out.line(time.x(t), bottom + 10, time.x(t), lanes_bottom, "grid");
    out.text(time.x(t), lanes_bottom + 16, "c n", count_text(t));
  }
  out.text((left + right) / 2, lanes_bottom + 36, "q c",
           "time, in data accesses of the trace; a column is " + with_commas(std::to_string(time.width)) +
               (time.width == 1 ? " access" : " accesses"));
}

void draw_lane(svg_writer& out, time_axis const& time, int top, std::string_view name, std::string const& total,
               std::vector<std::uint64_t> const& values, std::string const& title) {
  std::uint64_t const most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  int const bottom = top + lane_height;
  out.text(left - 8, bottom - 8, "r", name);
  out.text(right + 8, bottom - 8, "n", total);
  out.line(left, bottom + .5, right, bottom + .5, "grid");
  std::string d;
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (values[c] == 0) continue;
    double const height =
        std::max(2.0, lane_height * std::sqrt(static_cast<double>(values[c]) / static_cast<double>(most)));
    d += "M" + std::to_string(c) + " 0v-" + number_text(std::round(height * 10) / 10);
  }
  // A unit is a column, so that numbers are short.
  double const unit = time.column(1) - time.column(0);
  if (!d.empty())
    out.raw("<path class=\"lane\" transform=\"translate(" + number_text(left + unit / 2) + " " +
            std::to_string(bottom) + ")scale(" + precise_text(unit) + " 1)\" d=\"" + d + "\"/>\n");
  out.hit(left, top, right - left, lane_height, title);
}

int draw_lanes(svg_writer& out, history const& past, map_layout const& layout, time_axis const& time, int top) {
  std::vector<std::uint64_t> const in_use = layout.pages_in_use(past.columns());
  std::uint64_t const peak = in_use.empty() ? 0 : *std::max_element(in_use.begin(), in_use.end());
  draw_lane(out, time, top, "pages in use", "max " + with_commas(std::to_string(peak)), in_use,
            "pages accessed in a column; at most " + std::to_string(peak));
  for (std::size_t k = 0; k < incident_kinds; ++k) {
    top += lane_height + lane_gap;
    std::vector<std::uint64_t> values = past.incidents(static_cast<incident>(k));
    values.resize(past.columns());
    std::uint64_t total = 0, most = 0;
    for (std::uint64_t const v : values) total += v, most = std::max(most, v);
    draw_lane(out, time, top, incident_names[k], with_commas(std::to_string(total)), values,
              std::string(incident_names[k]) + ": " + std::to_string(total) + "; at most " + std::to_string(most) +
                  " in a column");
  }
  return top + lane_height;
}

/// What the pointer is told of rows; together they are high enough to be met.
void draw_titles(svg_writer& out, map_layout const& layout) {
  constexpr int least_height = 4;
  std::string const width = std::to_string(right - left);
  out.raw("<g class=\"hits\" transform=\"translate(" + std::to_string(left) + " " + std::to_string(plot_top) +
          ")\">\n");
  for (map_part const& part : layout.parts) {
    for (std::size_t r = part.first_row; r != part.end_row;) {
      map_row const& lowest = layout.rows[r];
      std::uint64_t accesses = 0;
      std::size_t end = r;
      int top = lowest.top;
      do {
        top = layout.rows[end].top;
        accesses += layout.rows[end++].accesses;
      } while (end != part.end_row && lowest.top + lowest.height - top < least_height);
      std::string const first = hex(lowest.first_page * layout.page_bytes);
      std::string const last = hex(layout.rows[end - 1].last_page * layout.page_bytes);
      out.raw("<path d=\"M0 " + std::to_string(top) + "H" + width + "v" +
              std::to_string(lowest.top + lowest.height - top) + "H0\"><title>" + first +
              (first == last ? "" : " to " + last) + ": " + with_commas(std::to_string(accesses)) +
              " accesses</title></path>\n");
      r = end;
    }
  }
  out.raw("</g>\n");
}

std::string draw(history const& past, map_caption const& caption, map_layout const& layout, std::size_t merge) {
  time_axis const time{past.accesses(), past.column_width()};
  int const bottom = plot_top + layout.height;
  int const lanes_top = bottom + 22;
  int const lanes_bottom = lanes_top + static_cast<int>(incident_kinds + 1) * (lane_height + lane_gap) - lane_gap;
  int const height = lanes_bottom + 52;
  svg_writer out;
  out.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + std::to_string(page_width) + " " +
          std::to_string(height) + "\" width=\"" + std::to_string(page_width) + "\" height=\"" +
          std::to_string(height) + "\" role=\"img\">\n");
  out.raw("<title>" + xml_text(title_of(caption)) + "</title>\n<style>" + std::string(style) +
          (layout.shows_prefetched() ? prefetched_style : "") + "</style>\n");
  out.raw(shapes);
  out.raw("<clipPath id=\"plot\"><rect x=\"" + std::to_string(left) + "\" y=\"" + std::to_string(plot_top) +
          "\" width=\"" + std::to_string(right - left) + "\" height=\"" + std::to_string(layout.height) +
          "\"/></clipPath>\n");
  out.rect(0, 0, page_width, height, "bg");
  draw_head(out, caption, layout);
  draw_legend(out, layout.shows_prefetched());
  draw_frame(out, layout);
  draw_cells(out, layout, time, merge);
  draw_time(out, time, bottom, lanes_bottom);
  draw_titles(out, layout);
  draw_marks(out, layout, time);
  draw_lanes(out, past, layout, time, lanes_top);
  out.raw("</svg>\n");
  return out.take();
}

}  // namespace

std::string draw_svg(history const& past, map_caption const& caption) {
  map_layout const layout(past);
  for (std::size_t merge = 1;; merge *= 2) {
    std::string text = draw(past, caption, layout, merge);
    if (text.size() <= largest_map || merge > history::most_columns) return text;
  }
}

}  // namespace svmsh
