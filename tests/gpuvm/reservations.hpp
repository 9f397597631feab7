// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/machine/reservation.hpp>
#include <svm/std/std_reservation.hpp>

namespace bind_test {

using mock_fence = svm::mock::fence;
using mock_reservation = svm::mock::reservation;
using svm::std_reservation;

/// Miss one requirement each.
struct reservation_without_slow_lock {
  using fence = mock_fence;
  struct ticket {};
  svm::errc lock(ticket&);
  void unlock(ticket&);
  svm::errc reserve_fences(unsigned);
  void add_fence(fence&, svm::fence_usage);
  void assert_held();
};
static_assert(!svm::reservation<reservation_without_slow_lock>);
struct reservation_whose_lock_says_nothing : mock_reservation {
  void lock(ticket&);
};
static_assert(!svm::reservation<reservation_whose_lock_says_nothing>);
struct fence_that_cannot_tell {};
static_assert(!svm::reservation_fence<fence_that_cannot_tell>);

}  // namespace bind_test
