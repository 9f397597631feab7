// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/index/index_node.hpp>
#include <svm/config.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace svm::inline v0::detail {

/// The B+tree under `interval_index`: an ordered map from 64-bit keys, all different, to untyped pointers.
///
///             keys   0   30  70             a key of an inner node bounds the child's keys from below; it need not be
///                  /     |     \            one that is still in a leaf
///     keys 4 9 20 <-> 30 55 <-> 81 93       leaves are linked both ways
///
/// Invariants: 1. all leaves are at the same depth. 2. a node has at most `Fanout` pairs; the root at least one (two if
/// it has children), every other at least `min_fill`. 3. the keys of a node rise, and the first of an inner node is 0.
/// 4. below child i of an inner node, key[i] <= key < key[i + 1]. 5. the links join all leaves in order. 6. size()
/// counts the pairs of the leaves.
///
/// Nodes come from and go to a `Pool` (an `index_node_pool`).
/// \complexity O(log size) for `locate`, `find`, `insert`, `erase` and `rekey`
template <class Pool, unsigned Fanout>
class index_tree {
 public:
  using node = index_node<Fanout>;
  using reserved_nodes = typename Pool::reserved_nodes;
  static constexpr unsigned fanout = Fanout;

  /// Two neighbours become one when they fill three quarters of a node at most; otherwise they share their pairs evenly.
  /// Either way leaves a distance to the next split and the next merge.
  static constexpr unsigned min_fill = Fanout * 3 / 8 < 2 ? 2 : Fanout * 3 / 8;
  static constexpr unsigned merge_limit = Fanout * 3 / 4;
  static_assert((merge_limit + 1) / 2 >= min_fill && (Fanout + 1) / 2 >= min_fill);

  /// The height of the highest tree of 2^48 pairs, which is also the most nodes that one insertion takes.
  ///
  /// A tree of height h > 1 has at least 2 * min_fill^(h-1) pairs (invariant 2). An insertion that splits every level
  /// takes one node for each level of the tree that it leaves.
  static constexpr unsigned max_height = [] {
    unsigned height = 1;
    for (std::uint64_t pairs = 2 * min_fill; pairs <= std::uint64_t{1} << 48; pairs *= min_fill) ++height;
    return height;
  }();

  /// A node and a pair of it; the pair may be one behind the last.
  struct place {
    node* where = nullptr;
    unsigned at = 0;
  };
  /// The places from a leaf [0] to the root.
  using path = place[max_height];

  explicit index_tree(Pool& nodes) : pool_(nodes) {}
  index_tree(index_tree const&) = delete;
  index_tree& operator=(index_tree const&) = delete;
  /// \pre size() == 0; all nodes are in the pool then
  ~index_tree() { SVM_ASSERT_OP(size_, ==, 0u); }

