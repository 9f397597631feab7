// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/concepts/reservation.hpp>
#include <svm/config.hpp>
#include <svm/mock/machine/failure.hpp>

#include <utility>
#include <vector>

namespace svm::inline v0::mock {

/// The end of device work that a test decides.
struct fence {
  bool signaled = false;
  bool is_signaled() const { return signaled; }
};
static_assert(svm::reservation_fence<fence>);

/// A reservation for one thread, with a ledger, that is contended or fails where it is told to.
class reservation {
 public:
  using fence = mock::fence;
  struct ticket {};

  errc lock(ticket& t) {
    if (owner_ == &t) return errc::exists;
    if (failures != nullptr && failures->strikes(failure::lock)) return errc::would_block;
    if (contentions > 0) {
      --contentions;
      return errc::would_block;
    }
    if (fail_lock != errc::ok) return fail_lock;
    SVM_ASSERT(owner_ == nullptr);
    owner_ = &t;
    ++locks;
    return errc::ok;
  }
  errc lock_slow(ticket& t) {
    ++slow_locks;
    if (fail_slow_lock != errc::ok) return fail_slow_lock;
    SVM_ASSERT(owner_ == nullptr);
    owner_ = &t;
    ++locks;
    return errc::ok;
  }
  void unlock([[maybe_unused]] ticket& t) {
    SVM_ASSERT(owner_ == &t);
    owner_ = nullptr;
    reserved_ = 0;
  }
  errc reserve_fences(unsigned n) {
    if (fail_reserve || (failures != nullptr && failures->strikes(failure::alloc))) return errc::no_memory;
    if (reserved_ < n) reserved_ = n;
    return errc::ok;
  }
  void add_fence(fence& f, fence_usage usage) {
    SVM_ASSERT_OP(reserved_, >, 0u);
    --reserved_;
    fences.emplace_back(&f, usage);
  }
  void assert_held() const { SVM_ASSERT(owner_ != nullptr); }
  bool is_held() const { return owner_ != nullptr; }

  unsigned contentions = 0;  // so many calls of `lock` are contended
  errc fail_lock = errc::ok;
  errc fail_slow_lock = errc::ok;
  bool fail_reserve = false;
  failure_plan* failures = nullptr;  ///< where it is a lock, and room for fences an allocation, that may fail
  unsigned locks = 0, slow_locks = 0;
  std::vector<std::pair<fence*, fence_usage>> fences;

 private:
  ticket* owner_ = nullptr;
  unsigned reserved_ = 0;
};
static_assert(svm::reservation<reservation>);

}
