// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <explore/toys.hpp>

using namespace svm::explore;

namespace {

int alive = 0;  // objects of type `counted`

struct counted {
  counted() { ++alive; }
  counted(counted const&) = delete;
  counted& operator=(counted const&) = delete;
  ~counted() { --alive; }
};

struct state {
  counted one;
  toys::word shared{0};
};

char const* brittle_when = "";

/// Fails when it is made or destroyed, as `brittle_when` says.
struct brittle {
  brittle() {
    if (made) fail("made");
  }
  ~brittle() {
    if (destroyed) fail("destroyed");
  }
  bool made = std::string_view{brittle_when} == "made";
  bool destroyed = std::string_view{brittle_when} == "destroyed";
};

/// What a child process that runs `f` writes to its standard error.
[[nodiscard]] std::string last_words(void (*f)()) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  pid_t const child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 2);
    svm::assertion_handler = [](svm::assertion_failure const&) { std::_Exit(1); };
    f();
    std::_Exit(0);
  }
  ::close(ends[1]);
  std::string words;
  char c = 0;
  while (::read(ends[0], &c, 1) == 1) words += c;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return words;
}

/// Gives each execution up after two steps.
class loses_interest final : public strategy {
 public:
  [[nodiscard]] std::string name() const override { return "loses interest"; }
  [[nodiscard]] bool start(std::uint64_t, std::size_t) override {
    left_ = 2;
    return true;
  }
  [[nodiscard]] std::size_t choose(decision const& d) override { return left_-- == 0 ? nobody : first_of(d.enabled); }

 private:
  int left_ = 0;
};

}  // namespace

