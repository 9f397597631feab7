// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/index/chunk_layout.hpp>
#include <svm/index/chunk_node.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::detail {

/// The order of the entries below a root: what is next to an address, walks, and whether all is sound.
///
/// \pre for every function: the user's lock is held
template <class Traits, class Sharing>
class chunk_order {
  using table = chunk_table<Sharing>;
  using bucket = chunk_bucket<Sharing>;
  using entry = typename Traits::entry;
  using root = chunk_root<Sharing>;
  using root_all = decltype(root::all);
  using table_all = decltype(table::all);

 public:
  chunk_order(root const& from, chunk_layout const& layout) : root_(from), layout_(layout) {}

  [[nodiscard]] static std::uint64_t start_of(entry const& e) { return Traits::interval_of(e).start().value; }
  [[nodiscard]] static std::uint64_t last_of(entry const& e) { return Traits::interval_of(e).last().value; }

  /// The lowest entry of a slot, and the highest; null of an empty one.
  [[nodiscard]] static entry* lowest(chunk_slot s) {
    while (s.is_table()) s = s.template table<table>().all.at(lowest_bit(s.template table<table>().used));
    return (s.is_bucket() ? s.template bucket<bucket>().at(0) : s).template entry<entry>();
  }
  [[nodiscard]] static entry* highest(chunk_slot s) {
    while (s.is_table()) s = s.template table<table>().all.at(highest_bit(s.template table<table>().used));
    if (!s.is_bucket()) return s.template entry<entry>();
    bucket const& b = s.template bucket<bucket>();
    return b.at(b.count() - 1).template entry<entry>();
  }

  /// The lowest entry that ends at `a` or above, or null.
  [[nodiscard]] entry* at_or_above(std::uint64_t a) const {
    std::uint64_t const reach = layout_.reach();
    if (a < root_.base) a = root_.base;
    if (a - root_.base > reach) return nullptr;
    unsigned at = root_all::number(a, layout_.root_shift());
    std::uint32_t rest = above(root_.used, at);
    chunk_slot behind =
        rest == 0 ? chunk_slot{} : root_.all.at(lowest_bit(rest));  // the next above what is looked into
    chunk_slot s = root_.all.at(at);
    while (s.is_table()) {
      table const& t = s.template table<table>();
      if (a < t.base) return lowest(s);
      if (a - t.base > t.reach) return lowest(behind);
      at = table_all::number(a, s.shift());
      rest = above(t.used, at);
      if (rest != 0) behind = t.all.at(lowest_bit(rest));
      s = t.all.at(at);
    }
    if (s.is_bucket()) {
      bucket const& b = s.template bucket<bucket>();
      unsigned const rank = b.rank(a);
      if (rank > 0 && last_of(*b.at(rank - 1).template entry<entry>()) >= a)
        return b.at(rank - 1).template entry<entry>();
      if (rank < bucket::capacity && !b.at(rank).is_empty()) return b.at(rank).template entry<entry>();
    } else if (!s.is_empty() && last_of(*s.template entry<entry>()) >= a) {
      return s.template entry<entry>();
    }
    return lowest(behind);
  }
  /// The highest entry that begins at `a` or below, or null.
  ///
  /// \pre `a` lies in the span, or below it, or is the last of all addresses
  [[nodiscard]] entry* at_or_below(std::uint64_t a) const {
    if (a < root_.base) return nullptr;
    unsigned at = root_all::number(a, layout_.root_shift());
    std::uint32_t rest = below(root_.used, at);
    chunk_slot before =
        rest == 0 ? chunk_slot{} : root_.all.at(highest_bit(rest));  // the next below what is looked into
    chunk_slot s = root_.all.at(at);
    while (s.is_table()) {
      table const& t = s.template table<table>();
      if (a < t.base) return highest(before);
      if (a - t.base > t.reach) return highest(s);
      at = table_all::number(a, s.shift());
      rest = below(t.used, at);
      if (rest != 0) before = t.all.at(highest_bit(rest));
      s = t.all.at(at);
    }
    if (s.is_bucket()) {
      bucket const& b = s.template bucket<bucket>();
      if (unsigned const rank = b.rank(a); rank > 0) return b.at(rank - 1).template entry<entry>();
    } else if (!s.is_empty() && start_of(*s.template entry<entry>()) <= a) {
      return s.template entry<entry>();
    }
    return highest(before);
  }

  /// Calls `function(entry&)` for what overlaps [first, last], in order; see `chunk_index::for_each_overlap`.
  ///
  /// It is one loop, so that a function of a few instructions becomes part of it.
  template <class Function>
  [[gnu::always_inline]] void walk(std::uint64_t first, std::uint64_t last, Function&& function) const {
    node way[chunk_layout::max_levels + 2];
    std::size_t depth = 0;
    node now = from_root(first, last);
    while (true) {
      if (now.used == 0) {
        if (depth == 0) return;
        now = way[--depth];
        continue;
      }
      chunk_slot const s = now.next();
      if (s.is_node()) {
        if (now.used != 0) {
          chunk_slot{now.slots[lowest_bit(now.used)].load()}.prefetch();
          way[depth++] = now;
        }
        now = s.is_table() ? from_table(s, first, last) : from_bucket(s);
        continue;
      }
      entry& e = *s.template entry<entry>();
      auto const span = Traits::interval_of(e);
      if (span.start().value > last) return;
      std::uint64_t const end = span.last().value;
      if (end < first) continue;
      std::uint32_t const changes = root_.changes;
      function(e);
      if (root_.changes == changes) continue;
      if (end >= last) return;
      first = end + 1;
      now = from_root(first, last);
      depth = 0;
    }
  }

