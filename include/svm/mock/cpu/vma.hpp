// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <svm/base/interval.hpp>
#include <svm/mock/cpu/backing.hpp>
#include <svm/mock/cpu/holes.hpp>
#include <svm/mock/machine/number_map.hpp>

namespace svm::inline v0::mock {

/// What a process may do with a mapping.
enum class protection : std::uint8_t { none, read, read_write };
/// What stands behind a mapping.
enum class mapping_kind : std::uint8_t {
  anon,
  file,  ///< private
  shared,
  hugetlb,  ///< private
  io,       ///< a device's registers: page tables name them, and they have no page frames
};

/// The protection in a word, as svmsh has it.
[[nodiscard]] constexpr std::string_view name(protection p) {
  return p == protection::none ? "none" : p == protection::read ? "r" : "rw";
}
[[nodiscard]] constexpr std::string_view name(mapping_kind k) {
  switch (k) {
    case mapping_kind::anon:
      return "anon";
    case mapping_kind::file:
      return "file";
    case mapping_kind::shared:
      return "shared";
    case mapping_kind::hugetlb:
      return "hugetlb";
    case mapping_kind::io:
      return "io";
  }
  return "?";
}

/// A VMA: neighbours with the same attributes are one. Offsets in an object are in bytes.
struct vma {
  va_range extent;
  protection allowed;
  mapping_kind kind;
  backing_ref object;        ///< null for anonymous memory
  std::uint64_t offset = 0;  ///< of its start in the object

  [[nodiscard]] bool readable() const { return allowed != protection::none; }
  [[nodiscard]] bool writable() const { return allowed == protection::read_write; }
  [[nodiscard]] bool is_migratable() const { return kind == mapping_kind::anon; }
  /// True for what may end, or have holes.
  [[nodiscard]] bool shows_a_file() const { return kind == mapping_kind::file || kind == mapping_kind::shared; }
  /// True when a fork gives each process its own memory, by and by.
  [[nodiscard]] bool is_private() const { return kind != mapping_kind::shared && kind != mapping_kind::io; }
  [[nodiscard]] std::uint64_t offset_of(cpu_va a) const { return offset + (a - extent.start()).value; }
  /// The part of it in a span that meets it.
  [[nodiscard]] vma piece(va_range span) const {
    vma part = *this;
    part.extent = extent.intersection(span);
    part.offset = offset_of(part.extent.start());
    return part;
  }
  /// True when it and `next`, which begins at its end, are one: two mmaps join only where they are anonymous.
  [[nodiscard]] bool joins(vma const& next) const {
    if (allowed != next.allowed || kind != next.kind || object.get() != next.object.get()) return false;
    return !object || offset + extent.size().value == next.offset;
  }
};

/// The VMAs of an address space, ascending; any span can be cut out, put in, and changed.
///
/// Invariants: 1. VMAs are disjoint and ascending. 2. no two neighbours that touch would join. 3. where no VMA is there
/// are holes. 4. the start of each VMA with an object stands beside it in `views_`.
class vma_table {
 public:
  using map_type = number_map<vma>;

  [[nodiscard]] map_type const& all() const { return map_; }

  [[nodiscard]] vma const* find(cpu_va a) const {
    auto const next = map_.upper_bound(a.value);
    if (next == map_.begin()) return nullptr;
    vma const& before = map_.before(next)->second;
    return before.extent.contains(a) ? &before : nullptr;
  }
  /// The first VMA that meets `span`.
  [[nodiscard]] vma const* first_overlap(va_range span) const {
    if (vma const* const at = find(span.start())) return at;
    auto const next = map_.lower_bound(span.start().value);
    return next != map_.end() && next->second.extent.overlaps(span) ? &next->second : nullptr;
  }

  /// Where an mmap of `size` bytes goes that names no place; see `holes::lowest`.
  [[nodiscard]] std::optional<cpu_va> find_room(byte_count size) const { return holes_.lowest(size); }
  /// Calls `visit(vma const&)` for each VMA of an object, ascending.
  template <class Visit>
  void for_each_view(backing const& object, Visit&& visit) const {
    auto const views = views_.find(object.number);
    if (views == views_.end()) return;
    for (auto const& view : views->second) visit(map_.find(view.first)->second);
  }

  /// Puts a VMA where nothing is, and joins it with its neighbours.
  [[gnu::noinline]] void insert(vma v) {
    holes_.fill(v.extent);
    auto const at = add(std::move(v));
    join(at);
    if (at != map_.begin()) join(map_.before(at));
  }

  /// Cuts `span` out and calls `visit(vma const&)` with each piece that was there, ascending.
  template <class Visit>
  void remove(va_range span, Visit&& visit) {
    split(span);
    for (auto at = map_.lower_bound(span.start().value);
         at != map_.end() && span.contains(at->second.extent.start());) {
      visit(at->second);
      holes_.clear(at->second.extent);
      at = drop(at);
    }
  }

  /// Gives every VMA in `span` another protection.
  void protect(va_range span, protection allowed) {
    split(span);
    for (auto at = map_.lower_bound(span.start().value); at != map_.end() && span.contains(at->second.extent.start());
         ++at)
      at->second.allowed = allowed;
    auto at = map_.upper_bound(span.start().value);
    for (int before = 0; before < 2 && at != map_.begin(); ++before) at = map_.before(at);
    while (at != map_.end() && at->second.extent.start() <= span.last())
      if (!join(at)) ++at;
  }

 private:
  /// Makes the ends of `span` fall between VMAs.
  [[gnu::cold]] void split(va_range span) {
    split_at(span.start());
    if (!span.reaches_top()) split_at(span.last() + byte_count{1});
  }
  [[gnu::cold]] void split_at(cpu_va a) {
    auto const next = map_.upper_bound(a.value);
    if (next == map_.begin()) return;
    vma& before = map_.before(next)->second;
    if (before.extent.start() == a || !before.extent.contains(a)) return;
    vma tail = before.piece(*va_range::from_bounds(a, before.extent.last()));
    before.extent = {before.extent.start(), a - before.extent.start()};
    add(std::move(tail));
  }
  /// Joins a VMA with the next one; false when they are two.
  [[gnu::cold]] bool join(map_type::iterator at) {
    auto next = at;
    ++next;
    if (next == map_.end() || at->second.extent.reaches_top()) return false;
    if (at->second.extent.last() + byte_count{1} != next->second.extent.start()) return false;
    if (!at->second.joins(next->second)) return false;
    at->second.extent = at->second.extent.hull(next->second.extent);
    drop(next);
    return true;
  }

  [[gnu::cold]] map_type::iterator add(vma v) {
    std::uint64_t const start = v.extent.start().value;
    if (v.object) views_[v.object->number].emplace(start);
    return map_.emplace(start, std::move(v)).first;
  }
  [[gnu::cold]] map_type::iterator drop(map_type::iterator at) {
    if (backing const* const object = at->second.object.get()) {
      auto const views = views_.find(object->number);
      views->second.erase(at->first);
      if (views->second.empty()) views_.erase(views);
    }
    return map_.erase(at);
  }

  map_type map_;
  holes holes_;
  number_map<number_set> views_;  // by the number of the object
};

}  // namespace svm::inline v0::mock