TEST_SUITE("explore/scheduler") {
  TEST_CASE("after a failure the threads run to their ends, and everything is destroyed") {
    alive = 0;
    scenario<state> s{"failing"};
    for (char const* const name : {"a", "b"})
      s.thread(name).does("work", [](state& x) {
        counted const local;
        if (x.shared.fetch_add(1) == 0) fail("the first");
        if (x.shared.fetch_add(1) == 3) fail("the last");
      });
    s.after_each_step([](state& x) {
      if (alive > 3 || x.shared.load() > 4) fail("too much");
    });
    report const r = search(s, bounded{bounded::unlimited});
    REQUIRE(r.failed);
    CHECK(r.failed->text == "the first");
    CHECK(r.failed->steps == 1);
    CHECK(alive == 0);
  }

  TEST_CASE("executions that are given up are run to their ends") {
    alive = 0;
    scenario<state> s{"independent"};
    for (char const* const name : {"a", "b", "c"})
      s.thread(name).does("work", [name](state&) {
        counted const local;
        object const own{name, 0};
        point("one", {}, {own});
        point("two", {}, {own});
      });
    s.at_end([](state&) {
      if (alive != 1) fail("a thread has not ended");
    });
    report const r = search(s, loses_interest{}, {.executions = 10});
    CHECK(r.blocked == 10);
    CHECK(r.complete == 0);
    CHECK(r.longest == 2);
    CHECK(alive == 0);
  }

  TEST_CASE("after a deadlock stacks and state stay, and the next execution is not touched by it") {
    toys::wrong_order s;
    report const one = search(s, exhaustive{});
    report const again = search(s, exhaustive{});
    REQUIRE(one.failed);
    REQUIRE(again.failed);
    CHECK(one.failed->text == again.failed->text);
    scheduler on;
    for (int i = 0; i < 3; ++i) {
      auto const dead = parse_recording("svm1:wrong order:0.1.0:x:0:0,1", s.everything());
      REQUIRE(dead);
      CHECK(follow_recording(on, s, *dead).how == ending::failed);
      auto const fine = parse_recording("svm1:wrong order:0.1.0:x:0:0x2", s.everything());
      REQUIRE(fine);
      CHECK(follow_recording(on, s, *fine).how == ending::complete);
    }
  }

  TEST_CASE("a failure at the end, in the making or in the destruction of the state counts") {
    scenario<brittle> s{"brittle"};
    s.thread("only").does("nothing", [](brittle&) { point("nothing", {}, {}); });
    s.at_end([](brittle&) {
      if (std::string_view{brittle_when} == "at the end") fail("at the end");
    });
    CHECK(search(s, exhaustive{}).exhausted);
    for (char const* const when : {"made", "destroyed", "at the end"}) {
      brittle_when = when;
      report const r = search(s, exhaustive{});
      REQUIRE(r.failed);
      CHECK(r.failed->text == when);
    }
    brittle_when = "";
  }

  TEST_CASE("a scenario of no threads, and threads of no visible step, end at once") {
    scenario<state> s{"still"};
    CHECK(search(s, exhaustive{}).complete == 1);
    s.thread("idle");
    s.thread("quiet").does("nothing", [](state&) {});
    report const r = search(s, exhaustive{});
    CHECK(r.complete == 1);
    CHECK(r.exhausted);
    CHECK(r.longest == 0);
  }

  TEST_CASE("an operation that depends on what is not scheduled is a failure") {
    static int calls;
    calls = 0;
    scenario<state> s{"unsteady"};
    for (char const* const name : {"a", "b"})
      s.thread(name).does("work", [](state& x) {
        x.shared.fetch_add(1);
        if (++calls > 2) return;
        x.shared.fetch_add(1);
        x.shared.fetch_add(1);
      });
    report const r = search(s, bounded{bounded::unlimited});
    REQUIRE(r.failed);
    CHECK(r.failed->kind == failure_kind::nondeterminism);
  }

  TEST_CASE("a failure that does not come back when it is replayed is one of nondeterminism") {
    static bool once;
    once = true;
    scenario<state> s{"once"};
    s.thread("only").does("work", [](state& x) {
      x.shared.fetch_add(1);
      if (std::exchange(once, false)) fail("once");
    });
    report const r = search(s, exhaustive{});
    REQUIRE(r.failed);
    CHECK(r.failed->kind == failure_kind::nondeterminism);
  }

  TEST_CASE("a long execution that ends is no livelock, but the search is not exhausted") {
    scenario<state> s{"long"};
    s.thread("waiter").does("wait", [](state& x) {
      while (x.shared.load() == 0) {
      }
    });
    s.thread("other").does("set", [](state& x) { x.shared.store(1); });
    report const r = search(s, bounded{0}, {.max_steps = 100});
    CHECK(!r.failed);
    CHECK(r.cut == 1);
    CHECK(!r.exhausted);
  }

  TEST_CASE("each thread has its own local value, made anew for each execution") {
    scenario<state> s{"local"};
    for (int const number : {1, 2})
      s.thread(number == 1 ? "a" : "b").does("count", [number](state& x) {
        if (local<int>() != 0) fail("a value of before");
        local<int>() = number;
        x.shared.fetch_add(1);
        if (local<int>() != number) fail("a value of another thread");
      });
    s.after_each_step([](state&) {
      if (local<int>() != 0) fail("a value of a thread");
    });
    local<int>() = 7;
    CHECK(search(s, bounded{bounded::unlimited}).exhausted);
    CHECK(local<int>() == 7);
  }

  TEST_CASE("an assertion that fails in a thread says how to get there") {
    // The program dies, so a child runs it.
    std::string const said = last_words([] {
      scenario<state> s{"asserting"};
      s.thread("only").does("assert", [](state& x) {
        x.shared.fetch_add(1);
        SVM_ASSERT_OP(x.shared.load(), ==, 2u);
      });
      static_cast<void>(search(s, exhaustive{}));
    });
    CAPTURE(said);
    CHECK(said.find("x.shared.load() == 2u") != std::string::npos);
    CHECK(said.find("replay: svm1:asserting:") != std::string::npos);
  }
}
