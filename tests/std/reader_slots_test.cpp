// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/reader_slots.hpp>

#include <array>
#include <cstddef>
#include <memory>

#include <doctest/doctest.h>

#include <svm/std/distributed_lock.hpp>

using namespace svm;

namespace {

using slots = reader_slots<thread_platform>;
using slot = reader_slot<thread_platform>;

}  // namespace

TEST_SUITE("std/reader_slots") {
  TEST_CASE("sections from before are waited for, later ones are not") {
    auto const all = std::make_unique<slots>();
    slot* const one = all->take();
    slot* const two = all->take();
    auto const before = all->enter(one);
    auto grace = all->begin_grace();
    CHECK_FALSE(all->is_over(grace));
    auto const later = all->enter(two);
    CHECK_FALSE(all->is_over(grace));
    all->leave(before);
    CHECK(all->is_over(grace));
    all->leave(later);
    CHECK(all->is_over(grace));
  }

  TEST_CASE("sections without a slot that are never all over do not hold up who waits") {
    auto const all = std::make_unique<slots>();
    auto const first = all->enter(nullptr);
    auto grace = all->begin_grace();
    auto const second = all->enter(nullptr);
    CHECK_FALSE(all->is_over(grace));
    all->leave(first);
    CHECK_FALSE(all->is_over(grace));
    auto const third = all->enter(nullptr);
    all->leave(second);
    CHECK(all->is_over(grace));
    all->leave(third);
  }

  TEST_CASE("a slot has room for so many notes, and each is taken back by itself") {
    auto const all = std::make_unique<slots>();
    slot* const own = all->take();
    std::array<slot::word, thread_platform::max_held + 1> locks{};
    for (std::size_t i = 0; i < thread_platform::max_held; ++i) CHECK(own->note(locks[i]));
    CHECK_FALSE(own->note(locks[thread_platform::max_held]));
    CHECK_FALSE(own->give(locks[thread_platform::max_held]));
    CHECK(own->give(locks[1]));
    CHECK_FALSE(own->holds(locks[1]));
    CHECK(own->holds(locks[0]));
    CHECK(own->note(locks[thread_platform::max_held]));
    CHECK(own->holds(locks[thread_platform::max_held]));
  }

  TEST_CASE("slots are taken from the first on, until there are no more") {
    auto const all = std::make_unique<slots>();
    slot* const first = all->take();
    CHECK(all->number_of(*first) == 0);
    std::size_t taken = 1;
    while (all->take() != nullptr) ++taken;
    CHECK(taken == thread_platform::max_slots);
    first->give_back();
    CHECK(all->take() == first);
  }

  TEST_CASE("what every range and notifier has stays small: a lock is a word, and a slot a line") {
    CHECK(sizeof(distributed_lock::mutex<lock_rank::range>) == 4);
    CHECK(sizeof(distributed_lock::shared_mutex<lock_rank::notifier>) == 4);
    CHECK(sizeof(distributed_lock::event) == 4);
    CHECK(sizeof(slot) == 64);
    CHECK(sizeof(distributed_lock::read_domain) <= 2048);
  }
}
