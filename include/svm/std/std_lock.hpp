// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>
#include <svm/std/annotated_locks.hpp>

namespace svm::inline v0 {

/// The lock policy on the standard library, for real threads.
struct std_lock {
  template <lock_rank Rank>
  using mutex = detail::annotated_mutex<Rank, std::mutex>;
  template <lock_rank Rank>
  using shared_mutex = detail::annotated_shared_mutex<Rank, std::shared_mutex>;
  template <class T>
  using atomic = detail::std_atomic<T>;

  /// Lets other threads run, in a loop that waits for them.
  static void yield(char const*) noexcept { std::this_thread::yield(); }

  class event {
   public:
    template <class Mutex, class Ready>
    void wait(Mutex& mutex, Ready ready) {
      changed_.wait(mutex, ready);
    }
    void notify_all() { changed_.notify_all(); }

   private:
    std::condition_variable_any changed_;
  };

  /// Readers are counted in two words, of which one takes in those who enter now.
  ///
  /// All is sequentially consistent, and a section counts itself before it looks at anything. So who unlinked an object,
  /// and then saw each of the two words at 0 once, outlasted every section that may have found it: one that counts itself
  /// later finds it no more. The word that takes in changes in between, so that the other one comes to 0.
  class read_domain {
   public:
    using section = std::size_t;

    read_domain() = default;
    ~read_domain() { SVM_ASSERT(retired_.load() == 0 && readers_[0].load() + readers_[1].load() == 0); }

    [[nodiscard]] section enter() {
      section const in = open_.load();
      readers_[in].fetch_add(1);
      return in;
    }
    void leave(section in) { readers_[in].fetch_sub(1); }

    void retire(retire_hook& hook) {
      std::scoped_lock const guard{lock_};
      fresh_.push(hook);
      retired_.fetch_add(1);
      if (closed_ == over_) close_batch();
      look_at_readers();
    }
    void synchronize() {
      std::unique_lock guard{lock_};
      // A batch that is closed already may lack what was retired since, and has not waited for the readers of now.
      std::uint64_t const last = closed_ + 1;
      while (over_ < last) {
        if (closed_ == over_) close_batch();
        look_at_readers();
        if (over_ == last) return;
        guard.unlock();
        std::this_thread::yield();
        guard.lock();
      }
    }
    [[nodiscard]] std::uint64_t retired() const { return retired_.load(); }

   private:
    void close_batch() {
      waiting_.splice(fresh_);
      ++closed_;
      seen_empty_ = {};
    }
    void look_at_readers() {
      section const in = open_.load();
      for (section const word : {1 - in, in}) seen_empty_[word] = seen_empty_[word] || readers_[word].load() == 0;
      if (seen_empty_[0] && seen_empty_[1]) {
        retired_.fetch_sub(waiting_.release_all());
        ++over_;
      } else if (seen_empty_[1 - in]) {
        open_.store(1 - in);
      }
    }

    std::atomic<section> open_{0};
    std::array<std::atomic<std::uint64_t>, 2> readers_{};
    std::atomic<std::uint64_t> retired_{0};
    std::mutex lock_;  // guards what follows; objects are released with it held, so that `synchronize` misses none
    retire_list fresh_;
    retire_list waiting_;       // the batch that was closed last, until it is over
    std::uint64_t closed_ = 0;  // batches so far; at most one waits
    std::uint64_t over_ = 0;
    std::array<bool, 2> seen_empty_{};  // since that batch was closed
  };
};
static_assert(lock<std_lock>);

}  // namespace svm::inline v0
