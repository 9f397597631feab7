// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/concepts/reservation.hpp>
#include <svm/config.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace bind_test {

struct mock_fence {
  bool signaled = false;
  bool is_signaled() const { return signaled; }
};
static_assert(svm::reservation_fence<mock_fence>);

/// A reservation for one thread, with a ledger, that is contended or fails where it is told to.
class mock_reservation {
 public:
  using fence = mock_fence;
  struct ticket {};

  svm::errc lock(ticket& t) {
    if (owner_ == &t) return svm::errc::exists;
    if (contentions > 0) {
      --contentions;
      return svm::errc::would_block;
    }
    if (fail_lock != svm::errc::ok) return fail_lock;
    SVM_ASSERT(owner_ == nullptr);
    owner_ = &t;
    ++locks;
    return svm::errc::ok;
  }
  svm::errc lock_slow(ticket& t) {
    ++slow_locks;
    SVM_ASSERT(owner_ == nullptr);
    owner_ = &t;
    ++locks;
    return svm::errc::ok;
  }
  void unlock([[maybe_unused]] ticket& t) {
    SVM_ASSERT(owner_ == &t);
    owner_ = nullptr;
    reserved_ = 0;
  }
  svm::errc reserve_fences(unsigned n) {
    if (fail_reserve) return svm::errc::no_memory;
    if (reserved_ < n) reserved_ = n;
    return svm::errc::ok;
  }
  void add_fence(fence& f, svm::fence_usage usage) {
    SVM_ASSERT_OP(reserved_, >, 0u);
    --reserved_;
    fences.emplace_back(&f, usage);
  }
  void assert_held() const { SVM_ASSERT(owner_ != nullptr); }
  bool is_held() const { return owner_ != nullptr; }

  unsigned contentions = 0;  // so many calls of `lock` are contended
  svm::errc fail_lock = svm::errc::ok;
  bool fail_reserve = false;
  unsigned locks = 0, slow_locks = 0;
  std::vector<std::pair<fence*, svm::fence_usage>> fences;

 private:
  ticket* owner_ = nullptr;
  unsigned reserved_ = 0;
};
static_assert(svm::reservation<mock_reservation>);

/// A reservation for threads, on standard mutexes; the age of a ticket is the order in which tickets were made.
class std_reservation {
 public:
  using fence = mock_fence;
  class ticket {
   public:
    ticket() {
      std::lock_guard const guard(mutex());
      static std::uint64_t newest = 0;
      age_ = ++newest;
    }
    ticket(ticket const&) = delete;
    ticket& operator=(ticket const&) = delete;

   private:
    friend std_reservation;
    static std::mutex& mutex() {
      static std::mutex m;
      return m;
    }
    std::uint64_t age_;
  };

  svm::errc lock(ticket& t) {
    std::unique_lock guard(mutex_);
    if (owner_ == &t) return svm::errc::exists;
    while (owner_ != nullptr) {
      if (owner_->age_ < t.age_) return svm::errc::would_block;
      free_.wait(guard);
    }
    owner_ = &t;
    return svm::errc::ok;
  }
  svm::errc lock_slow(ticket& t) {
    std::unique_lock guard(mutex_);
    free_.wait(guard, [this] { return owner_ == nullptr; });
    owner_ = &t;
    return svm::errc::ok;
  }
  void unlock([[maybe_unused]] ticket& t) {
    {
      std::lock_guard const guard(mutex_);
      SVM_ASSERT(owner_ == &t);
      owner_ = nullptr;
    }
    free_.notify_all();
  }
  svm::errc reserve_fences(unsigned n) {
    fences_.reserve(fences_.size() + n);
    return svm::errc::ok;
  }
  void add_fence(fence& f, svm::fence_usage usage) { fences_.emplace_back(&f, usage); }
  void assert_held() const {
    std::lock_guard const guard(mutex_);
    SVM_ASSERT(owner_ != nullptr);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable free_;
  ticket* owner_ = nullptr;
  std::vector<std::pair<fence*, svm::fence_usage>> fences_;
};
static_assert(svm::reservation<std_reservation>);

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
