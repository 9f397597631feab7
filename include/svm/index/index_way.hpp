// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/config.hpp>
#include <svm/index/index_node.hpp>

#include <cstdint>

namespace svm::inline v0::detail {

/// The way from the root of an `index_tree` to a place that is about to change, for one change.
template <class Tree>
class index_way {
 public:
  using place = typename Tree::place;
  using reserved_nodes = typename Tree::reserved_nodes;

  explicit index_way(Tree& tree) : tree_(tree) {}

  /// Finds the place behind the last key that is not above `key`.
  ///
  /// \pre the tree has pairs
  void seek(std::uint64_t key) { tree_.locate(key, way_); }
  /// The place that was found, which is also the end of what lies in front of it.
  [[nodiscard]] place here() const { return way_[0]; }
  [[nodiscard]] place behind() const { return way_[0]; }

  /// \pre `key` was sought
  void insert(reserved_nodes& nodes, std::uint64_t key, index_value value) { tree_.insert(nodes, way_, key, value); }
  /// Takes a pair out.
  ///
  /// \pre the tree has it, as for the other below
  void erase(std::uint64_t key, index_value value) {
    tree_.find(key, value, way_);
    tree_.erase(way_, 1);
  }
  /// Gives a pair another key and another value.
  void replace(std::uint64_t key, index_value value, std::uint64_t new_key, index_value new_value) {
    tree_.find(key, value, way_);
    way_[0].where->values[way_[0].at] = new_value;
    tree_.rekey(way_, new_key);
  }

 private:
  Tree& tree_;
  typename Tree::path way_;
};

/// The same for an index whose changes are close to each other: it stays with the tree, and remembers the leaf where it
/// was last. Most of them then need not come down from the root.
///
/// Pairs next to each other that leave one after the other leave a gap, which is closed only once something happens
/// elsewhere. What is inserted there meanwhile takes a place of the gap.
///
///     keys of the leaf   3   8 | -   -   -  | 30  41
///                     here() --^            ^-- behind()
///
/// Invariants: 1. while the way is known, the keys from `lower_` to `upper_` belong in its leaf; else it leads to pair 0.
/// 2. the `gap_` pairs from `here()` on are out already; the way is known if there are any.
template <class Tree>
class index_finger {
 public:
  using node = typename Tree::node;
  using place = typename Tree::place;
  using reserved_nodes = typename Tree::reserved_nodes;

  explicit index_finger(Tree& tree) : tree_(tree) {}
  index_finger(index_finger const&) = delete;
  index_finger& operator=(index_finger const&) = delete;

  /// How many pairs are out that the tree still counts.
  [[nodiscard]] unsigned gap() const { return gap_; }
  [[nodiscard]] place here() const { return way_[0]; }
  [[nodiscard]] place behind() const { return {way_[0].where, way_[0].at + gap_}; }

  /// \pre the tree has pairs
  void seek(std::uint64_t key) {
    // Most often the place is where the change before left it, with neighbours that say so.
    if (unsigned const at = way_[0].at; at != 0) {
      node const& leaf = *way_[0].where;
      std::uint64_t const lower = leaf.keys[at - 1];
      if (at + gap_ < leaf.count && key - lower < leaf.keys[at + gap_] - lower) return;
    }
    seek_elsewhere(key);
  }

  /// \pre `key` was sought
  void insert(reserved_nodes& nodes, std::uint64_t key, index_value value) {
    node& leaf = *way_[0].where;
    if (gap_ != 0) {
      leaf.put(way_[0].at++, key, value);
      --gap_;
      return;
    }
    bool const fits = leaf.count < Tree::fanout;
    tree_.insert(nodes, way_, key, value);
    if (!fits) forget();
  }
  /// The same, with a gap in front of the pair if the leaf has room for one.
  void insert_beyond(reserved_nodes& nodes, std::uint64_t key, index_value value) {
    if (gap_ != 0 || way_[0].where->count + 2 > Tree::fanout) return insert(nodes, key, value);
    tree_.insert_beyond(way_, key, value);
    gap_ = 1;
  }
  /// Takes a pair out.
  ///
  /// \pre the tree has it, and it is not out already; as for the others below
  void erase(std::uint64_t key, index_value value) {
    erase_later(key, value);
    close_gap();
  }
  /// The same, and leaves a gap.
  void erase_later(std::uint64_t key, index_value value) {
    point_at(key, value);
    ++gap_;
  }
  /// Gives a pair another key and another value.
  void replace(std::uint64_t key, index_value value, std::uint64_t new_key, index_value new_value) {
    point_at(key, value);
    place const p = behind();
    p.where->values[p.at] = new_value;
    if (belongs(new_key)) {
      p.where->keys[p.at] = new_key;
    } else {
      close_gap();
      point_at(key, new_value);
      tree_.rekey(way_, new_key);  // the leaf keeps its pairs, so what is remembered of it stays true
    }
  }

  /// Gives the places of what is out back to the leaf.
  void close_gap() {
    if (gap_ != 0) close();
  }

 private:
  [[nodiscard]] bool belongs(std::uint64_t key) const { return known_ && key - lower_ <= upper_ - lower_; }
  [[nodiscard]] static bool is_at(place p, index_value value) {
    return p.at < p.where->count && p.where->values[p.at] == value;
  }

  /// Makes `behind()` the place of a pair.
  void point_at(std::uint64_t key, index_value value) {
    if (known_ && is_at(behind(), value)) return;
    close_gap();
    seek(key);
    SVM_ASSERT_OP(way_[0].at, >, 0u);
    --way_[0].at;
    SVM_ASSERT(is_at(behind(), value));
  }

  [[gnu::noinline]] void close() {
    unsigned const pairs = gap_;
    gap_ = 0;
    bool const stays = way_[0].where->count >= Tree::min_fill + pairs;
    tree_.erase(way_, pairs);
    if (!stays) forget();
  }

  [[gnu::noinline]] void seek_elsewhere(std::uint64_t key) {
    if (belongs(key)) {
      node const& leaf = *way_[0].where;
      unsigned const at = way_[0].at;
      if ((at == 0 || leaf.keys[at - 1] <= key) && (at + gap_ == leaf.count || key < leaf.keys[at + gap_])) return;
    }
    close_gap();
    if (belongs(key)) {
      way_[0].at = way_[0].where->rank(key);
      return;
    }
    // Where the parent has no bound, the keys in the leaf serve: those between them belong there too.
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

  /// What was split or joined may be elsewhere now, and the leaf the root.
  void forget() {
    known_ = false;
    way_[0].at = 0;
    way_[1] = {};
  }

  Tree& tree_;
  typename Tree::path way_;
  std::uint64_t lower_ = 0;
  std::uint64_t upper_ = 0;
  unsigned gap_ = 0;
  bool known_ = false;
};

}  // namespace svm::inline v0::detail
