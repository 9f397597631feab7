// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fuzz::gpuvm {

/// A run of cells of the same mapping.
struct extent {
  std::size_t first = 0;
  std::size_t count = 0;
  int object = 0;            ///< 0: none
  std::uint64_t offset = 0;  ///< in bytes, modulo 2^64
  std::uint32_t flags = 0;
  [[nodiscard]] std::size_t end() const { return first + count; }
  friend bool operator==(extent const&, extent const&) = default;
};

/// What has to happen to one mapping, or the new one.
struct step {
  enum class kind : std::uint8_t { map, remap, unmap, prefetch };
  kind what;
  extent of;
  std::size_t prev = 0;  ///< cells that stay in front
  std::size_t next = 0;  ///< and behind
  bool keep = false;
};

/// A GPU VA space as an array of cells, each of which knows what is mapped there and by which request.
class model {
 public:
  model(std::size_t cells, std::uint64_t cell_size) : cells_(cells), cell_size_(cell_size) {}

  [[nodiscard]] std::size_t size() const { return cells_.size(); }
  [[nodiscard]] bool mapped(std::size_t at) const { return at < cells_.size() && cells_[at].piece != 0; }
  [[nodiscard]] bool any(std::size_t first, std::size_t count) const {
    for (std::size_t i = first; i < first + count; ++i)
      if (mapped(i)) return true;
    return false;
  }
  /// The mapping around a mapped cell.
  [[nodiscard]] extent around(std::size_t at) const {
    std::size_t first = at;
    std::size_t end = at + 1;
    while (first > 0 && cells_[first - 1].piece == cells_[at].piece) --first;
    while (end < cells_.size() && cells_[end].piece == cells_[at].piece) ++end;
    return {first, end - first, cells_[first].object, cells_[first].offset, cells_[first].flags};
  }
  /// The mappings that have a cell in [first, first + count), ascending.
  [[nodiscard]] std::vector<extent> in(std::size_t first, std::size_t count) const {
    std::vector<extent> found;
    for (std::size_t at = first; at < first + count;) {
      if (!mapped(at)) {
        ++at;
        continue;
      }
      found.push_back(around(at));
      at = found.back().end();
    }
    return found;
  }
  [[nodiscard]] std::vector<extent> all() const { return in(0, size()); }

  // What a request takes. None of these changes the model.

  [[nodiscard]] std::vector<step> map(extent const& e) const {
    std::vector<step> steps = vacate(e.first, e.count, &e);
    steps.push_back({step::kind::map, e});
    return steps;
  }
  [[nodiscard]] std::vector<step> unmap(std::size_t first, std::size_t count) const {
    return vacate(first, count, nullptr);
  }
  [[nodiscard]] std::vector<step> prefetch(std::size_t first, std::size_t count) const {
    std::vector<step> steps;
    for (extent const& e : in(first, count)) steps.push_back({step::kind::prefetch, e});
    return steps;
  }
  /// Of mappings without an object only: the part inside becomes a mapping of its own.
  [[nodiscard]] std::vector<step> split(std::size_t first, std::size_t count) const {
    std::vector<step> steps;
    for (extent const& e : in(first, count)) {
      step const s = cut(e, first, count, nullptr);
      if (e.object != 0 || s.prev + s.next == 0) continue;
      steps.push_back(s);
      steps.push_back({step::kind::map, {e.first + s.prev, e.count - s.prev - s.next, 0, 0, e.flags}});
    }
    return steps;
  }
  [[nodiscard]] std::vector<step> object_unmap(int object) const {
    std::vector<step> steps;
    for (extent const& e : all())
      if (e.object == object) steps.push_back({step::kind::unmap, e});
    return steps;
  }

  void take(step const& s) {
    if (s.what == step::kind::prefetch) return;
    if (s.what == step::kind::map) {
      fill(s.of, ++last_piece_);
      return;
    }
    for (std::size_t i = s.of.first + s.prev; i < s.of.end() - s.next; ++i) cells_[i] = {};
    ++last_piece_;
    for (std::size_t i = s.of.end() - s.next; i < s.of.end(); ++i) cells_[i].piece = last_piece_;
  }

 private:
  struct cell {
    std::uint32_t piece = 0;  ///< 0: not mapped; the cells of a mapping have the same
    int object = 0;
    std::uint64_t offset = 0;
    std::uint32_t flags = 0;
  };

  [[nodiscard]] step cut(extent const& e, std::size_t first, std::size_t count, extent const* by) const {
    step s{step::kind::unmap, e};
    std::size_t inside = 0;
    for (std::size_t i = e.first; i < e.end(); ++i) {
      s.prev += i < first;
      s.next += i >= first + count;
      if (i >= first && i < first + count) inside = i;
    }
    if (s.prev + s.next != 0) s.what = step::kind::remap;
    s.keep = by != nullptr && by->object != 0 && by->object == e.object &&
             by->offset + (inside - by->first) * cell_size_ == cells_[inside].offset;
    return s;
  }
  [[nodiscard]] std::vector<step> vacate(std::size_t first, std::size_t count, extent const* by) const {
    std::vector<step> steps;
    for (extent const& e : in(first, count)) steps.push_back(cut(e, first, count, by));
    return steps;
  }
  void fill(extent const& e, std::uint32_t piece) {
    for (std::size_t i = 0; i < e.count; ++i)
      cells_[e.first + i] = {piece, e.object, e.offset + i * cell_size_, e.flags};
  }

  std::vector<cell> cells_;
  std::uint64_t cell_size_;
  std::uint32_t last_piece_ = 0;
};

}  // namespace fuzz::gpuvm
