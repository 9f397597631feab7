// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/explore/replay.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <explore/toys.hpp>

using namespace svm::explore;

namespace {

/// Three threads, of three operations, one and two.
constexpr selection three{7, 1, 3};

[[nodiscard]] std::string again(std::string_view text) {
  std::optional<recording> const r = parse_recording(text, three);
  return r ? to_string(*r, three) : "none";
}

}  // namespace

TEST_SUITE("explore/replay") {
  TEST_CASE("a replay string is read as it was written") {
    for (std::string_view const text :
         {"svm1:s:0.1.0:pct3:17:0x4,1,0x12", "svm1:s:0.1.0:exhaustive:0:", "svm1:a b:x:y+:18446744073709551615:2",
          "svm1:s~0.1~1:0.1.0:random:1:0,2", "svm1:s~0.0~0.2~2.1:0.1.0:random:1:0,1,2"})
      CHECK(again(text) == text);
  }

  TEST_CASE("runs that could be one are one") {
    CHECK(again("svm1:s:v:x:1:0,0,0x2,1") == "svm1:s:v:x:1:0x4,1");
  }

  TEST_CASE("what is no replay string is refused") {
    for (std::string_view const text : {"",
                                        "svm1",
                                        "svm2:s:v:x:1:0",
                                        "svm1:s:v:x",
                                        "svm1:s:v:x::0",
                                        "svm1:s:v:x:-1:0",
                                        "svm1:s:v:x:1:a",
                                        "svm1:s:v:x:1:0x",
                                        "svm1:s:v:x:1:0x0",
                                        "svm1:s:v:x:1:0x1x1",
                                        "svm1:s:v:x:1:16",
                                        "svm1:s:v:x:1:,0",
                                        "svm1:s:v:x:1:0x99999999999",
                                        "svm1:s:v:x:18446744073709551616:0",
                                        "svm1:s~3:v:x:1:0",
                                        "svm1:s~0.3:v:x:1:0",
                                        "svm1:s~0.64:v:x:1:0",
                                        "svm1:s~99:v:x:1:0",
                                        "svm1:s~x:v:x:1:0",
                                        "svm1:s~1~1:v:x:1:0"}) {
      CAPTURE(text);
      CHECK(again(text) == "none");
    }
  }

  TEST_CASE("the string of another scenario is refused") {
    toys::lost_update s;
    CHECK(!replay(s, "svm1:wrong order:0.1.0:exhaustive:0:0,1"));
    CHECK(replay(s, "svm1:lost update:0.1.0:exhaustive:0:0,1"));
  }

  TEST_CASE("a schedule that cannot be followed strays, and the execution still ends") {
    toys::wrong_order s;
    auto const r = replay(s, "svm1:wrong order:0.1.0:exhaustive:0:2,0x2");
    REQUIRE(r);
    CHECK(r->how == ending::complete);
    CHECK(r->strayed);
  }

  TEST_CASE("a schedule that ends early goes on with as few switches as possible") {
    toys::lost_update s;
    auto const r = replay(s, "svm1:lost update~2:0.1.0:exhaustive:0:");
    REQUIRE(r);
    CHECK(r->how == ending::complete);
    CHECK(!r->strayed);
  }

  TEST_CASE("the seed of a random execution comes back with its string") {
    struct nothing {};
    scenario<nothing> s{"seeded"};
    s.thread("only").does("look", [](nothing&) {
      point("look", {}, {});
      if (seed() % 8 == 3) fail("seed " + std::to_string(seed()));
    });
    report const r = search(s, uniform{});
    REQUIRE(r.failed);
    auto const again = replay(s, r.failed->replay);
    REQUIRE(again);
    CHECK(again->failed.text == r.failed->text);
  }
}