  /// True when the invariants of `chunk_index` hold.
  [[nodiscard]] bool check(std::size_t size) const {
    inspection seen;
    return sound(root_.all, root_.used, root_.base, layout_.root_shift(), layout_.reach(), seen) &&
           seen.entries == size;
  }

 private:
  struct inspection {
    entry const* below = nullptr;
    std::size_t entries = 0;
  };

  [[nodiscard]] static unsigned lowest_bit(std::uint32_t used) { return static_cast<unsigned>(__builtin_ctz(used)); }
  [[nodiscard]] static unsigned highest_bit(std::uint32_t used) {
    return 31u - static_cast<unsigned>(__builtin_clz(used));
  }
  /// The bits above `at`, and those below it.
  [[nodiscard]] static std::uint32_t above(std::uint32_t used, unsigned at) { return used & ~((2u << at) - 1); }
  [[nodiscard]] static std::uint32_t below(std::uint32_t used, unsigned at) { return used & ((1u << at) - 1); }

  /// The slots that a walk is in, and in which of them something begins that it has not come to.
  struct node {
    typename chunk_slots<Sharing, 0>::word const* slots;
    std::uint32_t used;

    chunk_slot next() {
      unsigned const at = lowest_bit(used);
      used &= used - 1;
      return chunk_slot{slots[at].load()};
    }
  };
  [[nodiscard]] node from_root(std::uint64_t first, std::uint64_t last) const {
    return {root_.all.slots,
            part_of(root_.all, root_.used, root_.base, layout_.root_shift(), layout_.reach(), first, last)};
  }
  [[nodiscard]] node from_table(chunk_slot s, std::uint64_t first, std::uint64_t last) const {
    table const& t = s.template table<table>();
    if (first == 0 && last == UINT64_MAX) return {t.all.slots, t.used};
    return {t.all.slots, part_of(t.all, t.used, t.base, s.shift(), t.reach, first, last)};
  }
  [[nodiscard]] static node from_bucket(chunk_slot s) {
    bucket const& b = s.template bucket<bucket>();
    return {b.entries, (1u << b.count()) - 1};
  }
  /// The slots in use that may have to do with [first, last].
  template <class Slots>
  [[nodiscard]] static std::uint32_t part_of(Slots const&, std::uint32_t used, std::uint64_t base, unsigned shift,
                                             std::uint64_t reach, std::uint64_t first, std::uint64_t last) {
    if (last < base || (first > base && first - base > reach)) return 0;
    if (last - base < reach) used &= ~above(UINT32_MAX, Slots::number(last, shift));
    if (first <= base) return used;
    // What begins in a lower slot may fill this one too.
    std::uint32_t const lower = below(used, Slots::number(first, shift));
    return lower == 0 ? used : used & ~below(UINT32_MAX, highest_bit(lower));
  }

  /// True when slots that are `shift` apart are sound, and hold nothing but what lies from `base` to `reach` further.
  template <class Slots>
  [[nodiscard]] bool sound(Slots const& all, std::uint32_t used, std::uint64_t base, unsigned shift,
                           std::uint64_t reach, inspection& seen) const {
    std::uint64_t filled = 0;  // the slots that the entry before reaches into
    for (unsigned at = 0; at < Slots::count; ++at) {
      chunk_slot const s = all.at(at);
      bool const begins = (used >> at & 1) != 0;
      if (filled > 0) {
        if (begins || s != chunk_slot::of_entry(*seen.below)) return false;
        --filled;
        continue;
      }
      if (begins == s.is_empty()) return false;
      if (s.is_empty()) continue;
      std::uint64_t const start = Slots::begin(base, shift, at);
      if (start < base || start - base > reach) return false;
      if (!sound(s, start, shift, seen)) return false;
      if (s.is_entry()) filled = (Traits::interval_of(*seen.below).size().value - 1) >> shift;
    }
    return filled == 0;
  }
  /// True when what is in the slot of 2^shift addresses from `start` on is sound, and belongs there.
  [[nodiscard]] bool sound(chunk_slot s, std::uint64_t start, unsigned shift, inspection& seen) const {
    std::uint64_t const reach = (std::uint64_t{1} << shift) - 1;
    if (s.is_table()) {
      table const& t = s.template table<table>();
      std::uint64_t const part = layout_.reach(s.shift());
      return s.shift() < shift && t.reach == part && t.base >= start && t.base - start <= reach &&
             (t.base & part) == 0 && (t.used & (t.used - 1)) != 0 &&
             sound(t.all, t.used, t.base, s.shift(), part, seen);
    }
    if (s.is_entry()) {
      entry const& e = *s.template entry<entry>();
      bool const fills = Traits::interval_of(e).size().value - 1 >= reach;
      return follows(e, seen) && (fills ? start_of(e) == start : inside(e, start, reach));
    }
    bucket const& b = s.template bucket<bucket>();
    unsigned const count = b.count();
    for (unsigned i = 0; i < bucket::capacity; ++i) {
      if (i >= count && (b.keys[i].load() != UINT64_MAX || !b.at(i).is_empty())) return false;
      if (i >= count) continue;
      entry const& e = *b.at(i).template entry<entry>();
      if (b.keys[i].load() != start_of(e) || !follows(e, seen) || !inside(e, start, reach)) return false;
    }
    return count >= 2;
  }
  [[nodiscard]] static bool inside(entry const& e, std::uint64_t start, std::uint64_t reach) {
    return start_of(e) >= start && last_of(e) - start <= reach;
  }
  [[nodiscard]] static bool follows(entry const& e, inspection& seen) {
    bool const good = seen.below == nullptr || start_of(e) > last_of(*seen.below);
    seen.below = &e;
    ++seen.entries;
    return good;
  }

  root const& root_;
  chunk_layout const& layout_;
};

}  // namespace svm::inline v0::detail
