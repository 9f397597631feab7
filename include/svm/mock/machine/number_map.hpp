// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <svm/base/augmented_tree.hpp>

namespace svm::inline v0::mock {

/// The links of an object in a `number_tree`.
struct number_links : tree_hook<number_links> {
  explicit number_links(std::uint64_t n) : number(n) {}

  [[nodiscard]] std::uint64_t key() const { return number; }
  [[nodiscard]] std::uint64_t weight() const { return number; }

  std::uint64_t const number;
  number_links* next = nullptr;
  number_links* previous = nullptr;
};

/// Objects by number, each number once; no template, so that all maps of the machine share its code.
///
/// Invariant: the list has what the tree has, in the same order.
class number_tree {
 public:
  [[nodiscard]] number_links* first() const { return first_; }
  [[nodiscard]] number_links* last() const { return last_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// The object with the lowest number from `n` on, or null.
  ///
  /// \complexity O(log n)
  [[nodiscard, gnu::noinline]] number_links* at_or_above(std::uint64_t n) const { return tree_.first_reaching(n); }
  /// \complexity O(log n)
  [[nodiscard]] number_links* find(std::uint64_t n) const {
    number_links* const found = at_or_above(n);
    return found != nullptr && found->number == n ? found : nullptr;
  }

  /// \pre nothing has its number
  /// \complexity O(log n)
  [[gnu::noinline]] void insert(number_links& entry) {
    entry.next = at_or_above(entry.number);
    entry.previous = entry.next == nullptr ? last_ : entry.next->previous;
    (entry.previous == nullptr ? first_ : entry.previous->next) = &entry;
    (entry.next == nullptr ? last_ : entry.next->previous) = &entry;
    tree_.insert(entry);
    ++size_;
  }
  /// \complexity O(log n)
  [[gnu::noinline]] void erase(number_links& entry) {
    tree_.erase(entry);
    (entry.previous == nullptr ? first_ : entry.previous->next) = entry.next;
    (entry.next == nullptr ? last_ : entry.next->previous) = entry.previous;
    --size_;
  }

 private:
  augmented_tree<number_links> tree_;
  number_links* first_ = nullptr;
  number_links* last_ = nullptr;
  std::size_t size_ = 0;
};

/// A value for each of some numbers, ascending: what of `std::map` the machine needs, at a tenth of the code.
///
/// Values never move. An iterator stays while its value does.
template <class Value>
class number_map {
 public:
  struct entry {
    std::uint64_t const first;
    Value second;
  };

 private:
  struct node : number_links {
    template <class... Args>
    explicit node(std::uint64_t n, Args&&... args) : number_links(n), content{n, Value(std::forward<Args>(args)...)} {}
    entry content;
  };

 public:
  class iterator {
   public:
    [[nodiscard]] entry& operator*() const { return static_cast<node*>(at_)->content; }
    [[nodiscard]] entry* operator->() const { return &static_cast<node*>(at_)->content; }
    iterator& operator++() {
      at_ = at_->next;
      return *this;
    }
    friend bool operator==(iterator, iterator) = default;

   private:
    friend class number_map;
    explicit iterator(number_links* at) : at_(at) {}
    number_links* at_;
  };

  number_map() = default;
  number_map(number_map const&) = delete;
  number_map& operator=(number_map const&) = delete;
  ~number_map() { clear(); }

  [[nodiscard]] std::size_t size() const { return tree_.size(); }
  [[nodiscard]] bool empty() const { return tree_.size() == 0; }
  [[nodiscard]] iterator begin() const { return iterator{tree_.first()}; }
  [[nodiscard]] iterator end() const { return iterator{nullptr}; }
  [[nodiscard]] iterator find(std::uint64_t n) const { return iterator{tree_.find(n)}; }
  /// The first one from `n` on.
  [[nodiscard]] iterator lower_bound(std::uint64_t n) const { return iterator{tree_.at_or_above(n)}; }
  /// The first one behind `n`.
  [[nodiscard]] iterator upper_bound(std::uint64_t n) const {
    return iterator{n == UINT64_MAX ? nullptr : tree_.at_or_above(n + 1)};
  }
  /// The one before `at`, which is not the first.
  [[nodiscard]] iterator before(iterator at) const {
    return iterator{at.at_ == nullptr ? tree_.last() : at.at_->previous};
  }

  /// Makes a value for a number that has none; the iterator, and whether it is new.
  template <class... Args>
  std::pair<iterator, bool> emplace(std::uint64_t n, Args&&... args) {
    if (number_links* const known = tree_.find(n)) return {iterator{known}, false};
    node* const made = new node(n, std::forward<Args>(args)...);
    tree_.insert(*made);
    return {iterator{made}, true};
  }
  [[nodiscard]] Value& operator[](std::uint64_t n) { return emplace(n).first->second; }
  /// The next one.
  iterator erase(iterator at) {
    iterator const next{at.at_->next};
    tree_.erase(*at.at_);
    delete static_cast<node*>(at.at_);
    return next;
  }
  /// False when the number has no value.
  bool erase(std::uint64_t n) {
    iterator const known = find(n);
    if (known == end()) return false;
    erase(known);
    return true;
  }
  void clear() {
    while (!empty()) erase(begin());
  }

 private:
  number_tree tree_;
};

/// For a map that is a set.
struct no_value {};
/// Some numbers, ascending.
using number_set = number_map<no_value>;

}  // namespace svm::inline v0::mock
