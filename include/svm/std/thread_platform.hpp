// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <svm/config.hpp>
#include <svm/std/annotated_locks.hpp>
#include <svm/std/reader_slots.hpp>

namespace svm::inline v0 {

/// What the locks of `distributed_lock.hpp` stand on: atomic words, fences, a way to wait, and a slot a thread.
///
/// A fence has two sides. Where the system can make every thread of the process pass a fence (Linux: membarrier), the side
/// of the readers is for the compiler alone; else both are whole fences.
struct thread_platform {
  static constexpr unsigned spins = 40;
  static constexpr std::uint32_t reads_for_bias = 1024;  ///< so many counted reads pay for a writer's heavy fence
  static constexpr std::size_t retires_a_look = 1024;    ///< so many retired objects pay for one
  static constexpr std::size_t shards = 8;
  static constexpr std::size_t max_slots = 512;
  static constexpr std::size_t max_held = 4;  ///< locks that a thread holds shared by its slot

  template <class T>
  class atomic : public detail::std_atomic<T> {
   public:
    using detail::std_atomic<T>::std_atomic;

    // Weaker still, for the locks alone: each use has its reason beside it.
    [[nodiscard]] T load_relaxed() const { return this->value_.load(std::memory_order_relaxed); }

   private:
    friend thread_platform;
  };

  /// The readers' side: what is written before it comes before what is read after it, for who calls `heavy_fence`.
  static void light_fence() {
    // Relaxed: where it is not seen yet, the whole fence is as good.
    if (asymmetric_.load(std::memory_order_relaxed))
      std::atomic_signal_fence(std::memory_order_seq_cst);
    else
      __sync_synchronize();
  }
  /// The other side; it costs microseconds.
  ///
  /// The system refuses where the process never registered, and then no reader uses the cheap side.
  static void heavy_fence() {
    if (!fence_all()) __sync_synchronize();
  }

  /// Waits until the word is not `seen`, and somebody said so.
  static void wait(atomic<std::uint32_t>& word, std::uint32_t seen) { word.value_.wait(seen); }
  static void wake_one(atomic<std::uint32_t>& word) { word.value_.notify_one(); }
  static void wake_all(atomic<std::uint32_t>& word) { word.value_.notify_all(); }
  /// Lets others go on, in a loop that looks again.
  static void relax(unsigned round) {
    if (round < spins) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    } else {
      std::this_thread::yield();
    }
  }

  [[nodiscard]] static reader_slots<thread_platform>& slots();
  /// The slot of the thread that calls, or null: when it came too late for one, or is about to end.
  [[nodiscard]] static reader_slot<thread_platform>* this_slot();

 private:
  struct owned_slot;

  [[nodiscard]] static bool fence_all();
  [[nodiscard]] static bool register_once();
  [[nodiscard]] static reader_slot<thread_platform>* find_slot();

  static inline std::atomic<bool> asymmetric_ = register_once();
  static inline constinit thread_local reader_slot<thread_platform>* own_ = nullptr;
  static inline constinit thread_local bool is_refused_ = false;
};

/// Gives the slot back when the thread ends.
struct thread_platform::owned_slot {
  owned_slot() = default;
  owned_slot(owned_slot const&) = delete;
  owned_slot& operator=(owned_slot const&) = delete;
  ~owned_slot() {
    is_refused_ = true;  // what other objects of the thread lock from now on is counted
    if (own_ != nullptr) own_->give_back();
    own_ = nullptr;
  }
};

inline reader_slots<thread_platform>& thread_platform::slots() {
  constinit static reader_slots<thread_platform> all;
  return all;
}

inline reader_slot<thread_platform>* thread_platform::this_slot() {
  return own_ != nullptr ? own_ : find_slot();
}

inline reader_slot<thread_platform>* thread_platform::find_slot() {
  if (is_refused_) return nullptr;
  thread_local owned_slot const at_end;
  own_ = slots().take();
  is_refused_ = own_ == nullptr;
  return own_;
}

inline bool thread_platform::fence_all() {
#if defined(__linux__)
  return syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
  return false;
#endif
}

inline bool thread_platform::register_once() {
#if defined(__linux__)
  return syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
  return false;
#endif
}

}  // namespace svm::inline v0
