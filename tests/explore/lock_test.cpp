// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <explore/toys.hpp>

using namespace svm::explore;

namespace {

using notifier_mutex = svm::explore::lock_policy::shared_mutex<svm::lock_rank::notifier>;

struct guarded {
  notifier_mutex both;
  toys::range_mutex one;
  svm::explore::lock_policy::event changed;
  std::uint32_t readers = 0;
  std::uint32_t writers = 0;
  bool met = false;
  std::uint32_t ready = 0;
};

/// Two objects, of which readers look at the current one.
struct shelf {
  static constexpr std::uint32_t nothing = 2;
  struct object : svm::retire_hook {
    explicit object(bool& note) : retire_hook(&object::note_it), note_(note) {}

   private:
    static void note_it(retire_hook& hook) noexcept {
      point("releasing", {}, {{"released", 0}});
      static_cast<object&>(hook).note_ = true;
    }
    bool& note_;
  };

  /// A step in which a thread looks at an object.
  void look(std::size_t thread, std::uint32_t at) {
    point("reading", {{"released", at}}, {{"looks at", thread}});
    looks_at[thread] = at;
    if (released[at]) fail("a reader looks at what was released");
  }
  void look_away(std::size_t thread) {
    point("looking away", {}, {{"looks at", thread}});
    looks_at[thread] = nothing;
  }
  [[nodiscard]] std::array<std::uint32_t, 2> where_all_look() const {
    point("counting", {{"looks at", 0}, {"looks at", 1}}, {});
    return looks_at;
  }

  svm::explore::lock_policy::read_domain domain;
  toys::word current{0};
  std::array<std::uint32_t, 2> looks_at{nothing, nothing};
  std::array<bool, 2> released{};
  object old{released[0]};
};

[[nodiscard]] bool says(report const& r, std::string_view text) {
  return r.failed && r.failed->kind == failure_kind::violation && r.failed->text.find(text) != std::string::npos;
}

/// What is said when one thread does `f`.
template <class F>
[[nodiscard]] report alone(F f) {
  scenario<guarded> s{"alone"};
  s.thread("only").does("misuse", f);
  return search(s, exhaustive{});
}

}  // namespace

