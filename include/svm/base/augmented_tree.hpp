// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// The links that an object embeds, as a base class, to stand in an `augmented_tree`; `Tag` tells several trees apart.
template <class Tag>
class tree_hook {
 public:
  tree_hook() = default;
  tree_hook(tree_hook const&) = delete;
  tree_hook& operator=(tree_hook const&) = delete;
  ~tree_hook() { SVM_ASSERT(!is_linked()); }

  [[nodiscard]] bool is_linked() const { return height_ != 0; }

 private:
  template <class, class, class>
  friend class augmented_tree;

  tree_hook* parent_ = nullptr;
  tree_hook* left_ = nullptr;
  tree_hook* right_ = nullptr;
  std::uint64_t greatest_ = 0;  // weight in the subtree
  std::uint8_t height_ = 0;     // of the subtree; 0: in no tree
};

namespace detail {

/// The probe of an `augmented_tree` that counts nothing.
struct no_tree_probe {
  /// A search looks at a node.
  static void looked() {}
};

}  // namespace detail

/// A balanced tree of objects that embed their links, in the order of `key()`; equal keys stand in the order of
/// insertion. It finds the next object whose `weight()` reaches a bound.
///
/// With the start of an interval as the key and its last address as the weight this is an interval tree: the intervals
/// may overlap and may be equal. It owns nothing and allocates nothing. A search from one object to the next reads
/// objects alone. So it needs no lock of the tree while the tree does not change.
///
/// Invariants: 1. keys ascend from left to right. 2. the heights of two siblings differ by at most one. 3. each node
/// knows the greatest weight of its subtree. The tree neither moves nor copies. An object's key and weight stay while it
/// is in the tree.
/// \source include/linux/interval_tree_generic.h
template <class T, class Tag = T, class Probe = detail::no_tree_probe>
class augmented_tree {
  using hook = tree_hook<Tag>;

 public:
  augmented_tree() = default;
  augmented_tree(augmented_tree const&) = delete;
  augmented_tree& operator=(augmented_tree const&) = delete;
  ~augmented_tree() { SVM_ASSERT(empty()); }

  [[nodiscard]] bool empty() const { return root_ == nullptr; }

  /// The first object, or null.
  ///
  /// \complexity O(log n)
  [[nodiscard]] T* first() const { return first_reaching(0); }
  /// The first object whose weight is at least `weight`, or null.
  ///
  /// \complexity O(log n)
  [[nodiscard]] T* first_reaching(std::uint64_t weight) const { return first_below(root_, weight); }
  /// The first object behind `entry` whose weight is at least `weight`, or null.
  ///
  /// \pre `entry` stands in a tree
  /// \complexity O(log n); a walk over neighbours takes O(1) each on average
  [[nodiscard]] static T* next_reaching(T const& entry, std::uint64_t weight) {
    hook const* h = &entry;
    if (T* const below = first_below(h->right_, weight)) return below;
    for (hook* up = h->parent_; up != nullptr; h = up, up = up->parent_) {
      if (h != up->left_) continue;
      Probe::looked();
      if (object(up)->weight() >= weight) return object(up);
      if (T* const below = first_below(up->right_, weight)) return below;
    }
    return nullptr;
  }

  /// \pre `entry` stands in no tree of this tag
  /// \complexity O(log n)
  void insert(T& entry) {
    hook& h = entry;
    SVM_ASSERT(!h.is_linked());
    hook* parent = nullptr;
    hook** place = &root_;
    while (*place != nullptr) {
      parent = *place;
      place = entry.key() < object(parent)->key() ? &parent->left_ : &parent->right_;
    }
    *place = &h;
    h.parent_ = parent;
    balance_up(&h);
  }

  /// \pre `entry` stands in this tree
  /// \complexity O(log n)
  void erase(T& entry) {
    hook& h = entry;
    SVM_ASSERT(h.is_linked());
    hook* lowest = h.parent_;  // whose subtree changed
    if (h.left_ == nullptr || h.right_ == nullptr) {
      replace(h, h.left_ != nullptr ? h.left_ : h.right_);
    } else {
      hook* next = h.right_;
      while (next->left_ != nullptr) next = next->left_;
      lowest = next;
      if (next->parent_ != &h) {
        lowest = next->parent_;
        replace(*next, next->right_);
        next->right_ = h.right_;
        next->right_->parent_ = next;
      }
      next->left_ = h.left_;
      next->left_->parent_ = next;
      replace(h, next);
    }
    h.parent_ = h.left_ = h.right_ = nullptr;
    h.height_ = 0;
    balance_up(lowest);
  }

