// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <svm/base/retire_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>
#include <svm/std/annotated_locks.hpp>
#include <svm/std/reader_slots.hpp>
#include <svm/std/thread_platform.hpp>

namespace svm::inline v0 {

/// A mutex of one word that is waited for in the platform's way.
template <class Platform>
class word_mutex {
 public:
  void lock() {
    std::uint32_t seen = free;
    if (word_.compare_exchange(seen, held)) return;
    for (unsigned round = 0; round < Platform::spins; ++round) {
      Platform::relax(round);
      seen = free;
      if (word_.load_relaxed() == free && word_.compare_exchange(seen, held)) return;
    }
    // Who waited may not be the only one: it holds the mutex as one that others wait for.
    while (word_.exchange(awaited) != free) Platform::wait(word_, awaited);
  }
  void unlock() {
    // After the exchange the mutex may be gone; a wake-up takes its address only.
    if (word_.exchange(free) == awaited) Platform::wake_one(word_);
  }
  [[nodiscard]] bool try_lock() {
    std::uint32_t seen = free;
    return word_.compare_exchange(seen, held);
  }

 private:
  static constexpr std::uint32_t free = 0;
  static constexpr std::uint32_t held = 1;
  static constexpr std::uint32_t awaited = 2;

  // `load_relaxed` is a hint: the exchange decides.
  typename Platform::template atomic<std::uint32_t> word_{free};
};

/// A reader-writer lock of one word, which readers do not write while they are many and writers few.
///
/// The word says whether a writer has it, how many readers it counts, and whether it is *biased*. A reader of a biased
/// lock notes it in the slot of its thread, and looks again at the bias. A writer takes the bias away and waits for the
/// slots that name the lock; with the bias go `Platform::reads_for_bias` reads that write the word, until it is given
/// again. So a lock that is mostly written never pays for the slots, and one that is mostly read costs its readers no
/// shared line. The slots are shared by all locks of the process: a lock itself is four bytes.
///
/// Who has set `writer` keeps new readers out while it waits for the old ones: no stream of readers starves a writer.
///
/// Why two sides do not miss each other: the reader writes its slot, then reads the word; the writer changes the word,
/// then reads the slots. `light_fence` and `heavy_fence` stand between, so one of them sees what the other wrote.
template <class Platform>
class word_shared_mutex {
  using slot = reader_slot<Platform>;

 public:
  void lock() { set_writer(); }
  void unlock() {
    // After the change the lock may be gone; a wake-up takes its address only.
    if ((word_.fetch_and(~(writer | awaited)) & awaited) != 0) Platform::wake_all(word_);
  }
  [[nodiscard]] bool try_lock() {
    std::uint32_t seen = word_.load();
    do {
      if ((seen & (writer | readers)) != 0) return false;
    } while (!word_.compare_exchange(seen, writer));
    if ((seen & biased) == 0) return true;
    Platform::heavy_fence();
    bool free = true;
    Platform::slots().for_each([&](slot& s) { free = free && !s.holds(word_); });
    // The bias comes back, or the next writer would not look for the readers that are inside. Nobody else has changed more
    // than `awaited` since: the word counted no readers.
    if (!free && (word_.exchange(biased) & awaited) != 0) Platform::wake_all(word_);
    return free;
  }

  void lock_shared() {
    if (take_slot()) return;
    std::uint32_t seen = word_.load();
    for (unsigned round = 0; !count_reader(seen); ++round) wait_for_change(seen, round);
  }
  [[nodiscard]] bool try_lock_shared() {
    if (take_slot()) return true;
    std::uint32_t seen = word_.load();
    return count_reader(seen);
  }
  void unlock_shared() {
    slot* const own = Platform::this_slot();
    if (own != nullptr && own->give(word_)) return;
    std::uint32_t const before = word_.fetch_sub(one_reader);
    bool const is_last = (before & readers) == one_reader;
    if (is_last && (before & awaited) != 0) Platform::wake_all(word_);
  }

