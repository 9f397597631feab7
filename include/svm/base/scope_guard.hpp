// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// Runs `undo` when the scope ends, unless `dismiss()` was called.
template <class Undo>
class [[nodiscard]] scope_guard {
 public:
  constexpr explicit scope_guard(Undo undo) : undo_(std::move(undo)) {}
  scope_guard(scope_guard const&) = delete;
  scope_guard& operator=(scope_guard const&) = delete;
  constexpr ~scope_guard() {
    if (armed_) undo_();
  }

  constexpr void dismiss() { armed_ = false; }

 private:
  Undo undo_;
  bool armed_ = true;
};

/// Holds a mutex-like `Lock` exclusively for a scope.
template <class Lock>
class SVM_SCOPED_CAPABILITY [[nodiscard]] exclusive_guard {
 public:
  explicit exclusive_guard(Lock& lock) SVM_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~exclusive_guard() SVM_RELEASE() { lock_.unlock(); }
  exclusive_guard(exclusive_guard const&) = delete;
  exclusive_guard& operator=(exclusive_guard const&) = delete;

 private:
  Lock& lock_;
};

/// Holds a shared-mutex-like `Lock` shared for a scope.
template <class Lock>
class SVM_SCOPED_CAPABILITY [[nodiscard]] shared_guard {
 public:
  explicit shared_guard(Lock& lock) SVM_ACQUIRE_SHARED(lock) : lock_(lock) { lock_.lock_shared(); }
  ~shared_guard() SVM_RELEASE_GENERIC() { lock_.unlock_shared(); }
  shared_guard(shared_guard const&) = delete;
  shared_guard& operator=(shared_guard const&) = delete;

 private:
  Lock& lock_;
};

/// Is in a read section of `Domain` for a scope.
template <class Domain>
class [[nodiscard]] read_section {
 public:
  explicit read_section(Domain& domain) : domain_(domain), section_(domain.enter()) {}
  ~read_section() { domain_.leave(section_); }
  read_section(read_section const&) = delete;
  read_section& operator=(read_section const&) = delete;

 private:
  Domain& domain_;
  typename Domain::section section_;
};

}  // namespace svm::inline v0
