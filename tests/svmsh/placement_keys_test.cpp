// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "options.hpp"
#include "placement_keys.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace svmsh;
using namespace svm::placement;

/// What a key of a replay made of the defaults.
struct setting {
  machine_options machine;
  replay_options replay;
  bool taken = false;
  std::optional<bad_input> error;

  explicit setting(std::string_view word) { set(word); }
  void set(std::string_view word) { taken = assign_placement(replay, machine, word, error); }
};

}  // namespace

TEST_SUITE("svmsh/placement_keys") {
  TEST_CASE("prefetch takes a threshold and what goes beyond UVM, and forgets what an earlier one said") {
    machine_options o;
    CHECK_FALSE(o.is_page_wise());
    CHECK_FALSE(set_prefetch(o, "density"));
    CHECK(o.is_page_wise());
    CHECK(o.placement.prefetch == prefetch_mode::density);
    CHECK(o.placement.threshold == 51);
    CHECK_FALSE(set_prefetch(o, "density:75+gate+stream+feedback"));
    CHECK(o.placement.threshold == 75);
    CHECK(o.placement.gate);
    CHECK(o.placement.stream);
    CHECK(o.placement.feedback);
    CHECK_FALSE(set_prefetch(o, "density+stream"));
    CHECK(o.placement.threshold == 51);
    CHECK_FALSE(o.placement.gate);
    CHECK(o.placement.stream);
    CHECK_FALSE(set_prefetch(o, "until-full:0"));
    CHECK(o.placement.prefetch == prefetch_mode::until_full);
    CHECK(o.placement.threshold == 0);
    CHECK_FALSE(o.placement.stream);
    CHECK_FALSE(set_prefetch(o, "density:100"));
    CHECK(o.placement.threshold == 100);
    CHECK_FALSE(set_prefetch(o, "off"));
    CHECK(o.placement.prefetch == prefetch_mode::off);
    CHECK_FALSE(o.is_page_wise());
  }

  TEST_CASE("a value that a key does not know changes nothing and says what was expected") {
    for (std::string_view const value :
         {"", "on", "density:", "density:101", "density:x", "density:-1", "density+", "density+fast", "density+stream+",
          "density:5:6", "densityx", "until-full+stream", "until-full:", "until-full:101", "offx", "+stream"}) {
      CAPTURE(std::string(value));
      machine_options o;
      REQUIRE_FALSE(set_prefetch(o, "density:7+gate"));
      CHECK(set_prefetch(o, value));
      CHECK(o.placement.threshold == 7);
      CHECK(o.placement.gate);
    }
    machine_options o;
    CHECK(set_evict(o, "newest").value().find("density") != std::string_view::npos);
    CHECK(set_thrash(o, "yes"));
    CHECK(set_counters(o, ""));
    CHECK_FALSE(o.is_page_wise());
  }

  TEST_CASE("evict, thrash and counters are machine options or keys, and say when pages are looked at") {
    machine_options o;
    CHECK_FALSE(assign(o, "evict=touched"));
    CHECK_FALSE(o.is_page_wise());
    CHECK_FALSE(assign(o, "evict=uvm"));
    CHECK(o.placement.evict == eviction_mode::uvm);
    CHECK(o.is_page_wise());
    CHECK_FALSE(assign(o, "evict=density"));
    CHECK(o.placement.evict == eviction_mode::density);
    CHECK_FALSE(assign(o, "evict=oldest"));
    CHECK_FALSE(o.is_page_wise());
    CHECK_FALSE(assign(o, "thrash=slice"));
    CHECK(o.placement.thrash == thrash_mode::slice);
    CHECK(o.is_page_wise());
    CHECK_FALSE(assign(o, "thrash=off"));
    CHECK_FALSE(assign(o, "prefetch=density:9"));
    CHECK(o.placement.threshold == 9);
    CHECK(assign(o, "evict=x"));
    CHECK(assign(o, "counters=on"));  // of a replay alone
    CHECK_FALSE(set_counters(o, "hysteresis"));
    CHECK(o.placement.counters == counter_mode::hysteresis);
  }

  TEST_CASE("the keys of a replay are taken, those of the machine are noted and left") {
    CHECK(setting("batch=4096").replay.batch == 4096);
    CHECK(setting("warps=7").replay.warps == 7);
    CHECK(setting("format=faults64").replay.format == trace_format::faults64);
    CHECK(setting("format=auto").replay.format == trace_format::automatic);
    CHECK(setting("capacity=91%").replay.capacity_percent == 91u);
    CHECK(setting("capacity=3M").machine.vram == 3 << 20);
    for (std::string_view const word : {"batch=2", "capacity=1M", "capacity=1%", "evict=oldest", "prefetch=off"})
      CHECK_MESSAGE(setting(word).replay.tells_placement, std::string(word));
    for (std::string_view const word : {"warps=2", "format=lackey", "counters=off", "vram=1M", "ram=1M", "thrash=on"})
      CHECK_MESSAGE(!setting(word).replay.tells_placement, std::string(word));
    for (std::string_view const word : {"prefetch=off", "evict=x", "vram=1M", "ram=1M", "thrash=on", "nothing=1"})
      CHECK_MESSAGE(!setting(word).taken, std::string(word));
    CHECK(setting("ram=1M").replay.ram_given);
    setting both("capacity=50%");
    both.set("vram=1M");
    CHECK_FALSE(both.replay.capacity_percent);
    both.set("capacity=50%");
    both.set("capacity=2M");
    CHECK_FALSE(both.replay.capacity_percent);
    CHECK(both.machine.vram == 2 << 20);
  }

  TEST_CASE("a value out of range is an error") {
    for (std::string_view const word :
         {"batch=0", "batch=4097", "batch=", "batch=x", "warps=0", "warps=4G", "capacity=0", "capacity=0%",
          "capacity=%", "capacity=-1", "capacity=1%%", "format=u64", "counters=yes"}) {
      CAPTURE(std::string(word));
      setting const s(word);
      CHECK(s.taken);
      REQUIRE(s.error);
      CHECK(s.error->text.find("expected") != std::string::npos);
    }
  }
}
