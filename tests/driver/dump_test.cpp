// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/driver/impl/dump.hpp>

#include <string>
#include <string_view>

#include <support/world.hpp>

using namespace support;
using svm::atomic_mode;
using svm::migration_policy;
using svm::preferred_place;

namespace {

template <class Set>
svm::mock::machine_options small_window(Set&& set) {
  return options([&](auto& o) {
    o.window = span(base, 4 * MiB);
    o.notifier_size = {2 * MiB};
    o.chunks = {{64 * KiB}, {4 * KiB}};
    set(o);
  });
}
/// What the driver prints, up to what its gpusvm does.
[[nodiscard]] std::string dumped(world& w) {
  std::string all;
  w.driver.dump([&](std::string_view line) { all += line; });
  std::string of_ranges;
  w.driver.svm().dump([&](std::string_view line) { of_ranges += line; });
  REQUIRE(all.size() >= of_ranges.size());
  CHECK(all.substr(all.size() - of_ranges.size()) == of_ranges);
  return all.substr(0, all.size() - of_ranges.size());
}

}  // namespace

TEST_SUITE("driver/dump") {
  TEST_CASE("a dump has the options that are not the usual ones") {
    {
      world w{small_window([](auto&) {})};
      CHECK(dumped(w) == "driver: migration where possible, pages checked to 0x0\n");
      w.driver.suspend();
      CHECK(dumped(w) == "driver: migration where possible, pages checked to 0x0, suspended\n");
      w.driver.resume();
      CHECK(dumped(w) == "driver: migration where possible, pages checked to 0x0\n");
    }
    {
      world w{small_window([](auto& o) {
        o.driver.migrate = svm::migration_mode::never;
        o.driver.read_only = true;
        o.driver.rest = svm::partial_unmap::split;
      })};
      CHECK(dumped(w) == "driver: migration never, pages checked to 0x0, read_only, splits\n");
    }
    world w{small_window([](auto& o) {
      o.driver.migrate = svm::migration_mode::required;
      o.driver.check_pages_threshold = {64 * KiB};
      o.driver.timeslice = svm::milliseconds(5);
      o.driver.mixed = true;
      o.driver.peers_push = true;
      o.driver.limits = {7, {MiB}};
    })};
    CHECK(dumped(w) ==
          "driver: migration required, pages checked to 0x10000, timeslice of 5000000 ns, mixed, peers push, ranges to "
          "7, device memory to 0x100000\n");
  }

  TEST_CASE("a dump has what a program said of its memory, what was forgotten of it, and the ranges to be collected") {
    world w{small_window([](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    std::string const first = "driver: migration never, pages checked to 0x0\n";
    w.map(MiB);
    REQUIRE(w.driver.advise(span(at(64 * KiB), 64 * KiB), {preferred_place::system, migration_policy::system_pages_only,
                                                           atomic_mode::cpu}) == errc::ok);
    REQUIRE(w.driver.advise(span(at(128 * KiB), 64 * KiB), {.preferred = preferred_place::device}) == errc::ok);
    REQUIRE(w.driver.advise(span(at(192 * KiB), 64 * KiB), {.atomic = atomic_mode::global}) == errc::ok);
    REQUIRE(w.driver.advise(span(at(256 * KiB), 64 * KiB), {.atomic = atomic_mode::device}) == errc::ok);
    REQUIRE(w.driver.advise(span(at(320 * KiB), 64 * KiB), {.preferred = preferred_place::another}) == errc::ok);
    std::string const advised =
        "  attributes 0x100010000-0x10001ffff, prefers system, system pages only, atomic cpu\n"
        "  attributes 0x100020000-0x10002ffff, prefers device";
    std::string const rest =
        "  attributes 0x100030000-0x10003ffff, atomic global\n"
        "  attributes 0x100040000-0x10004ffff, atomic device\n"
        "  attributes 0x100050000-0x10005ffff, prefers another device\n";
    CHECK(dumped(w) == first + advised + "\n" + rest);

    REQUIRE(w.fault(at(128 * KiB)) == errc::ok);
    REQUIRE(w.process.munmap(at(128 * KiB), {4 * KiB}) == sys::ok);
    REQUIRE(w.process.munmap(at(136 * KiB), {8 * KiB}) == sys::ok);
    std::uint64_t const blocks = w.memory.total_blocks();
    std::string const all = dumped(w);
    CHECK(w.memory.total_blocks() == blocks);
    CHECK(all == first + advised + ", but for 0x100020000-0x100020fff 0x100022000-0x100023fff\n" + rest +
                     "  unmapped 0x100020000-0x10002ffff\n");
    w.driver.collect_garbage();
    CHECK(dumped(w) == first + advised + ", but for 0x100020000-0x100020fff 0x100022000-0x100023fff\n" + rest);
    CHECK(w.complaint() == "");
  }
}
