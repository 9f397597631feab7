// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/index_node.hpp>
#include <svm/base/index_node_pool.hpp>
#include <svm/base/index_tree.hpp>
#include <svm/base/result.hpp>
#include <svm/config.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace svm::inline v0 {

/// The mappings of a space in the order of their addresses.
///
/// It is an `index_tree` that remembers the leaf where it worked last: the steps of a request change one neighbourhood,
/// so most of them need not come down from the root. `const` functions do not use that memory, so that readers may
/// share the index.
///
/// Invariants: 1. the tree is sound; its key is the start of the mapping. 2. no two mappings overlap. 3. while the
/// remembered way is valid, the keys from `lower_` to `upper_` belong in its leaf.
/// \complexity O(log size) at most for every function, unless it says otherwise
template <class Mapping, class LockPolicy, class Allocator>
class mapping_index {
  static constexpr unsigned fanout = 32;
  using node = index_node<fanout>;

 public:
  using pool = index_node_pool<LockPolicy, Allocator, sizeof(node), alignof(node)>;
  using reservation = typename pool::reservation;

  explicit mapping_index(pool& nodes) : tree_(nodes) {}

  /// The most nodes that it takes to insert one mapping, and then `more` mappings beside it between which there are no
  /// others, in rising or falling order.
  ///
  /// The first may split every level. After that a leaf has room for `fanout` / 2 - 1 neighbours at least before it
  /// splits, and each level above splits as much more rarely.
  [[nodiscard]] static constexpr std::size_t nodes_for(std::size_t more) {
    constexpr std::size_t room = fanout / 2 - 1;
    return tree::max_height + more / (room - 1) + (more == 0 ? 0 : 1);
  }

  /// The most nodes of an index of `mappings` mappings: every node but the root is filled to `min_fill` at least.
  [[nodiscard]] static constexpr std::size_t nodes_of(std::size_t mappings) {
    return mappings / (tree::min_fill - 1) + tree::max_height;
  }

  [[nodiscard]] bool empty() const { return tree_.size() == 0; }
  [[nodiscard]] std::size_t size() const { return tree_.size(); }

  /// \pre no mapping overlaps `m`; the reservation has the nodes
  void insert(reservation& nodes, Mapping& m) {
    std::uint64_t const key = m.start().value;
    ++changes_;
    if (empty()) {
      tree_.plant(nodes, key, index_value{m});
      return;
    }
    bool const fits = seek(key).where->count < fanout;
    tree_.insert(nodes, way_, key, index_value{m});
    if (!fits) forget();
  }

  void erase(Mapping& m) {
    point_at(m, m.start().value);
    ++changes_;
    bool const fills = way_[0].where->count > tree::min_fill;
    tree_.erase(way_);
    if (!fills) forget();
  }

  /// Puts `fresh` where `old` stands, both of which start at `key`.
  void replace(Mapping const& old, std::uint64_t key, Mapping& fresh) {
    point_at(old, key);
    ++changes_;
    way_[0].where->values[way_[0].at] = index_value{fresh};
  }

  /// Follows a mapping whose start moved, past no other mapping.
  void rekey(Mapping const& m, std::uint64_t old_key) {
    point_at(m, old_key);
    ++changes_;
    tree_.rekey(way_, m.start().value);  // the leaf keeps the keys that it had, so what is remembered stays true
  }

  /// The mapping with the highest start that is not above `a`, or null.
  [[nodiscard]] Mapping* at_or_before(std::uint64_t a) const {
    return empty() ? nullptr : object(tree::before(tree_.locate(a)));
  }
  /// The mapping with the lowest start above `a`, or null.
  ///
  /// \pre not empty
  [[nodiscard]] Mapping* after(std::uint64_t a) const { return object(tree::at_or_after(tree_.locate(a))); }
  /// The lowest mapping that has an address in [first, last], or null.
  [[nodiscard]] Mapping* first_overlap(std::uint64_t first, std::uint64_t last) const {
    return empty() ? nullptr : object(lowest(tree_.locate(first), first, last));
  }
  /// The same for whoever may change the index.
  [[nodiscard]] Mapping* first_overlap(std::uint64_t first, std::uint64_t last) {
    return empty() ? nullptr : object(lowest(seek(first), first, last));
  }

  /// \complexity O(1)
  [[nodiscard]] Mapping* first() const { return object(tree_.first()); }

