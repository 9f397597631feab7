// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <svm/config.hpp>

namespace svm::inline v0 {

namespace detail {

template <class T, class Tag>
class intrusive_chain;

}  // namespace detail

/// The link that an object embeds, as a base class, to stand in an `intrusive_list`; `Tag` tells several lists apart.
template <class Tag>
class list_hook {
 public:
  list_hook() = default;
  list_hook(list_hook const&) = delete;
  list_hook& operator=(list_hook const&) = delete;
  ~list_hook() { SVM_ASSERT(!is_linked()); }

  [[nodiscard]] bool is_linked() const { return next_ != nullptr; }

 private:
  template <class, class>
  friend class intrusive_list;
  template <class, class>
  friend class detail::intrusive_chain;

  list_hook* next_ = nullptr;
  list_hook* previous_ = nullptr;
};

/// A list of objects that embed their links: it owns nothing, allocates nothing and every call is O(1).
///
/// Invariants: 1. an object stands in at most one list of a tag. 2. the links are symmetric. The list is not
/// thread-safe; it neither moves nor copies, since the objects point into it.
template <class T, class Tag = T>
class intrusive_list {
  using hook = list_hook<Tag>;

 public:
  intrusive_list() { head_.next_ = head_.previous_ = &head_; }
  intrusive_list(intrusive_list const&) = delete;
  intrusive_list& operator=(intrusive_list const&) = delete;
  ~intrusive_list() {
    SVM_ASSERT(empty());
    head_.next_ = nullptr;
  }

  [[nodiscard]] bool empty() const { return head_.next_ == &head_; }
  [[nodiscard]] T* front() const { return empty() ? nullptr : object(head_.next_); }
  [[nodiscard]] T* back() const { return empty() ? nullptr : object(head_.previous_); }
  /// The object behind `entry`, or null at the end.
  [[nodiscard]] T* next(T& entry) const {
    hook* const following = static_cast<hook&>(entry).next_;
    return following == &head_ ? nullptr : object(following);
  }

  /// The object before `entry`, or null at the front.
  [[nodiscard]] T* previous(T& entry) const {
    hook* const before = static_cast<hook&>(entry).previous_;
    return before == &head_ ? nullptr : object(before);
  }

  /// \pre `entry` stands in no list of this tag
  void push_back(T& entry) { link(entry, head_.previous_); }
  /// \pre `entry` stands in no list of this tag
  void push_front(T& entry) { link(entry, &head_); }

  /// \pre `entry` stands in no list of this tag, `place` in this one
  void insert_after(T& place, T& entry) {
    hook& before = place;
    SVM_ASSERT(before.is_linked());
    link(entry, &before);
  }

  /// \pre `entry` stands in this list
  void erase(T& entry) {
    hook& h = entry;
    SVM_ASSERT(h.is_linked());
    h.previous_->next_ = h.next_;
    h.next_->previous_ = h.previous_;
    h.next_ = h.previous_ = nullptr;
  }

  /// Takes the first object out, or returns null.
  [[nodiscard]] T* pop_front() {
    T* const first = front();
    if (first != nullptr) erase(*first);
    return first;
  }

  [[nodiscard]] std::size_t count_slow() const {
    std::size_t n = 0;
    for (T* entry = front(); entry != nullptr; entry = next(*entry)) ++n;
    return n;
  }

  /// True when the links are symmetric (invariant 2).
  [[nodiscard]] bool check() const {
    hook const* h = &head_;
    do {
      if (h->next_ == nullptr || h->next_->previous_ != h) return false;
      h = h->next_;
    } while (h != &head_);
    return true;
  }

 private:
  static T* object(hook* h) { return static_cast<T*>(h); }

  void link(T& entry, hook* previous) {
    hook& h = entry;
    SVM_ASSERT(!h.is_linked());
    h.previous_ = previous;
    h.next_ = previous->next_;
    previous->next_->previous_ = &h;
    previous->next_ = &h;
  }

  mutable hook head_;
};

}  // namespace svm::inline v0