 private:
  static constexpr std::uint32_t one_reader = 1;
  static constexpr std::uint32_t readers = 0xffff;  // who hold it and are counted here
  static constexpr std::uint32_t one_read = 0x1'0000;
  static constexpr std::uint32_t reads = 0x1fff'0000;    // counted since the last writer
  static constexpr std::uint32_t biased = 0x2000'0000;   // readers may use their slots; never with `writer`
  static constexpr std::uint32_t awaited = 0x4000'0000;  // somebody waits for a change; only with `writer`
  static constexpr std::uint32_t writer = 0x8000'0000;   // has it, or waits for the readers that are left
  static_assert(Platform::reads_for_bias < reads / one_read);

  [[nodiscard]] bool take_slot() {
    // Relaxed: a hint, since `take` looks again.
    if ((word_.load_relaxed() & biased) == 0) return false;
    slot* const own = Platform::this_slot();
    if (own == nullptr || !own->note(word_)) return false;
    Platform::light_fence();
    // Acquire: the bias was given by a change of the word after the last writer's, each of which reads the one before.
    // So whoever sees it sees what that writer wrote.
    if ((word_.load_acquire() & biased) != 0) return true;
    static_cast<void>(own->give(word_));
    return false;
  }
  /// Counts one more reader in the word, unless a writer has it; `seen` is the word.
  [[nodiscard]] bool count_reader(std::uint32_t& seen) {
    while ((seen & writer) == 0) {
      std::uint32_t next = seen + one_reader;
      if ((seen & biased) == 0) {
        next += one_read;
        if ((next & reads) / one_read >= Platform::reads_for_bias) next = (next & ~reads) | biased;
      }
      if (word_.compare_exchange(seen, next)) return true;
    }
    return false;
  }
  void set_writer() {
    std::uint32_t seen = word_.load();
    for (unsigned round = 0;; ++round) {
      if ((seen & writer) != 0)
        wait_for_change(seen, round);
      else if (word_.compare_exchange(seen, (seen & readers) | writer))
        break;
    }
    if ((seen & biased) != 0) {
      Platform::heavy_fence();
      Platform::slots().for_each([&](slot& s) { s.wait_until_given(word_); });
    }
    std::uint32_t left = word_.load();
    for (unsigned round = 0; (left & readers) != 0; ++round) wait_for_change(left, round);
  }
  /// Waits until the word is not `seen`, which has `writer`; `seen` becomes what it is then.
  void wait_for_change(std::uint32_t& seen, unsigned round) {
    if (round < Platform::spins) {
      Platform::relax(round);
    } else if ((seen & awaited) != 0 || word_.compare_exchange(seen, seen | awaited)) {
      Platform::wait(word_, seen | awaited);
    }
    seen = word_.load();
  }

  typename Platform::template atomic<std::uint32_t> word_{0};
};

/// Read sections that write nothing but the slot of their thread, and what waits for them.
///
/// A section writes into its slot the epoch that it found. To retire a batch is to raise the epoch and to wait until each
/// slot is outside, or in a section of the new epoch:
///  * a section that found the new epoch began after the objects were unlinked, and does not find them;
///  * a section of an older epoch is waited for, if its slot shows it;
///  * where the slot does not show it yet, it looks at things after the heavy fence, which came after the unlinking.
/// Epochs and slots belong to the process: domains wait for each other's sections, which are short.
///
/// Objects wait in shards, so that threads that retire do not meet. They are released with the shard's lock held: so
/// `synchronize`, which takes it too, misses none.
template <class Platform>
class slot_read_domain {
  using slot = reader_slot<Platform>;
  using slots = reader_slots<Platform>;

 public:
  using section = typename slots::section;

  slot_read_domain() = default;
  slot_read_domain(slot_read_domain const&) = delete;
  slot_read_domain& operator=(slot_read_domain const&) = delete;
  ~slot_read_domain() { SVM_ASSERT_OP(retired(), ==, 0u); }

