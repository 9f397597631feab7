// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The notifier list on real threads: events walk the tree without its lock while others come and go.

#include <svm/port/notifier_list.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <svm/std/std_lock.hpp>

namespace {

using list = svm::port::notifier_list<svm::std_lock>;

constexpr std::uint64_t universe = 1024;

svm::va_range any_span(svm::mock::random& draw) {
  std::uint64_t const start = draw.below(universe);
  return {{start}, {1 + draw.below(universe - start)}};
}

struct target final : svm::invalidation_target {
  list* home = nullptr;
  list::registration registration;
  svm::std_lock::mutex<svm::lock_rank::notifier> lock;
  std::atomic<bool> registered{false};
  std::atomic<int> pending{0};
  std::atomic<bool> broken{false};

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const&,
                                                    std::uint64_t sequence) noexcept override {
    if (!registered.load()) broken.store(true);
    svm::exclusive_guard const guard{lock};
    home->set_sequence(registration, sequence);
    pending.fetch_add(1);
    return svm::invalidation_answer::pending;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {
    if (pending.fetch_sub(1) < 1) broken.store(true);
  }
};

}  // namespace

TEST_SUITE("port/notifier_list, threads") {
  TEST_CASE("no callback runs for who is not registered, and the list is sound after events, insertions and removals") {
    constexpr int rounds = 300;
    list all;
    std::array<std::array<target, 20>, 2> groups;
    for (auto& group : groups)
      for (target& t : group) t.home = &all;
    std::vector<std::thread> threads;
    for (std::uint64_t n = 0; n < groups.size(); ++n)
      threads.emplace_back([&all, &group = groups[n], n] {
        svm::mock::random draw{n};
        for (int i = 0; i < rounds; ++i) {
          target& t = group[draw.below(group.size())];
          if (t.registered.load()) {
            static_cast<void>(all.read_begin(t.registration));
            all.remove(t.registration);
            if (t.pending.load() != 0) t.broken.store(true);
            t.registered.store(false);
          } else {
            t.registered.store(true);
            all.insert(t.registration, any_span(draw), t);
          }
        }
        for (target& t : group)
          if (t.registered.load()) all.remove(t.registration);
      });
    for (std::uint64_t n = 0; n < 2; ++n)
      threads.emplace_back([&all, n] {
        svm::mock::random draw{100 + n};
        for (int i = 0; i < rounds; ++i)
          static_cast<void>(all.invalidate({any_span(draw), svm::invalidation_cause::clear}, [] {}));
      });
    for (std::thread& t : threads) t.join();
    for (auto const& group : groups)
      for (target const& t : group) {
        CHECK_FALSE(t.broken.load());
        CHECK(t.pending.load() == 0);
      }
    CHECK(all.is_quiet());
    CHECK(all.check());
    CHECK(all.registered() == 0);
  }
}
