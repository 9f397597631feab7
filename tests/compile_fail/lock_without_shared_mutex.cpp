// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: template shared_mutex|no template named .shared_mutex.|.shared_mutex. following the .template. keyword
#include <svm/std/null_lock.hpp>

struct my_lock {
  template <svm::lock_rank Rank>
  using mutex = svm::null_lock::mutex<Rank>;
#ifdef FIXED
  template <svm::lock_rank Rank>
  using shared_mutex = svm::null_lock::shared_mutex<Rank>;
#endif
  template <class T>
  using atomic = svm::null_lock::atomic<T>;
  using event = svm::null_lock::event;
  using read_domain = svm::null_lock::read_domain;
};
static_assert(svm::lock<my_lock>);