  [[nodiscard]] section enter() { return Platform::slots().enter(Platform::this_slot()); }
  void leave(section in) { Platform::slots().leave(in); }

  void retire(retire_hook& hook) {
    shard& mine = shard_of_this_thread();
    exclusive_guard const guard{mine.lock};
    mine.count(mine.retired.load() + 1);
    mine.fresh.push(hook);
    if (mine.fresh.size() % Platform::retires_a_look != 0) return;
    mine.release_ripe();
    if (!mine.waiting.empty()) return;
    mine.waiting.splice(mine.fresh);
    mine.until = Platform::slots().begin_grace();
    mine.release_ripe();
  }
  void synchronize() {
    // One at a time: who comes second waits for the release of what the first one took.
    exclusive_guard const one_at_a_time{synchronizing_};
    std::array<retire_list, Platform::shards> taken;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      exclusive_guard const guard{shards_[i].lock};
      taken[i].splice(shards_[i].waiting);
      taken[i].splice(shards_[i].fresh);
    }
    auto grace = Platform::slots().begin_grace();
    for (unsigned round = 0; !Platform::slots().is_over(grace); ++round) Platform::relax(round);
    for (std::size_t i = 0; i < taken.size(); ++i) {
      std::size_t const released = taken[i].release_all();
      exclusive_guard const guard{shards_[i].lock};
      shards_[i].count_off(released);
    }
  }
  [[nodiscard]] std::uint64_t retired() const {
    std::uint64_t sum = 0;
    for (shard const& s : shards_) sum += s.retired.load();
    return sum;
  }

 private:
  struct alignas(64) shard {
    word_mutex<Platform> lock;
    retire_list fresh;
    retire_list waiting;
    typename slots::grace until;  // of `waiting`
    // Written with the lock held, read by anybody.
    typename Platform::template atomic<std::uint64_t> retired{0};

    void release_ripe() {
      if (!waiting.empty() && Platform::slots().is_over(until)) count_off(waiting.release_all());
    }
    void count_off(std::size_t released) { count(retired.load() - released); }
    /// Release: who gives the lock up makes it seen, and nobody relies on it before.
    void count(std::uint64_t now) { retired.store_release(now); }
  };

  [[nodiscard]] shard& shard_of_this_thread() {
    slot* const own = Platform::this_slot();
    return shards_[own == nullptr ? 0 : Platform::slots().number_of(*own) % Platform::shards];
  }

  std::array<shard, Platform::shards> shards_;
  word_mutex<Platform> synchronizing_;
};

/// A lock policy for real threads whose readers write no line that others read; see `word_shared_mutex`.
template <class Platform>
struct basic_distributed_lock {
  template <lock_rank Rank>
  using mutex = detail::annotated_mutex<Rank, word_mutex<Platform>>;
  template <lock_rank Rank>
  using shared_mutex = detail::annotated_shared_mutex<Rank, word_shared_mutex<Platform>>;
  template <class T>
  using atomic = typename Platform::template atomic<T>;

  class event {
   public:
    // The locks change hands in a way that Clang's analysis cannot follow.
    template <class Mutex, class Ready>
    void wait(Mutex& mutex, Ready ready) SVM_NO_THREAD_SAFETY_ANALYSIS {
      for (;;) {
        // Before the look: a notification after it is not slept through, unless 2^32 of them come at once.
        std::uint32_t const seen = notified_.load();
        if (ready()) return;
        mutex.unlock();
        Platform::wait(notified_, seen);
        mutex.lock();
      }
    }
    void notify_all() {
      notified_.fetch_add(1);
      Platform::wake_all(notified_);
    }

   private:
    typename Platform::template atomic<std::uint32_t> notified_{0};
  };

  using read_domain = slot_read_domain<Platform>;
};

/// The lock for threads of the operating system.
using distributed_lock = basic_distributed_lock<thread_platform>;
static_assert(lock<distributed_lock>);

}  // namespace svm::inline v0
