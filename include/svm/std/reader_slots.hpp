// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// What one thread reads under: the locks that it holds shared without having written them, and its read section.
///
/// Only its thread writes it, but for `signal`; a line of its own keeps other threads' writes away.
template <class Platform>
class alignas(64) reader_slot {
 public:
  /// A lock is known by its word.
  using word = typename Platform::template atomic<std::uint32_t>;
  static constexpr std::uint64_t outside = 0;

  /// Notes that the lock is held; false when the slot is full. A `light_fence` and another look at the lock follow.
  [[nodiscard]] bool note(word const& lock) {
    for (entry& e : held_)
      if (e.load_relaxed() == nullptr) {  // relaxed: only this thread writes it
        // Release: a writer of another lock, which this entry named before, may find this note and take the other one to
        // be gone; it must see what was done under it. The fence that follows orders the note before the look at the lock.
        e.store_release(&lock);
        return true;
      }
    return false;
  }
  /// Takes a note back, and so gives the lock up; false when there is none.
  [[nodiscard]] bool give(word const& lock) {
    for (entry& e : held_)
      if (e.load_relaxed() == &lock) {
        // Release: the writer that finds it gone sees what was done under the lock. The lock may be gone after this.
        e.store_release(nullptr);
        // A writer sets the signal and then looks at the note, with a heavy fence between. So here the signal is seen, or
        // the writer sees that the note is gone. Relaxed, as the fence orders it.
        Platform::light_fence();
        if (signal_.load_relaxed() != 0) {
          signal_.store(0);
          Platform::wake_all(signal_);
        }
        return true;
      }
    return false;
  }

  /// Acquire: see `give`.
  [[nodiscard]] bool holds(word const& lock) const {
    for (entry const& e : held_)
      if (e.load_acquire() == &lock) return true;
    return false;
  }
  void wait_until_given(word const& lock) {
    for (unsigned round = 0; holds(lock); ++round) {
      if (round < Platform::spins) {
        Platform::relax(round);
        continue;
      }
      signal_.store(1);
      Platform::heavy_fence();
      if (holds(lock)) Platform::wait(signal_, 1);
    }
  }

  // The section of the thread.
  void enter(std::uint64_t epoch) {
    // Release: who finds this epoch takes it that older sections of the thread are over, and must see what they did.
    section_.store_release(epoch);
  }
  /// Release: who finds the slot outside sees what was done in the section.
  void leave() { section_.store_release(outside); }
  /// Acquire: see `enter` and `leave`.
  [[nodiscard]] std::uint64_t section() const { return section_.load_acquire(); }

  /// True for the thread that gets the slot.
  [[nodiscard]] bool take() { return taken_.exchange(1) == 0; }
  void give_back() { taken_.store(0); }

 private:
  using entry = typename Platform::template atomic<word const*>;

  std::array<entry, Platform::max_held> held_{};
  typename Platform::template atomic<std::uint64_t> section_{outside};
  word signal_{0};  // 1: a writer waits for a note to go
  word taken_{0};
};

/// The slots of all threads of a process, and the epoch of their sections.
///
/// A thread that comes when all slots are taken does without: its locks are counted in their words, and its sections in
/// one of two counters, by the parity of the epoch that they found.
template <class Platform>
class reader_slots {
  using slot = reader_slot<Platform>;

 public:
  /// Where a section is noted.
  struct section {
    slot* own;
    std::size_t counter;
  };
  /// What is waited for: the sections of older epochs.
  struct grace {
    std::uint64_t epoch = 0;
    std::array<bool, 2> seen_empty{};  ///< the counters, once each
  };

  /// A slot for a thread, or null when there is none left.
  [[nodiscard]] slot* take() {
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].take()) {
        // Before the slot is first used. Who looks for slots after a heavy fence sees it, or what the thread looks at then
        // comes after the fence: as with the slots themselves.
        std::uint32_t known = known_.load();
        while (known <= i && !known_.compare_exchange(known, static_cast<std::uint32_t>(i + 1))) {
        }
        return &slots_[i];
      }
    return nullptr;
  }
  [[nodiscard]] std::size_t number_of(slot const& s) const { return static_cast<std::size_t>(&s - slots_.data()); }

  /// Every slot that was ever used.
  template <class Visit>
  void for_each(Visit visit) {
    std::uint32_t const known = known_.load();
    for (std::uint32_t i = 0; i < known; ++i) visit(slots_[i]);
  }

  [[nodiscard]] section enter(slot* own) {
    // Acquire: a section that finds a new epoch sees all that was unlinked before the epoch was raised.
    std::uint64_t const epoch = epoch_.load_acquire();
    if (own == nullptr) {
      std::size_t const counter = epoch % 2;
      crowd_[counter].fetch_add(1);
      return {nullptr, counter};
    }
    own->enter(epoch);
    Platform::light_fence();
    return {own, 0};
  }
  void leave(section in) {
    if (in.own == nullptr)
      crowd_[in.counter].fetch_sub(1);
    else
      in.own->leave();
  }

  /// Begins to wait for the sections of now.
  [[nodiscard]] grace begin_grace() {
    grace g{epoch_.fetch_add(1) + 1, {}};
    Platform::heavy_fence();
    return g;
  }
  /// True when each section that was entered before `begin_grace` is left.
  [[nodiscard]] bool is_over(grace& g) {
    bool all_out = true;
    for_each([&](slot& s) {
      std::uint64_t const found = s.section();
      all_out = all_out && (found == slot::outside || found >= g.epoch);
    });
    // A section that counts itself after this look also looks at things after it.
    for (std::size_t i = 0; i < crowd_.size(); ++i) g.seen_empty[i] = g.seen_empty[i] || crowd_[i].load() == 0;
    std::uint64_t now = epoch_.load();
    bool const other_is_due = g.seen_empty[1 - now % 2] && !g.seen_empty[now % 2];
    if (other_is_due) static_cast<void>(epoch_.compare_exchange(now, now + 1));  // else it might never be empty
    return all_out && g.seen_empty[0] && g.seen_empty[1];
  }

 private:
  std::array<slot, Platform::max_slots> slots_{};
  alignas(64) typename Platform::template atomic<std::uint64_t> epoch_{1};
  typename Platform::template atomic<std::uint32_t> known_{0};
  alignas(64) std::array<typename Platform::template atomic<std::uint64_t>, 2> crowd_{};
};

}  // namespace svm::inline v0
