// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A test of the tester: broken toys are found by every strategy, shrunk, and seen again by their replay strings.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <explore/toys.hpp>

using namespace svm::explore;

namespace {

/// A form that a shrunk bug may have; where the threads are alike there are two.
struct form {
  std::string_view choices;  ///< the end of the replay string
  std::string_view first;    ///< the step that must not come first
  std::string_view second;
};

[[nodiscard]] bool has_form(shrunk_failure const& small, std::initializer_list<form> forms) {
  for (form const& f : forms)
    if (small.order && small.failed.replay.ends_with(f.choices) && small.order->first == f.first &&
        small.order->second == f.second)
      return true;
  return false;
}

void found_by_every_strategy(basic_scenario& s, failure_kind kind, std::string_view text,
                             std::initializer_list<form> forms) {
  for (strategy* const how : toys::all_strategies{}) {
    report const r = search(s, *how, {.executions = 10'000});
    CAPTURE(to_string(r));
    REQUIRE(r.failed);
    CHECK(r.failed->kind == kind);
    CHECK(r.failed->text.find(text) != std::string::npos);

    std::optional<replayed> const again = replay(s, r.failed->replay);
    REQUIRE(again);
    bool const same = again->how == ending::failed && again->failed.text == r.failed->text &&
                      again->failed.hash == r.failed->hash && !again->strayed;
    CHECK(same);

    std::optional<shrunk_failure> const small = shrink(s, *r.failed);
    REQUIRE(small);
    CAPTURE(to_string(*small));
    CHECK(small->failed.kind == kind);
    CHECK(small->failed.steps <= r.failed->steps);
    CHECK(has_form(*small, forms));
    std::optional<replayed> const small_again = replay(s, small->failed.replay);
    REQUIRE(small_again);
    CHECK(small_again->failed.hash == small->failed.hash);
  }
}

}  // namespace

TEST_SUITE("explore/toys") {
  TEST_CASE("a lost update is found by every strategy, and shrunk to two deposits") {
    toys::lost_update s;
    found_by_every_strategy(s, failure_kind::violation, "a deposit is lost",
                            {{":0,1", "bob in \"deposit\", its step 1: load atomic #0.1",
                              "alice in \"deposit\", its step 2: store atomic #0.1"},
                             {":1,0", "alice in \"deposit\", its step 1: load atomic #0.1",
                              "bob in \"deposit\", its step 2: store atomic #0.1"}});
  }

  TEST_CASE("locks in the wrong order are found by every strategy, with who waits for whom") {
    toys::wrong_order s;
    found_by_every_strategy(s, failure_kind::deadlock, "up in \"first, second\": waits for mm #0.2, held by down",
                            {{":0,1", "down in \"second, first\", its step 1: lock mm #0.2",
                              "up in \"first, second\", its step 2: lock mm #0.2"},
                             {":1,0", "up in \"first, second\", its step 1: lock range #0.1",
                              "down in \"second, first\", its step 2: lock range #0.1"}});
  }

  TEST_CASE("two who wait for each other without end are found by every strategy") {
    toys::too_polite s;
    found_by_every_strategy(
        s, failure_kind::livelock, "left in \"pass\": yields at after you",
        {{":0,1", "right in \"pass\", its step 1: store atomic #0.2", "left in \"pass\", its step 2: load atomic #0.2"},
         {":1,0", "left in \"pass\", its step 1: store atomic #0.1",
          "right in \"pass\", its step 2: load atomic #0.1"}});
  }

  TEST_CASE("a missed wake-up is found by every strategy, and the waker is not left out") {
    toys::missed_wake_up s;
    found_by_every_strategy(s, failure_kind::deadlock, "waits for event #0.2, which nobody notifies",
                            {{":0x2,1", "postman in \"deliver\", its step 2: notify event #0.2",
                              "reader in \"wait\", its step 3: wait event #0.2"}});
  }

  TEST_CASE("what is left out of a shrunk failure stands in its replay string") {
    toys::lost_update s;
    report const r = search(s, exhaustive{});
    REQUIRE(r.failed);
    std::optional<shrunk_failure> const small = shrink(s, *r.failed);
    REQUIRE(small);
    CHECK(small->failed.replay ==
          std::string{"svm1:lost update~0.0~1.1~2:"} + svm::version_string + ":exhaustive:0:0,1");
    CHECK(small->failed.steps == 4);
    CHECK(small->executions < 1000);
  }

  TEST_CASE("a search that is repeated does the same") {
    toys::lost_update s;
    toys::all_strategies const fresh;
    auto const* again = fresh.begin();
    for (strategy* const how : toys::all_strategies{}) {
      CAPTURE(how->name());
      report const one = search(s, *how, {.executions = 500});
      report const two = search(s, **again++, {.executions = 500});
      CHECK(one.hash == two.hash);
      CHECK(one.steps == two.steps);
    }
  }

  TEST_CASE("another seed takes other ways") {
    toys::lost_update s;
    report const one = search(s, uniform{}, {.executions = 50, .seed = 1});
    CHECK(one.hash != search(s, uniform{}, {.executions = 50, .seed = 2}).hash);
  }
}