  /// Calls `function(Mapping&) -> errc` for the mappings that have an address in [first, last], in order, until one
  /// returns an error, which is then the result.
  ///
  /// The function may change the index if `self` is not const: the walk goes on above the last address that the mapping
  /// had before the call.
  /// \complexity O(log size + mappings visited), and O(log size) for a call that changes the index
  template <class Self, class Function>
  [[nodiscard]] static errc walk(Self& self, std::uint64_t first, std::uint64_t last, Function&& function) {
    if (self.empty()) return errc::ok;
    place p = lowest(find_place(self, first), first, last);
    while (p.where != nullptr && p.where->keys[p.at] <= last) {
      Mapping& m = *object(p);
      std::uint64_t const end = m.last().value;
      std::uint64_t const changes = self.changes_;
      if (errc const e = function(m); e != errc::ok) return e;
      if (end >= last) break;
      if (self.changes_ == changes)
        p = tree::at_or_after({p.where, p.at + 1});
      else if (self.empty())
        break;
      else
        p = tree::at_or_after(find_place(self, end));
    }
    return errc::ok;
  }

  /// True when invariants 1 and 2 hold.
  ///
  /// \complexity O(size)
  [[nodiscard]] bool check() const {
    if (!tree_.check()) return false;
    Mapping const* below = nullptr;
    for (place p = tree_.first(); p.where != nullptr; p = tree::at_or_after({p.where, p.at + 1})) {
      Mapping const* const m = object(p);
      if (p.where->keys[p.at] != m->start().value) return false;
      if (below != nullptr && m->start() <= below->last()) return false;
      below = m;
    }
    return true;
  }

 private:
  using tree = index_tree<pool, fanout>;
  using place = typename tree::place;

  [[nodiscard]] static Mapping* object(place p) {
    return p.where == nullptr ? nullptr : p.where->values[p.at].template as<Mapping>();
  }

  [[nodiscard]] static place lowest(place above, std::uint64_t first, std::uint64_t last) {
    // The request most likely goes on to the next one; fetching it now overlaps two cache misses.
    if (above.at < above.where->count) __builtin_prefetch(above.where->values[above.at].template as<Mapping>());
    place const below = tree::before(above);
    if (below.where != nullptr && object(below)->last().value >= first) return below;
    place const behind = tree::at_or_after(above);
    return behind.where != nullptr && behind.where->keys[behind.at] <= last ? behind : place{};
  }

  template <class Self>
  [[nodiscard]] static place find_place(Self& self, std::uint64_t key) {
    if constexpr (std::is_const_v<Self>)
      return self.tree_.locate(key);
    else
      return self.seek(key);
  }

  /// Finds the place behind the last key that is not above `key`, and remembers the way.
  ///
  /// \pre !empty()
  place seek(std::uint64_t key) {
    if (known_ && key - lower_ <= upper_ - lower_) {
      // Most often the place is where the step before left it.
      node const& leaf = *way_[0].where;
      unsigned const at = way_[0].at;
      bool const above_previous = at == 0 || leaf.keys[at - 1] <= key;
      if (!above_previous || (at < leaf.count && leaf.keys[at] <= key)) way_[0].at = leaf.rank(key);
    } else {
      seek_from_root(key);
    }
    return way_[0];
  }

  /// Finds the place of a mapping, and remembers the way.
  void point_at(Mapping const& m, std::uint64_t key) {
    if (known_ && way_[0].at < way_[0].where->count && way_[0].where->values[way_[0].at] == index_value{m}) return;
    seek(key);
    SVM_ASSERT_OP(way_[0].at, >, 0u);
    --way_[0].at;
    SVM_ASSERT(way_[0].where->values[way_[0].at] == index_value{m});
  }

  /// Comes down from the root. Where the parent has no bound, the keys in the leaf serve: those between them belong
  /// there too.
  void seek_from_root(std::uint64_t key) {
    tree_.locate(key, way_);
    known_ = true;
    node const& leaf = *way_[0].where;
    place const parent = way_[1];
    bool const root = parent.where == nullptr;
    lower_ = !root && parent.at > 0 ? parent.where->keys[parent.at] : leaf.previous == nullptr ? 0 : leaf.keys[0];
    upper_ = !root && parent.at + 1 < parent.where->count ? parent.where->keys[parent.at + 1] - 1
             : leaf.next == nullptr                       ? UINT64_MAX
                                                          : leaf.keys[leaf.count - 1];
  }

  void forget() {
    known_ = false;
    way_[1] = {};  // the leaf may be the root now
  }

  tree tree_;
  std::uint64_t changes_ = 0;  // whatever ends the validity of a place
  typename tree::path way_;
  std::uint64_t lower_ = 0;
  std::uint64_t upper_ = 0;
  bool known_ = false;
};

}  // namespace svm::inline v0
