// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include <explore/toys.hpp>
#include <support/sanitized.hpp>
#include <svm/mock/machine/random.hpp>

using namespace svm::explore;

namespace {

struct words {
  std::array<toys::word, 4> all;
};

/// Threads of steps without effect that read and write what they say.
struct published {
  std::array<object, 4> objects{1, 2, 3, 4};
};

void reads(scenario<published>& s, char const* thread, std::uint64_t o, int steps) {
  s.thread(thread).does("read", [=](published&) {
    for (int i = 0; i < steps; ++i) point("read", {o}, {});
  });
}
void writes(scenario<published>& s, char const* thread, std::uint64_t o, int steps) {
  s.thread(thread).does("write", [=](published&) {
    for (int i = 0; i < steps; ++i) point("write", {}, {o});
  });
}

struct counts {
  std::uint64_t naive;    ///< interleavings
  std::uint64_t classes;  ///< that differ in the order of conflicting steps
};
[[nodiscard]] counts count(basic_scenario& s) {
  report const naive = search(s, bounded{bounded::unlimited});
  report const reduced = search(s, exhaustive{});
  CHECK(naive.exhausted);
  CHECK(reduced.exhausted);
  CHECK(naive.distinct == reduced.distinct);
  CHECK(reduced.distinct == reduced.complete);
  return {naive.complete, reduced.complete};
}

// Programs for the comparison: a few operations on words and locks, from a seed.
struct machine {
  std::array<toys::word, 2> shared;
  std::array<toys::range_mutex, 2> locks;
  std::array<svm::explore::lock_policy::shared_mutex<svm::lock_rank::mm>, 2> shared_locks;
  svm::explore::lock_policy::event second_ended;
  toys::range_mutex end_lock;
  bool has_second_ended = false;
  std::array<std::uint32_t, 2> guarded{};
  std::array<std::uint64_t, 3> seen{};  ///< by each thread
};

void tell_end(machine& m) {
  toys::lock(m.end_lock);
  m.has_second_ended = true;
  m.second_ended.notify_all();
  toys::unlock(m.end_lock);
}
void run_operation(machine& m, std::size_t thread, std::uint64_t code) {
  std::uint64_t& seen = m.seen[thread];
  std::size_t const at = code & 1;
  auto const number = static_cast<std::uint32_t>(3 * thread + 1);
  switch (code / 2 % 10) {
    case 0:
      seen = mix(seen, m.shared[at].load());
      break;
    case 1:
      m.shared[at].store(number);
      break;
    case 2:
      seen = mix(seen, m.shared[at].fetch_add(number));
      break;
    case 3: {
      std::uint32_t expected = 0;
      seen = mix(seen, m.shared[at].compare_exchange(expected, number) ? 1 : expected);
      break;
    }
    case 4:
      toys::lock(m.locks[at]);
      seen = mix(seen, m.guarded[at]);
      m.guarded[at] = 2 * m.guarded[at] + number;
      m.shared[1 - at].store(number);
      toys::unlock(m.locks[at]);
      break;
    case 5:
      toys::lock(m.shared_locks[at]);
      seen = mix(seen, m.shared[at].fetch_add(number));
      toys::unlock(m.shared_locks[at]);
      break;
    case 6:
      toys::lock_shared(m.shared_locks[at]);
      seen = mix(seen, m.shared[at].load());
      toys::unlock_shared(m.shared_locks[at]);
      break;
    case 7:
      for (int i = 0; i < 2 && m.shared[at].load() == 0; ++i) yield("not yet");
      seen = mix(seen, m.shared[at].load());
      break;
    case 8:
      if (thread != 0) break;
      toys::lock(m.end_lock);
      m.second_ended.wait(m.end_lock, [&] { return m.has_second_ended; });
      seen = mix(seen, m.shared[at].load());
      toys::unlock(m.end_lock);
      break;
    default:
      if (toys::try_lock(m.locks[at])) {
        m.guarded[at] += number;
        seen = mix(seen, m.shared[at].load());
        toys::unlock(m.locks[at]);
      } else {
        seen = mix(seen, 77);
      }
  }
}

/// Two or three threads of a few operations; collects the states in which it ends.
class program : public scenario<machine> {
 public:
  explicit program(std::uint64_t seed) : scenario{"program"} {
    svm::mock::random random{seed};
    std::size_t const count = 2 + random.below(2);
    for (std::size_t t = 0; t < count; ++t) {
      auto added = thread("t" + std::to_string(t));
      std::uint64_t const operations = count == 2 ? 2 + random.below(2) : 1 + random.below(2);
      for (std::uint64_t i = 0; i < operations; ++i) {
        std::uint64_t const code = random.next();
        yields = yields || code / 2 % 10 == 7;
        added.does("operation", [t, code](machine& m) { run_operation(m, t, code); });
      }
      if (t == 1) added.does("end", tell_end);
    }
    at_end([this](machine& m) {
      std::uint64_t h = 0;
      for (toys::word const& w : m.shared) h = mix(h, w.load());
      for (std::uint32_t const g : m.guarded) h = mix(h, g);
      for (std::uint64_t const v : m.seen) h = mix(h, v);
      ends.insert(h);
    });
  }

  std::set<std::uint64_t> ends;
  bool yields =
      false;  ///< so that the classes that are counted are too few: a yield may follow what it did not look at
};

}  // namespace