  /// True when the invariants hold; linear.
  [[nodiscard]] bool check() const {
    if (!check_below(root_, nullptr)) return false;
    for (T const *before = first(), *entry = before; entry != nullptr; before = entry, entry = next_reaching(*entry, 0))
      if (entry->key() < before->key()) return false;
    return true;
  }

 private:
  [[nodiscard]] static T* object(hook* h) { return static_cast<T*>(h); }
  [[nodiscard]] static int height(hook const* h) { return h == nullptr ? 0 : h->height_; }

  [[nodiscard]] static T* first_below(hook* h, std::uint64_t weight) {
    if (h == nullptr) return nullptr;
    Probe::looked();
    if (h->greatest_ < weight) return nullptr;
    for (;;) {  // somebody in this subtree reaches it
      if (h->left_ != nullptr) Probe::looked();
      if (h->left_ != nullptr && h->left_->greatest_ >= weight) {
        h = h->left_;
      } else if (object(h)->weight() >= weight) {
        return object(h);
      } else {
        Probe::looked();
        h = h->right_;
      }
    }
  }

  /// Lets a node's parent have `other`, or nothing, in the node's place.
  void replace(hook& node, hook* other) {
    hook*& place = node.parent_ == nullptr        ? root_
                   : node.parent_->left_ == &node ? node.parent_->left_
                                                  : node.parent_->right_;
    place = other;
    if (other != nullptr) other->parent_ = node.parent_;
  }
  [[nodiscard]] static std::uint8_t height_over(hook const& h) {
    int const left = height(h.left_);
    int const right = height(h.right_);
    return static_cast<std::uint8_t>(1 + (left > right ? left : right));
  }
  [[nodiscard]] static std::uint64_t greatest_of(hook& h) {
    std::uint64_t greatest = object(&h)->weight();
    if (h.left_ != nullptr && h.left_->greatest_ > greatest) greatest = h.left_->greatest_;
    if (h.right_ != nullptr && h.right_->greatest_ > greatest) greatest = h.right_->greatest_;
    return greatest;
  }
  static void update(hook& h) {
    h.height_ = height_over(h);
    h.greatest_ = greatest_of(h);
  }
  /// Lifts a child over its parent.
  void lift(hook& child) {
    hook& parent = *child.parent_;
    bool const is_left = parent.left_ == &child;
    hook*& inner = is_left ? child.right_ : child.left_;
    replace(parent, &child);
    (is_left ? parent.left_ : parent.right_) = inner;
    if (inner != nullptr) inner->parent_ = &parent;
    inner = &parent;
    parent.parent_ = &child;
    update(parent);
    update(child);
  }
  /// Restores invariants 2 and 3 from a node up to the root.
  void balance_up(hook* h) {
    for (; h != nullptr; h = h->parent_) {
      int const lean = height(h->left_) - height(h->right_);
      if (lean >= -1 && lean <= 1) {
        update(*h);
        continue;
      }
      hook* const high = lean > 0 ? h->left_ : h->right_;
      hook* const inner = lean > 0 ? high->right_ : high->left_;
      hook* const outer = lean > 0 ? high->left_ : high->right_;
      hook* const top = height(inner) > height(outer) ? inner : high;
      if (top == inner) lift(*inner);
      lift(*top);
      h = top;
    }
  }

  /// Invariants 2 and 3, and the links.
  [[nodiscard]] static bool check_below(hook* h, hook const* parent) {
    if (h == nullptr) return true;
    if (h->parent_ != parent || !check_below(h->left_, h) || !check_below(h->right_, h)) return false;
    int const lean = height(h->left_) - height(h->right_);
    return lean >= -1 && lean <= 1 && h->height_ == height_over(*h) && h->greatest_ == greatest_of(*h);
  }

  hook* root_ = nullptr;
};

}  // namespace svm::inline v0
