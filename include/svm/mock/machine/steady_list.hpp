// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// Objects in the order of their making, none of which ever moves.
template <class T>
class steady_list {
 public:
  class iterator {
   public:
    [[nodiscard]] T& operator*() const { return **at_; }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(iterator, iterator) = default;

   private:
    friend class steady_list;
    explicit iterator(T* const* at) : at_(at) {}
    T* const* at_;
  };

  steady_list() = default;
  steady_list(steady_list const&) = delete;
  steady_list& operator=(steady_list const&) = delete;
  [[gnu::noinline]] ~steady_list() {
    for (T* const object : all_) delete object;
  }

  template <class... Args>
  T& emplace_back(Args&&... args) {
    T* const made = new T(std::forward<Args>(args)...);
    all_.push_back(made);
    return *made;
  }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] T& operator[](std::size_t i) const { return *all_[i]; }
  [[nodiscard]] T& front() const { return *all_[0]; }
  [[nodiscard]] iterator begin() const { return iterator{all_.begin()}; }
  [[nodiscard]] iterator end() const { return iterator{all_.end()}; }

 private:
  plain_list<T*> all_;
};

}  // namespace svm::inline v0::mock
