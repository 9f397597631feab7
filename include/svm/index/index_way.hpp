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
  using path = typename Tree::path;

  /// Finds the place behind the last key that is not above `key`.
  ///
  /// \pre tree.size() > 0
  place seek(Tree const& tree, std::uint64_t key) {
    tree.locate(key, way_);
    return way_[0];
  }
  /// Finds the place of a pair.
  ///
  /// \pre the tree has it
  void point_at(Tree const& tree, std::uint64_t key, index_value value) { tree.find(key, value, way_); }

  [[nodiscard]] path const& places() const { return way_; }
  /// To be called where a change may have split or joined leaves.
  void forget() {}

 private:
  path way_;
};

/// The same for an index whose changes are close to each other: it stays with the tree, and remembers the leaf where it
/// was last. Most of them then need not come down from the root.
///
/// Invariants: 1. while the way is known, the keys from `lower_` to `upper_` belong in its leaf.
template <class Tree>
class index_finger {
 public:
  using node = typename Tree::node;
  using place = typename Tree::place;
  using path = typename Tree::path;

  place seek(Tree const& tree, std::uint64_t key) {
    if (known_ && key - lower_ <= upper_ - lower_) {
      // Most often the place is where the change before left it.
      node const& leaf = *way_[0].where;
      unsigned const at = way_[0].at;
      bool const above_previous = at == 0 || leaf.keys[at - 1] <= key;
      if (!above_previous || (at < leaf.count && leaf.keys[at] <= key)) way_[0].at = leaf.rank(key);
    } else {
      seek_from_root(tree, key);
    }
    return way_[0];
  }
  void point_at(Tree const& tree, std::uint64_t key, index_value value) {
    if (known_ && way_[0].at < way_[0].where->count && way_[0].where->values[way_[0].at] == value) return;
    seek(tree, key);
    SVM_ASSERT_OP(way_[0].at, >, 0u);
    --way_[0].at;
    SVM_ASSERT(way_[0].where->values[way_[0].at] == value);
  }

  [[nodiscard]] path const& places() const { return way_; }
  void forget() {
    known_ = false;
    way_[1] = {};  // the leaf may be the root now
  }

 private:
  /// Where the parent has no bound, the keys in the leaf serve: those between them belong there too.
  void seek_from_root(Tree const& tree, std::uint64_t key) {
    tree.locate(key, way_);
    known_ = true;
    node const& leaf = *way_[0].where;
    place const parent = way_[1];
    bool const root = parent.where == nullptr;
    lower_ = !root && parent.at > 0 ? parent.where->keys[parent.at] : leaf.previous == nullptr ? 0 : leaf.keys[0];
    upper_ = !root && parent.at + 1 < parent.where->count ? parent.where->keys[parent.at + 1] - 1
             : leaf.next == nullptr                       ? UINT64_MAX
                                                          : leaf.keys[leaf.count - 1];
  }

  path way_;
  std::uint64_t lower_ = 0;
  std::uint64_t upper_ = 0;
  bool known_ = false;
};

}  // namespace svm::inline v0::detail