TEST_SUITE("explore/lock") {
  TEST_CASE("a shared mutex has one writer or any number of readers, in every order") {
    static bool readers_met;
    readers_met = false;
    scenario<guarded> s{"readers and writer"};
    for (char const* const name : {"one", "two"})
      s.thread(name).does("read", [](guarded& g) {
        toys::lock_shared(g.both);
        ++g.readers;
        point("reading", {}, {});
        --g.readers;
        toys::unlock_shared(g.both);
      });
    s.thread("writer").does("write", [](guarded& g) {
      toys::lock(g.both);
      ++g.writers;
      point("writing", {}, {});
      --g.writers;
      toys::unlock(g.both);
    });
    s.after_each_step([](guarded& g) {
      readers_met = readers_met || g.readers == 2;
      if (g.writers != 0 && g.readers != 0) fail("a reader beside the writer");
    });
    report const r = search(s, bounded{bounded::unlimited});
    CHECK(r.exhausted);
    CHECK(r.complete > 10);
    CHECK(readers_met);
    CHECK(search(s, exhaustive{}).exhausted);
  }

  TEST_CASE("an attempt on a lock that is held comes back with nothing") {
    scenario<guarded> s{"attempts"};
    s.thread("owner").does("own", [](guarded& g) {
      toys::lock(g.both);
      g.writers = 1;
      point("inside", {}, {});
      g.writers = 0;
      toys::unlock(g.both);
    });
    s.thread("other").does("try", [](guarded& g) {
      if (toys::try_lock_shared(g.both)) {
        if (g.writers != 0) fail("shared beside the owner");
        if (toys::try_lock(g.both)) fail("exclusive beside oneself");
        toys::unlock_shared(g.both);
      }
      if (toys::try_lock(g.both)) {
        if (g.writers != 0) fail("exclusive beside the owner");
        toys::unlock(g.both);
      }
    });
    CHECK(search(s, bounded{bounded::unlimited}).exhausted);
  }

  TEST_CASE("who waits for an event gives the lock up, and has it again when the event came") {
    scenario<guarded> s{"event"};
    for (char const* const name : {"one", "two"})
      s.thread(name).does("wait", [](guarded& g) {
        toys::lock(g.one);
        g.changed.wait(g.one, [&] { return g.ready != 0; });
        g.one.assert_held();
        toys::unlock(g.one);
      });
    s.thread("setter").does("set", [](guarded& g) {
      toys::lock(g.one);
      g.ready = 1;
      toys::unlock(g.one);
      g.changed.notify_all();
    });
    CHECK(search(s, exhaustive{}).exhausted);
    CHECK(search(s, bounded{2}).exhausted);
  }

  TEST_CASE("misuse of a lock is a failure that names it") {
    CHECK(says(alone([](guarded& g) { toys::unlock(g.one); }), "range #0.2 is given up by who does not hold it so"));
    CHECK(says(alone([](guarded& g) { g.one.assert_held(); }), "range #0.2 is not held"));
    CHECK(says(alone([](guarded& g) { g.both.assert_held_shared(); }), "notifier #0.1 is not held"));
    CHECK(says(alone([](guarded& g) {
                 toys::lock_shared(g.both);
                 g.both.assert_held();
                 toys::unlock_shared(g.both);
               }),
               "notifier #0.1 is not held"));
    CHECK(says(alone([](guarded&) {
                 toys::range_mutex own;
                 toys::lock(own);
               }),
               "range #1.1 is destroyed while it is held"));
    report const twice = alone([](guarded& g) {
      toys::lock(g.one);
      toys::lock(g.one);
    });
    REQUIRE(twice.failed);
    CHECK(twice.failed->kind == failure_kind::deadlock);
    CHECK(twice.failed->text.find("waits for range #0.2, held by only") != std::string::npos);
  }

  TEST_CASE("a lock that is destroyed under a waiting thread is a failure") {
    struct holder {
      toys::range_mutex* inner = new toys::range_mutex;
    };
    scenario<holder> s{"destroyed"};
    s.thread("owner").does("destroy", [](holder& h) {
      toys::lock(*h.inner);
      toys::unlock(*h.inner);
      delete h.inner;
    });
    // It waits from the beginning, since threads run up to their first steps before the first choice.
    s.thread("other").does("lock", [](holder& h) {
      toys::lock(*h.inner);
      toys::unlock(*h.inner);
    });
    CHECK(says(search(s, bounded{1}), "is destroyed while a thread waits for it"));
  }

  TEST_CASE("time goes on when nobody else can, to the first moment that somebody waits for") {
    struct diary {
      std::array<std::uint64_t, 2> woken{};
      toys::word steps{0};
    };
    scenario<diary> s{"time"};
    s.thread("early").does("wait", [](diary& d) {
      svm::explore::clock c;
      c.wait_until({100});
      c.wait_until({50});
      d.woken[0] = c.now().nanoseconds;
    });
    s.thread("late").does("wait", [](diary& d) {
      svm::explore::clock c;
      c.wait_until({300});
      d.woken[1] = c.now().nanoseconds;
      if (d.steps.load() != 2) fail("time went on while somebody could");
    });
    s.thread("busy").does("work", [](diary& d) {
      d.steps.fetch_add(1);
      d.steps.fetch_add(1);
    });
    s.at_end([](diary& d) {
      if (d.woken[0] != 100 || d.woken[1] != 300) fail("woken at another time");
    });
    report const r = search(s, exhaustive{});
    CHECK(r.exhausted);
    CHECK(r.complete == 1);
  }

  TEST_CASE("a loop that yields until a deadline ends") {
    scenario<guarded> s{"deadline"};
    s.thread("only").does("wait", [](guarded&) {
      svm::explore::clock c;
      while (is_before(c.now(), {svm::milliseconds(20).nanoseconds})) yield("not yet");
    });
    report const r = search(s, exhaustive{});
    CHECK(r.exhausted);
    CHECK(r.longest == 20);
  }

  TEST_CASE("after a release others may come first, where that is a step of its own") {
    struct leaky {
      toys::range_mutex m;
      std::uint32_t value = 0;
      bool done = false;
    };
    scenario<leaky> s{"too early"};
    s.thread("writer").does("write", [](leaky& l) {
      toys::lock(l.m);
      l.done = true;
      toys::unlock(l.m);
      l.value = 1;  // too late: the lock is gone
    });
    s.thread("reader").does("read", [](leaky& l) {
      toys::lock(l.m);
      if (l.done && l.value == 0) fail("done without a value");
      toys::unlock(l.m);
    });
    CHECK(search(s, exhaustive{}).exhausted);
    report const r = search(s, exhaustive{}, {.release = releases::own_step});
    CHECK(says(r, "done without a value"));
    REQUIRE(r.failed);
    CHECK(r.failed->replay.find(":exhaustive+:") != std::string::npos);
    auto const again = replay(s, r.failed->replay);
    REQUIRE(again);
    CHECK(again->failed.hash == r.failed->hash);
    CHECK(shrink(s, *r.failed));
  }

  TEST_CASE("a retired object is released after the last reader from before, and beside later ones, in every order") {
    static bool beside_a_later_reader;
    static bool by_a_reader;
    beside_a_later_reader = by_a_reader = false;
    scenario<shelf> s{"readers and retire"};
    for (std::size_t const self : {0U, 1U})
      s.thread(self == 0 ? "one" : "two").does("read", [self](shelf& b) {
        auto const section = b.domain.enter();
        std::uint32_t const seen = b.current.load();
        b.look(self, seen);
        b.look_away(self);
        b.domain.leave(section);
        if (seen == 0 && b.released[0]) by_a_reader = true;
      });
    s.thread("writer").does("replace", [](shelf& b) {
      b.current.store(1);
      b.domain.retire(b.old);
      b.domain.synchronize();
      if (!b.released[0] || b.domain.retired() != 0) fail("an object outlives synchronize");
      auto const looks_at = b.where_all_look();
      if (looks_at[0] == 0 || looks_at[1] == 0) fail("a reader from before is inside");
      if (looks_at[0] == 1 || looks_at[1] == 1) beside_a_later_reader = true;
    });
    report const r = search(s, exhaustive{});
    CAPTURE(to_string(r));
    CHECK(!r.failed);
    CHECK(r.exhausted);
    CHECK(by_a_reader);
    CHECK(beside_a_later_reader);
    CHECK(search(s, bounded{3}).exhausted);
  }

  TEST_CASE("a reader that looks after it left is seen to look at what was released") {
    scenario<shelf> s{"too late"};
    s.thread("reader").does("read", [](shelf& b) {
      auto const section = b.domain.enter();
      std::uint32_t const seen = b.current.load();
      b.domain.leave(section);
      b.look(0, seen);
    });
    s.thread("writer").does("replace", [](shelf& b) {
      b.current.store(1);
      b.domain.retire(b.old);
    });
    CHECK(says(search(s, exhaustive{}), "a reader looks at what was released"));
  }

  TEST_CASE("synchronize returns when the readers from before it left, in every order") {
    scenario<shelf> s{"synchronize"};
    for (std::size_t const self : {0U, 1U})
      s.thread(self == 0 ? "one" : "two").does("read", [self](shelf& b) {
        auto const section = b.domain.enter();
        b.look(self, 0);
        b.look_away(self);
        b.domain.leave(section);
      });
    s.thread("closer").does("close", [](shelf& b) {
      auto const before = b.where_all_look();
      b.domain.synchronize();
      auto const after = b.where_all_look();
      for (std::size_t const self : {0U, 1U})
        if (before[self] == 0 && after[self] == 0) fail("a reader from before is inside");
    });
    report const r = search(s, exhaustive{});
    CAPTURE(to_string(r));
    CHECK(!r.failed);
    CHECK(r.exhausted);
  }

  TEST_CASE("misuse of a read domain is a failure that names it") {
    auto const misuse = [](auto f) {
      scenario<shelf> s{"misuse"};
      s.thread("only").does("misuse", f);
      return search(s, exhaustive{});
    };
    CHECK(says(misuse([](shelf& b) {
                 static_cast<void>(b.domain.enter());
                 static_cast<void>(b.domain.enter());
               }),
               "is entered twice by one thread"));
    CHECK(says(misuse([](shelf& b) { b.domain.leave({}); }), "read domain #0.1 is left by who is not in it"));
    CHECK(says(misuse([](shelf& b) {
                 auto const section = b.domain.enter();
                 b.domain.retire(b.old);
                 b.domain.leave(section);
               }),
               "is retired into from inside"));
    CHECK(says(misuse([](shelf& b) {
                 auto const section = b.domain.enter();
                 b.domain.synchronize();
                 b.domain.leave(section);
               }),
               "is waited for from inside"));
    CHECK(says(misuse([](shelf&) {
                 svm::explore::lock_policy::read_domain own;
                 static_cast<void>(own.enter());
               }),
               "read domain #1.1 is destroyed while it is in use"));
  }

  TEST_CASE("outside of a scenario the policy works for one thread") {
    notifier_mutex m;
    toys::lock(m);
    CHECK(!toys::try_lock_shared(m));
    m.assert_held();
    toys::unlock(m);
    CHECK(toys::try_lock_shared(m));
    toys::unlock_shared(m);
    toys::word w{3};
    CHECK(w.fetch_add(4) == 3);
    CHECK(w.load() == 7);
    point("nothing", {}, {});
    yield("nothing");
    CHECK(seed() == 0);
  }
}