  [[nodiscard]] Pool& pool() const { return pool_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The place behind the last key of its leaf that is not above `key`.
  ///
  /// \pre size() > 0
  [[nodiscard]] place locate(std::uint64_t key) const {
    node* n = root_;
    for (unsigned level = height_ - 1; level > 0; --level) n = enter(*n, n->rank(key) - 1);
    return {n, n->rank(key)};
  }
  /// The same with the way from the root.
  ///
  /// \pre size() > 0
  void locate(std::uint64_t key, path& way) const {
    node* n = root_;
    for (unsigned level = height_ - 1; level > 0; --level) {
      way[level] = {n, n->rank(key) - 1};
      n = enter(*n, way[level].at);
    }
    way[0] = {n, n->rank(key)};
  }
  /// The way to a key.
  ///
  /// \pre `key` is in the tree, with `value`
  void find(std::uint64_t key, [[maybe_unused]] index_value value, path& way) const {
    locate(key, way);
    --way[0].at;
    SVM_ASSERT(way[0].at < way[0].where->count && way[0].where->values[way[0].at] == value);
  }

  /// The first pair, or no place.
  [[nodiscard]] place first() const { return {first_, 0}; }
  /// The last pair, or no place.
  [[nodiscard]] place last() const { return last_ == nullptr ? place{} : place{last_, last_->count - 1}; }
  /// The pair before `p`, or no place.
  [[nodiscard]] static place before(place p) {
    if (p.at > 0) return {p.where, p.at - 1};
    return p.where->previous == nullptr ? place{} : place{p.where->previous, p.where->previous->count - 1};
  }
  /// The pair at `p`, or the next when `p` is behind the last of its leaf, or no place.
  [[nodiscard]] static place at_or_after(place p) { return p.at < p.where->count ? p : place{p.where->next, 0}; }

  /// Inserts the first pair.
  ///
  /// \pre size() == 0
  void plant(reserved_nodes& nodes, std::uint64_t key, index_value value) {
    root_ = first_ = last_ = make_node(nodes);
    root_->open(0, key, value);
    height_ = 1;
    size_ = 1;
  }

  /// The most nodes that the pair at `way` takes when up to `pairs` pairs are inserted next to each other, it and those
  /// before it: one for each level from the leaf up that has no room for all, and one for a root above the highest.
  ///
  /// A level that splits leaves `min_fill` - 1 places in either half, so the same insertions split it once at most.
  /// \pre size() > 0, 0 < pairs <= min_fill
  [[nodiscard]] unsigned nodes_for(path const& way, unsigned pairs) const {
    SVM_ASSERT_OP(pairs, <=, min_fill);
    unsigned level = 0;
    while (level < height_ && way[level].where->count + pairs > Fanout) ++level;
    return level == height_ ? height_ + 1 : level;
  }

  /// Inserts a pair where `locate` found that it belongs.
  ///
  /// \pre nodes.credit() >= nodes_for(way, 1), which is at most max_height; `key` is not in the tree
  void insert(reserved_nodes& nodes, path const& way, std::uint64_t key, index_value value) {
    ++size_;
    for (unsigned level = 0; level < height_; ++level) {
      node& n = *way[level].where;
      unsigned const at = level == 0 ? way[0].at : way[level].at + 1;
      if (n.count < Fanout) return n.open(at, key, value);
      node* const right = split(nodes, n, at, key, value);
      key = right->keys[0];
      value = index_value{*right};
      if (level == 0)
        link(n, *right);
      else
        right->keys[0] = 0;
    }
    node* const root = make_node(nodes);
    root->open(0, 0, index_value{*root_});
    root->open(1, key, value);
    root_ = root;
    SVM_ASSERT_OP(height_, <, max_height);
    ++height_;
  }

  /// Inserts a pair behind where `locate` found that it belongs, with one more in between that the caller takes out or
  /// gives a meaning.
  ///
  /// \pre the leaf has room for two
  void insert_beyond(path const& way, std::uint64_t key, index_value value) {
    node& leaf = *way[0].where;
    unsigned const at = way[0].at;
    leaf.open(at, 2);
    leaf.put(at, key, value);
    leaf.put(at + 1, key, value);
    size_ += 2;
  }

  /// Takes out the pair that `find` found, and those behind it in its leaf.
  void erase(path const& way, unsigned pairs = 1) {
    size_ -= pairs;
    way[0].where->close(way[0].at, pairs);
    for (unsigned level = 0; level + 1 < height_; ++level)
      if (way[level].where->count >= min_fill || !join(*way[level + 1].where, way[level + 1].at, level)) return;
    if (height_ > 1 && root_->count == 1) {
      free_node(std::exchange(root_, child(*root_, 0)));
      --height_;
    } else if (root_->count == 0) {
      free_node(root_);
      root_ = first_ = last_ = nullptr;
      height_ = 0;
    }
  }

  /// Changes the key of the pair that `find` found.
  ///
  /// \pre `key` keeps the order
  void rekey(path const& way, std::uint64_t key) {
    node& leaf = *way[0].where;
    unsigned const at = way[0].at;
    SVM_ASSERT(at == 0 || leaf.keys[at - 1] < key);
    SVM_ASSERT(at + 1 == leaf.count || key < leaf.keys[at + 1]);
    leaf.keys[at] = key;
    // The nearest bound on either side may be older than the neighbours, and the new key may have passed it.
    for (unsigned level = 1; level < height_; ++level)
      if (std::uint64_t& lower = way[level].where->keys[way[level].at]; way[level].at > 0) {
        if (key < lower) lower = key;
        break;
      }
    for (unsigned level = 1; level < height_; ++level)
      if (unsigned const next = way[level].at + 1; next < way[level].where->count) {
        std::uint64_t& upper = way[level].where->keys[next];
        if (upper <= key) upper = key + 1;
        break;
      }
  }

  /// True when all invariants hold.
  ///
  /// \complexity O(size)
  [[nodiscard]] bool check() const {
    if (root_ == nullptr) return size_ == 0 && height_ == 0 && first_ == nullptr && last_ == nullptr;
    inspection seen;
    return root_->count >= (height_ > 1 ? 2u : 1u) && check(*root_, height_ - 1, 0, UINT64_MAX, seen) &&
           seen.leaf == last_ && last_->next == nullptr && seen.pairs == size_;
  }

 private:
  struct inspection {
    node const* leaf = nullptr;
    std::size_t pairs = 0;
  };

  [[nodiscard]] static node* child(node const& n, unsigned at) { return n.values[at].template as<node>(); }

  /// A child that is about to be searched: which of its pointers is wanted shows only when its keys have arrived, so
  /// all are fetched along with them.
  [[nodiscard]] static node* enter(node const& n, unsigned at) {
    node* const below = child(n, at);
    for (unsigned i = 0; i < Fanout; i += 64 / sizeof(index_value)) __builtin_prefetch(&below->values[i]);
    return below;
  }

  [[nodiscard]] node* make_node(reserved_nodes& nodes) { return ::new (pool_.template take<node>(nodes)) node; }
  void free_node(node* n) { pool_.template put<node>(reinterpret_cast<std::byte*>(n)); }

  /// Inserts into a full node by moving its upper pairs to a new one, which it returns.
  ///
  /// The halves are equal, but not at either end, where the next insertion is likely to hit the same place.
  [[nodiscard]] node* split(reserved_nodes& nodes, node& left, unsigned at, std::uint64_t key, index_value value) {
    node* const right = make_node(nodes);
    unsigned const keep = at == Fanout ? Fanout + 1 - min_fill : at == 0 ? min_fill : (Fanout + 1) / 2;
    unsigned const from = at < keep ? keep - 1 : keep;
    left.move(from, Fanout - from, *right, 0);
    if (at < keep)
      left.open(at, key, value);
    else
      right->open(at - keep, key, value);
    return right;
  }

  void link(node& left, node& right) {
    right.previous = &left;
    right.next = left.next;
    (left.next == nullptr ? last_ : left.next->previous) = &right;
    left.next = &right;
  }

  /// Fills up child `at` of `parent` from a neighbour; true when the two became one, so that `parent` lost a child.
  [[nodiscard]] bool join(node& parent, unsigned at, unsigned level) {
    unsigned const pair = at > 0 ? at : 1;
    node& left = *child(parent, pair - 1);
    node& right = *child(parent, pair);
    unsigned const half = (left.count + right.count) / 2;
    if (level > 0) right.keys[0] = parent.keys[pair];
    if (left.count + right.count > merge_limit) {
      if (left.count < half)
        right.move(0, half - left.count, left, left.count);
      else
        left.move(half, left.count - half, right, 0);
      parent.keys[pair] = right.keys[0];
      if (level > 0) right.keys[0] = 0;
      return false;
    }
    right.move(0, right.count, left, left.count);
    if (level == 0) {
      left.next = right.next;
      (left.next == nullptr ? last_ : left.next->previous) = &left;
    }
    parent.close(pair);
    free_node(&right);
    return true;
  }

  /// Checks a subtree whose keys must lie in [least, most]: those of its leaves, so that the bounds in it do too.
  [[nodiscard]] bool check(node const& n, unsigned level, std::uint64_t least, std::uint64_t most,
                           inspection& seen) const {
    if (!n.check() || (&n != root_ && n.count < min_fill)) return false;
    if (level == 0) {
      if (n.previous != seen.leaf || (seen.leaf == nullptr ? first_ : seen.leaf->next) != &n) return false;
      seen.leaf = &n;
      seen.pairs += n.count;
      return n.keys[0] >= least && n.keys[n.count - 1] <= most;
    }
    if (n.keys[0] != 0) return false;
    for (unsigned i = 0; i < n.count; ++i) {
      std::uint64_t const from = i == 0 ? least : n.keys[i];
      std::uint64_t const to = i + 1 == n.count ? most : n.keys[i + 1] - 1;
      if (!check(*child(n, i), level - 1, from, to, seen)) return false;
    }
    return true;
  }

  Pool& pool_;
  node* root_ = nullptr;
  node* first_ = nullptr;
  node* last_ = nullptr;
  std::size_t size_ = 0;
  unsigned height_ = 0;  // levels, the leaves included
};

}  // namespace svm::inline v0::detail
