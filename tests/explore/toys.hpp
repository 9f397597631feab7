// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Small programs with a known bug, or with a known number of executions, for the tests of the explorer.

#include <array>
#include <cstddef>
#include <cstdint>

#include <svm/base/lock_rank.hpp>
#include <svm/config.hpp>
#include <svm/explore.hpp>

namespace toys {

namespace explore = svm::explore;
using svm::lock_rank;
using word = explore::lock_policy::atomic<std::uint32_t>;
using range_mutex = explore::lock_policy::mutex<lock_rank::range>;
using mm_mutex = explore::lock_policy::mutex<lock_rank::mm>;

/// One of each kind of strategy, for searches that must find the same thing.
class all_strategies {
 public:
  [[nodiscard]] auto begin() const { return all_.begin(); }
  [[nodiscard]] auto end() const { return all_.end(); }

 private:
  explore::exhaustive exhaustive_;
  explore::bounded naive_{explore::bounded::unlimited};
  explore::bounded bounded1_{1};
  explore::bounded bounded2_{2};
  explore::bounded bounded3_{3};
  explore::pct pct2_{2};
  explore::pct pct3_{3};
  explore::pct pct5_{5};
  explore::uniform uniform_;
  explore::weighted weighted_;
  std::array<explore::strategy*, 10> all_{&exhaustive_, &naive_, &bounded1_, &bounded2_, &bounded3_,
                                          &pct2_,       &pct3_,  &pct5_,     &uniform_,  &weighted_};
};

// Locks are taken and given up in ways that Clang's analysis would refuse, as its user would want.
template <class M>
void lock(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.lock();
}
template <class M>
void unlock(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.unlock();
}
template <class M>
void lock_shared(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.lock_shared();
}
template <class M>
void unlock_shared(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.unlock_shared();
}
template <class M>
[[nodiscard]] bool try_lock(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  return m.try_lock();
}
template <class M>
[[nodiscard]] bool try_lock_shared(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  return m.try_lock_shared();
}

struct account {
  word balance{0};
  word audits{0};
};

/// Deposits that read, add and write back; a third thread and other operations have nothing to do with the bug.
class lost_update : public explore::scenario<account> {
 public:
  lost_update() : scenario{"lost update"} {
    auto const deposit = [](account& a) { a.balance.store(a.balance.load() + 1); };
    auto const audit = [](account& a) { a.audits.fetch_add(1); };
    thread("alice").does("audit", audit).does("deposit", deposit);
    thread("bob").does("deposit", deposit).does("audit", audit);
    thread("clerk").does("audit", audit);
    at_end([](account& a) {
      if (a.balance.load() != 2) explore::fail("a deposit is lost");
    });
  }
};

struct two_locks {
  range_mutex first;
  mm_mutex second;
};

class wrong_order : public explore::scenario<two_locks> {
 public:
  wrong_order() : scenario{"wrong order"} {
    thread("up").does("first, second", [](two_locks& l) {
      lock(l.first);
      lock(l.second);
      unlock(l.second);
      unlock(l.first);
    });
    thread("down").does("second, first", [](two_locks& l) {
      lock(l.second);
      lock(l.first);
      unlock(l.first);
      unlock(l.second);
    });
  }
};

/// Nothing wrong, in executions of 30 steps.
class long_work : public explore::scenario<two_locks> {
 public:
  long_work() : scenario{"long work"} {
    for (char const* const name : {"a", "b", "c"})
      thread(name).does("work", [](two_locks& l) {
        for (int i = 0; i < 5; ++i) {
          lock(l.first);
          lock(l.second);
          unlock(l.second);
          unlock(l.first);
        }
      });
  }
};

struct doorway {
  std::array<word, 2> wants;
};

/// Each of two who both want to pass lets the other go first.
class too_polite : public explore::scenario<doorway> {
 public:
  too_polite() : scenario{"too polite"} {
    for (std::size_t const self : {0U, 1U})
      thread(self == 0 ? "left" : "right").does("pass", [self](doorway& d) {
        d.wants[self].store(1);
        while (d.wants[1 - self].load() != 0) explore::yield("after you");
        d.wants[self].store(0);
      });
  }
};

struct mailbox {
  range_mutex guard;
  explore::lock_policy::event arrived;
  word full{0};
};

/// The mail is put in without the lock, so that the news of it can come between the reader's look and its wait.
class missed_wake_up : public explore::scenario<mailbox> {
 public:
  missed_wake_up() : scenario{"missed wake-up"} {
    thread("reader").does("wait", [](mailbox& m) {
      lock(m.guard);
      m.arrived.wait(m.guard, [&] { return m.full.load() != 0; });
      unlock(m.guard);
    });
    thread("postman").does("deliver", [](mailbox& m) {
      m.full.store(1);
      m.arrived.notify_all();
    });
  }
};

}  // namespace toys
