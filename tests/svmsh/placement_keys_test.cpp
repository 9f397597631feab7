// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "options.hpp"
#include "placement_keys.hpp"
#include "replay_arguments.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace svmsh;
using svm::placement::counter_mode;
using svm::placement::eviction_mode;
using svm::placement::prefetch_mode;
using svm::placement::thrash_mode;

/// What the words of a command line mean for a replay.
parsed<replay_arguments> words(std::initializer_list<char const*> all) {
  return parse_replay_arguments(std::vector<char const*>(all));
}
/// \pre the words are right
replay_options keys(std::initializer_list<char const*> all) {
  auto const a = words(all);
  REQUIRE(a);
  return a->replay;
}
machine_options machine(std::initializer_list<char const*> all) {
  auto const a = words(all);
  REQUIRE(a);
  return a->machine;
}

}  // namespace

TEST_SUITE("svmsh/placement_keys") {
  TEST_CASE("prefetch takes a threshold and what goes beyond UVM, and forgets what an earlier one said") {
    machine_options o;
    CHECK_FALSE(o.is_page_wise());
    CHECK_FALSE(assign(o, "prefetch=density"));
    CHECK(o.is_page_wise());
    CHECK(o.placement.prefetch == prefetch_mode::density);
    CHECK(o.placement.threshold == 51);
    CHECK_FALSE(assign(o, "prefetch=density:75+gate+stream+feedback"));
    CHECK(o.placement.threshold == 75);
    CHECK(o.placement.gate);
    CHECK(o.placement.stream);
    CHECK(o.placement.feedback);
    CHECK_FALSE(assign(o, "prefetch=density+stream"));
    CHECK(o.placement.threshold == 51);
    CHECK_FALSE(o.placement.gate);
    CHECK(o.placement.stream);
    CHECK_FALSE(assign(o, "prefetch=until-full:0"));
    CHECK(o.placement.prefetch == prefetch_mode::until_full);
    CHECK(o.placement.threshold == 0);
    CHECK_FALSE(o.placement.stream);
    CHECK_FALSE(assign(o, "prefetch=density:100"));
    CHECK(o.placement.threshold == 100);
    CHECK_FALSE(assign(o, "prefetch=off"));
    CHECK(o.placement.prefetch == prefetch_mode::off);
    CHECK_FALSE(o.is_page_wise());
  }

  TEST_CASE("a value that prefetch does not know changes nothing") {
    for (std::string const value :
         {"", "on", "density:", "density:101", "density:x", "density:-1", "density+", "density+fast", "density+stream+",
          "density:5:6", "densityx", "until-full+stream", "until-full:", "until-full:101", "offx", "+stream"}) {
      CAPTURE(value);
      machine_options o;
      REQUIRE_FALSE(assign(o, "prefetch=density:7+gate"));
      auto const wrong = assign(o, "prefetch=" + value);
      REQUIRE(wrong);
      CHECK(wrong->text.find("expected off, density") != std::string::npos);
      CHECK(o.placement.threshold == 7);
      CHECK(o.placement.gate);
    }
  }

  TEST_CASE("evict and thrash say when pages are looked at one by one") {
    machine_options o;
    CHECK_FALSE(assign(o, "evict=touched"));
    CHECK_FALSE(o.is_page_wise());
    CHECK_FALSE(assign(o, "evict=uvm"));
    CHECK(o.placement.evict == eviction_mode::uvm);
    CHECK(o.is_page_wise());
    CHECK_FALSE(assign(o, "evict=density"));
    CHECK(o.placement.evict == eviction_mode::density);
    CHECK(assign(o, "evict=newest"));
    CHECK(o.placement.evict == eviction_mode::density);
    CHECK_FALSE(assign(o, "evict=oldest"));
    CHECK_FALSE(o.is_page_wise());
    CHECK_FALSE(assign(o, "thrash=on"));
    CHECK(o.placement.thrash == thrash_mode::on);
    CHECK_FALSE(assign(o, "thrash=slice"));
    CHECK(o.placement.thrash == thrash_mode::slice);
    CHECK(o.is_page_wise());
    CHECK(assign(o, "thrash=yes"));
    CHECK(assign(o, "counters=on"));  // of a replay alone
  }

  TEST_CASE("a replay has keys of its own") {
    CHECK(keys({"batch=4096"}).batch == 4096);
    CHECK(keys({"warps=7"}).warps == 7);
    CHECK(keys({"capacity=91%"}).capacity_percent == 91u);
    CHECK(machine({"capacity=3M"}).vram == 3 << 20);
    CHECK(machine({"counters=on"}).placement.counters == counter_mode::on);
    CHECK(machine({"counters=hysteresis"}).placement.counters == counter_mode::hysteresis);
    CHECK(machine({"counters=on"}).is_page_wise());
    CHECK(keys({"ram=1M"}).ram_given);
    CHECK_FALSE(keys({"vram=1M"}).ram_given);
    CHECK_FALSE(words({"capacity=100"}));  // half of no page
    for (char const* const word :
         {"batch=0", "batch=4097", "batch=", "batch=x", "warps=0", "warps=4G", "capacity=0", "capacity=0%",
          "capacity=%", "capacity=-1", "capacity=1%%", "format=u64", "counters=yes"}) {
      CAPTURE(std::string(word));
      auto const a = words({word});
      REQUIRE_FALSE(a);
      CHECK(a.error().find(word) != std::string::npos);
    }
  }

  TEST_CASE("of capacity and vram the last one counts") {
    CHECK(machine({"capacity=2M", "vram=1M"}).vram == 1 << 20);
    CHECK(machine({"vram=1M", "capacity=2M"}).vram == 2 << 20);
    CHECK_FALSE(keys({"capacity=50%", "vram=1M"}).capacity_percent);
    CHECK_FALSE(keys({"capacity=50%", "capacity=2M"}).capacity_percent);
    CHECK(keys({"capacity=2M", "capacity=50%"}).capacity_percent == 50u);
    CHECK(machine({"vram=1M", "capacity=2M", "capacity=50%"}).vram == 1 << 20);
  }

  TEST_CASE("the report tells of placement where a key or a list of faults asks for it") {
    for (char const* const word : {"batch=2", "batch=1", "capacity=1M", "capacity=1%", "evict=oldest", "prefetch=off",
                                   "format=faults64", "a.u64"}) {
      CAPTURE(std::string(word));
      CHECK(keys({word}).tells_placement);
      CHECK(machine({word}).serves_blocks);
      CHECK_FALSE(machine({"vram=1M"}).serves_blocks);
    }
    for (char const* const word :
         {"warps=2", "format=lackey", "counters=off", "vram=1M", "ram=1M", "thrash=on", "a.u64x", "a.lackey"}) {
      CAPTURE(std::string(word));
      CHECK_FALSE(keys({word}).tells_placement);
    }
    CHECK(keys({"a.u64"}).format == trace_format::faults64);
    CHECK(keys({"a.u64", "format=lackey"}).format == trace_format::lackey);
    CHECK(keys({"a.txt"}).format == trace_format::lackey);
    CHECK_FALSE(machine({"batch=2", "faults=off"}).serves_blocks);
    CHECK_FALSE(words({"a.u64", "faults=off"}));
  }
}
