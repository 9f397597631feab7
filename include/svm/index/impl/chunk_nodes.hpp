// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/index/chunk_index.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace svm::inline v0 {

/// An empty table for two addresses that part.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
auto chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::make_table(reserved_nodes& nodes, std::uint64_t a,
                                                                             unsigned shift) -> table& {
  std::uint64_t const reach = pool_.layout().reach(shift);
  return *::new (pool_.template take<table>(nodes)) table(a & ~reach, reach);
}

template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
auto chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::make_bucket(std::byte* node, entry& a, entry& b)
    -> bucket& {
  bucket& made = *::new (node) bucket;
  made.open(0, start_of(a), chunk_slot::of_entry(a));
  made.open(start_of(a) < start_of(b) ? 1 : 0, start_of(b), chunk_slot::of_entry(b));
  return made;
}

/// Puts a table, and an entry that it does not span, below a new table.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
void chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::part_above(reserved_nodes& nodes, place const& p,
                                                                             chunk_slot below, entry& e) {
  std::uint64_t const first = start_of(e);
  std::uint64_t const other = below.template table<table>().base;
  unsigned const shift = pool_.layout().parting(first, other);
  table& made = make_table(nodes, first, shift);
  way(made, shift, first).put(e, Traits::interval_of(e).size().value - 1);
  place const beside = way(made, shift, other);
  beside.store(below);
  *beside.used |= 1u << beside.at;
  p.store(chunk_slot::of_table(made, shift));
}

/// The entry of `s`, which is one or a bucket, that overlaps a chunk, or null.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
auto chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::beside(chunk_slot s, std::uint64_t first,
                                                                         std::uint64_t reach) const -> entry* {
  if (!s.is_bucket()) return meets(s.template entry<entry>(), first, reach);
  bucket const& b = s.template bucket<bucket>();
  unsigned const rank = b.rank(first);
  if (rank > 0)
    if (entry* const other = meets(b.at(rank - 1).template entry<entry>(), first, reach)) return other;
  return rank == bucket::capacity || b.keys[rank].load() - first > reach ? nullptr : b.at(rank).template entry<entry>();
}

template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
auto chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::meets(entry* other, std::uint64_t first,
                                                                        std::uint64_t reach) -> entry* {
  return last_of(*other) >= first && start_of(*other) <= first + reach ? other : nullptr;
}

/// Puts an entry into a bucket that has a place left; false where `s` is none.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
bool chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::joins_bucket(chunk_slot s, entry& e) {
  if (!s.is_bucket()) return false;
  bucket& b = s.template bucket<bucket>();
  if (!b.at(bucket::capacity - 1).is_empty()) return false;
  b.open(b.rank(start_of(e)), start_of(e), chunk_slot::of_entry(e));
  return true;
}

/// Puts an entry beside the entry or the bucket `s` at `p`.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
void chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::join(reserved_nodes& nodes, place const& p,
                                                                       chunk_slot s, entry& e) {
  if constexpr (Sparse == chunk_sparse::tables) {
    entry& other = *s.template entry<entry>();
    unsigned const shift = pool_.layout().parting(start_of(e), start_of(other));
    table& made = make_table(nodes, start_of(e), shift);
    add(nodes, made, shift, other);
    add(nodes, made, shift, e);
    return p.store(chunk_slot::of_table(made, shift));
  }
  if (!s.is_bucket()) {
    bucket& made = make_bucket(pool_.template take<bucket>(nodes), *s.template entry<entry>(), e);
    return p.store(chunk_slot::of_bucket(made));
  }
  if (joins_bucket(s, e)) return;
  bucket& full = s.template bucket<bucket>();
  std::uint64_t const first = start_of(e);
  constexpr unsigned end = bucket::capacity - 1;
  std::uint64_t const low = full.keys[0].load() < first ? full.keys[0].load() : first;
  std::uint64_t const high = full.keys[end].load() > first ? full.keys[end].load() : first;
  unsigned const shift = pool_.layout().parting(low, high);
  table& made = make_table(nodes, first, shift);
  for (unsigned i = 0; i <= end; ++i) add(nodes, made, shift, *full.at(i).template entry<entry>());
  add(nodes, made, shift, e);
  p.store(chunk_slot::of_table(made, shift));
  retire(full);
}

/// Has no use any more for a node that nothing leads to.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
template <class Node>
void chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::retire(Node& node) {
  watch_.changed();
  Sharing::retire(pool_, node);
}

/// Adds an entry to a table of less than five.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
void chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::add(reserved_nodes& nodes, table& t, unsigned shift,
                                                                      entry& e) {
  place const p = way(t, shift, start_of(e));
  if (p.load().is_empty())
    p.put(e, Traits::interval_of(e).size().value - 1);
  else
    join(nodes, p, p.load(), e);
}

/// Replaces the table at `p` by what is left in it, if that is one thing, or three entries at most.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
void chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::shrink(place const& p) {
  table& t = p.load().template table<table>();
  auto const slot = [&t](std::uint32_t used) { return t.all.at(static_cast<unsigned>(__builtin_ctz(used))); };
  std::uint32_t const others = t.used & (t.used - 1);
  chunk_slot const a = slot(t.used);
  chunk_slot left = a;
  if (others != 0) {
    if (Sparse == chunk_sparse::tables) return;
    if ((others & (others - 1)) == 0)
      left = shrunk(a, slot(others), {});
    else if (std::uint32_t const third = others & (others - 1); (third & (third - 1)) == 0)
      left = shrunk(a, slot(others), slot(third));
    else
      return;
    if (left.is_empty()) return;
  }
  p.store(left);
  retire(t);
}

/// A bucket of what the two or three slots of a table have. Nothing where that is more than three entries, or where
/// memory is short: the table serves as well.
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse, class Sharing>
auto chunk_index<Traits, LockPolicy, Allocator, Sparse, Sharing>::shrunk(chunk_slot a, chunk_slot b, chunk_slot c)
    -> chunk_slot {
  if (a.is_bucket() != b.is_bucket() && c.is_empty()) {
    chunk_slot const two = a.is_bucket() ? a : b;
    chunk_slot const one = a.is_bucket() ? b : a;
    bucket& left = two.template bucket<bucket>();
    if (!one.is_entry() || !left.at(2).is_empty()) return {};
    std::uint64_t const key = start_of(*one.template entry<entry>());
    left.open(left.rank(key), key, one);
    return two;
  }
  if (!a.is_entry() || !b.is_entry() || (!c.is_entry() && !c.is_empty())) return {};
  std::byte* const node = pool_.template take_spare<bucket>();
  if (node == nullptr) return {};
  bucket& made = make_bucket(node, *a.template entry<entry>(), *b.template entry<entry>());
  if (c.is_entry()) made.open(2, start_of(*c.template entry<entry>()), c);
  return chunk_slot::of_bucket(made);
}

}  // namespace svm::inline v0
