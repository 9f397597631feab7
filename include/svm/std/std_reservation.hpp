// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/concepts/reservation.hpp>
#include <svm/config.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace svm::inline v0 {

/// The end of some work, told by the thread that did it.
class std_fence {
 public:
  [[nodiscard]] bool is_signaled() const { return signaled_.load(); }
  void signal() { signaled_.store(true); }

 private:
  std::atomic<bool> signaled_{false};
};
static_assert(svm::reservation_fence<std_fence>);

/// A reservation for threads, on standard mutexes; the age of a ticket is the order in which tickets were made.
class std_reservation {
 public:
  using fence = std_fence;
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

  errc lock(ticket& t) {
    std::unique_lock guard(mutex_);
    if (owner_ == &t) return errc::exists;
    while (owner_ != nullptr) {
      if (owner_->age_ < t.age_) return errc::would_block;
      free_.wait(guard);
    }
    owner_ = &t;
    return errc::ok;
  }
  errc lock_slow(ticket& t) {
    std::unique_lock guard(mutex_);
    free_.wait(guard, [this] { return owner_ == nullptr; });
    owner_ = &t;
    return errc::ok;
  }
  void unlock([[maybe_unused]] ticket& t) {
    {
      std::lock_guard const guard(mutex_);
      SVM_ASSERT(owner_ == &t);
      owner_ = nullptr;
    }
    free_.notify_all();
  }
  errc reserve_fences(unsigned n) {
    if (n <= room_ - count_) return errc::ok;
    std::size_t const room = std::max(count_ + n, 2 * room_);
    std::unique_ptr<fence_entry[]> larger{new (std::nothrow) fence_entry[room]};
    if (!larger) return errc::no_memory;
    std::copy_n(fences_.get(), count_, larger.get());
    fences_ = std::move(larger);
    room_ = room;
    return errc::ok;
  }
  void add_fence(fence& f, fence_usage usage) {
    SVM_ASSERT(count_ != room_);
    fences_[count_++] = {&f, usage};
  }
  void assert_held() const {
    std::lock_guard const guard(mutex_);
    SVM_ASSERT(owner_ != nullptr);
  }

 private:
  using fence_entry = std::pair<fence*, fence_usage>;

  mutable std::mutex mutex_;
  std::condition_variable free_;
  ticket* owner_ = nullptr;
  std::unique_ptr<fence_entry[]> fences_;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};
static_assert(svm::reservation<std_reservation>);

}
