// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/config.hpp>
#include <svm/base/intrusive_list.hpp>

namespace svm::inline v0::detail {

/// Objects that embed a link and are taken out all at once, in the order in which they were put in.
///
/// It is for a walk that puts aside what it meets: to put one in is two stores, which wait for nothing.
template <class T, class Tag = T>
class intrusive_chain {
  using hook = list_hook<Tag>;

 public:
  intrusive_chain() = default;
  intrusive_chain(intrusive_chain const&) = delete;
  intrusive_chain& operator=(intrusive_chain const&) = delete;
  ~intrusive_chain() { SVM_ASSERT(tail_ == &first_); }

  /// \pre `entry` stands in no list of this tag
  void push_back(T& entry) {
    hook& h = entry;
    SVM_ASSERT(!h.is_linked());
    h.next_ = &h;  // so that the last one is linked too
    *tail_ = &h;
    tail_ = &h.next_;
  }
  /// Takes all objects out, first to last, and calls `visit(object)` for each once it stands in no list.
  template <class Visit>
  void take_all(Visit&& visit) {
    if (tail_ == &first_) return;
    tail_ = &first_;
    for (hook* h = first_; h != nullptr;) {
      hook* const following = h->next_ == h ? nullptr : h->next_;
      h->next_ = nullptr;
      visit(static_cast<T&>(*h));
      h = following;
    }
  }

 private:
  hook* first_ = nullptr;
  hook** tail_ = &first_;  // where the next one is noted
};

}  // namespace svm::inline v0::detail