TEST_SUITE("explore/exhaustive") {
  TEST_CASE("threads that share nothing have one execution") {
    scenario<published> s{"independent"};
    writes(s, "a", 1, 2);
    writes(s, "b", 2, 2);
    writes(s, "c", 3, 2);
    counts const c = count(s);
    CHECK(c.naive == 90);  // 6! / (2! 2! 2!)
    CHECK(c.classes == 1);
  }

  TEST_CASE("readers of one object have one execution") {
    scenario<published> s{"readers"};
    reads(s, "a", 1, 2);
    reads(s, "b", 1, 2);
    counts const c = count(s);
    CHECK(c.naive == 6);
    CHECK(c.classes == 1);
  }

  TEST_CASE("two writers of two steps each have every one of their six orders") {
    scenario<published> s{"writers"};
    writes(s, "a", 1, 2);
    writes(s, "b", 1, 2);
    counts const c = count(s);
    CHECK(c.naive == 6);
    CHECK(c.classes == 6);
  }

  TEST_CASE("a writer among readers takes each place once") {
    // Two reads of a writer's object: before or after each, the readers in any order.
    scenario<published> s{"one writer"};
    writes(s, "writer", 1, 1);
    reads(s, "one", 1, 1);
    reads(s, "two", 1, 1);
    counts const c = count(s);
    CHECK(c.naive == 6);
    CHECK(c.classes == 4);
  }

  TEST_CASE("two critical sections have two orders, however long they are") {
    scenario<toys::two_locks> s{"sections"};
    for (char const* const name : {"a", "b"})
      s.thread(name).does("section", [](toys::two_locks& l) {
        toys::lock(l.first);
        toys::lock(l.second);
        toys::unlock(l.second);
        toys::unlock(l.first);
      });
    CHECK(count(s).classes == 2);
  }

  TEST_CASE("attempts on a free lock come before, in or after a section") {
    scenario<toys::two_locks> s{"attempt"};
    s.thread("owner").does("section", [](toys::two_locks& l) {
      toys::lock(l.first);
      point("inside", {}, {});
      toys::unlock(l.first);
    });
    s.thread("other").does("try", [](toys::two_locks& l) {
      if (toys::try_lock(l.first)) toys::unlock(l.first);
    });
    CHECK(count(s).classes == 3);
  }

  TEST_CASE("a step with more objects than a footprint holds still conflicts with each of them") {
    scenario<published> s{"many"};
    s.thread("all").does("write", [](published&) {
      point("all", {}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
    });
    s.thread("last").does("write", [](published&) { point("last", {}, {14}); });
    report const r = search(s, exhaustive{});
    CHECK(r.exhausted);
    CHECK(r.complete == 2);
  }

  TEST_CASE("waiting for a time conflicts with nobody") {
    scenario<published> s{"times"};
    for (std::uint64_t const t : {1U, 2U, 3U})
      s.thread("t" + std::to_string(t)).does("wait", [t](published&) { svm::explore::clock{}.wait_until({t}); });
    CHECK(count(s).classes == 1);
  }

  TEST_CASE("a loop that yields until a word changes has few executions, and they are all") {
    scenario<words> s{"spin"};
    s.thread("waiter").does("wait", [](words& w) {
      while (w.all[0].load() == 0) yield("not yet");
    });
    s.thread("other").does("work", [](words& w) {
      w.all[1].store(1);
      w.all[0].store(1);
    });
    report const r = search(s, exhaustive{});
    CHECK(r.exhausted);
    CHECK(r.complete == 2);
    report const naive = search(s, bounded{bounded::unlimited});
    CHECK(naive.exhausted);
  }

  TEST_CASE("random programs: no final state is missed, and no class of executions is seen twice") {
    for (std::uint64_t seed = 1; seed <= (support::sanitized ? 100 : 400); ++seed) {
      CAPTURE(seed);
      program reduced{seed};
      report const r = search(reduced, exhaustive{});
      REQUIRE(r.exhausted);
      if (!reduced.yields) CHECK(r.distinct == r.complete);
      program whole{seed};
      report const naive = search(whole, bounded{bounded::unlimited}, {.executions = 5'000});
      if (naive.exhausted) {
        CHECK(reduced.ends == whole.ends);
        if (!reduced.yields) CHECK(naive.distinct == r.complete);
      }
      program drawn{seed};
      report const random = search(drawn, uniform{}, {.executions = 200, .seed = seed});
      CHECK(random.distinct <= r.complete);
      for (std::uint64_t const end : drawn.ends) CHECK(reduced.ends.count(end) == 1);
    }
  }

  TEST_CASE("a seed means the same on every compiler") {
    program random{3};
    CHECK(search(random, uniform{}, {.executions = 500, .seed = 7}).hash == 15237057055560844403U);
    program priorities{3};
    CHECK(search(priorities, pct{3}, {.executions = 500, .seed = 7}).hash == 9509555908899132110U);
    program all{3};
    CHECK(search(all, exhaustive{}).hash == 12126289663336038531U);
  }

  TEST_CASE("the speed of a search is told") {
    toys::long_work s;
    auto const start = std::clock();
    report const r = search(s, uniform{}, {.executions = 20'000});
    auto const ticks = static_cast<double>(std::clock() - start);
    CHECK(!r.failed);
    MESSAGE(to_string(r), ", ", 1e9 * ticks / CLOCKS_PER_SEC / static_cast<double>(r.steps), " ns of CPU a step");
  }
}
