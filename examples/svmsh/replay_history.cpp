// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_history.hpp"

#include <algorithm>

namespace svmsh {

namespace {

constexpr unsigned whole = 255;

unsigned share_of(place where, place of) {
  return where == of || (where == place::prefetched && of == place::device) ? whole : 0;
}

/// The cell of two neighbouring columns, either of which may have none: the page was then where it was `before`.
history_cell join(std::uint16_t column, history_cell const* first, history_cell const* second, place before) {
  place const between = first != nullptr ? first->after : before;
  auto const share = [&](std::uint8_t history_cell::*on, place of) {
    unsigned const a = first != nullptr ? first->*on : share_of(before, of);
    unsigned const b = second != nullptr ? second->*on : share_of(between, of);
    return static_cast<std::uint8_t>((a + b + 1) / 2);
  };
  history_cell both{column, share(&history_cell::on_system, place::system),
                    share(&history_cell::on_device, place::device),
                    share(&history_cell::on_prefetched, place::prefetched)};
  both.after = second != nullptr ? second->after : between;
  for (history_cell const* const part : {first, second}) {
    if (part == nullptr) continue;
    both.marks = static_cast<std::uint8_t>(both.marks | part->marks);
    both.accesses += std::min(part->accesses, UINT32_MAX - both.accesses);
  }
  return both;
}

void halve_cells(std::vector<history_cell>& cells) {
  place before = place::absent;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cells.size(); ++kept) {
    std::uint16_t const column = cells[i].column / 2;
    history_cell const* const first = cells[i].column % 2 == 0 ? &cells[i++] : nullptr;
    history_cell const* const second = i < cells.size() && cells[i].column == 2 * column + 1 ? &cells[i++] : nullptr;
    history_cell const both = join(column, first, second, before);
    before = both.after;
    cells[kept] = both;
  }
  cells.resize(kept);
}

}  // namespace

void history::add_block(std::uint64_t first_page) {
  std::vector<page_track>& block = blocks_[first_page / block_pages()];
  if (!block.empty()) return;
  block.resize(block_pages());
  for (std::uint64_t number = first_page; page_track & page : block) {
    page.number = number++;
    page.since = now_;
  }
}

page_track* history::find(std::uint64_t page) {
  auto const block = blocks_.find(page / block_pages());
  return block == blocks_.end() ? nullptr : &block->second[page % block_pages()];
}

page_track* history::find_accessed(std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t page = first; page <= last; ++page)
    if (page_track* const track = find(page); track != nullptr && track->accesses != 0) return track;
  return nullptr;
}

void history::account(page_track& page) const {
  std::uint64_t const time = now_ - std::max(page.since, column_start_);
  if (page.now == place::system) page.on_system += time;
  if (page.now == place::device || page.now == place::prefetched) page.on_device += time;
  if (page.now == place::prefetched) page.on_prefetched += time;
  page.since = now_;
}

void history::place_at(page_track& page, place where) {
  if (page.now == where) return;
  activate(page);
  account(page);
  page.now = where;
  page.came_along = page.came_along || where == place::prefetched;
}

void history::mark(incident what, std::uint64_t count, page_track* page) {
  if (count == 0) return;
  incidents_[static_cast<std::size_t>(what)][column_] += count;
  if (page == nullptr) return;
  activate(*page);
  page->marks = static_cast<std::uint8_t>(page->marks | 1u << static_cast<unsigned>(what));
}

void history::end_column() {
  std::uint64_t const time = std::max<std::uint64_t>(now_ - column_start_, 1);
  auto const share = [time](std::uint64_t part) { return static_cast<std::uint8_t>(part * whole / time); };
  for (page_track* const page : active_) {
    account(*page);
    page->cells.push_back({static_cast<std::uint16_t>(column_), share(page->on_system), share(page->on_device),
                           share(page->on_prefetched), page->now, page->marks, page->recent});
    page->on_system = page->on_device = page->on_prefetched = 0;
    page->recent = 0;
    page->marks = 0;
    page->active = false;
  }
  active_.clear();
  column_start_ = now_;
  if (++column_ == most_columns) halve();
}

void history::halve() {
  for (auto& [number, block] : blocks_)
    for (page_track& page : block) halve_cells(page.cells);
  for (std::vector<std::uint64_t>& counts : incidents_) {
    for (std::size_t i = 0; i < most_columns / 2; ++i) counts[i] = counts[2 * i] + counts[2 * i + 1];
    std::fill(counts.begin() + most_columns / 2, counts.end(), 0);
  }
  width_ *= 2;
  column_ = most_columns / 2;
}

void history::finish(std::uint64_t accesses) {
  set_time(accesses);
  if (now_ != column_start_ || !active_.empty()) end_column();
}

std::vector<page_track const*> history::accessed_pages() const {
  std::vector<page_track const*> pages;
  for (auto const& [number, block] : blocks_)
    for (page_track const& page : block)
      if (is_drawn(page)) pages.push_back(&page);
  return pages;
}

}  // namespace svmsh
