// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <doctest/doctest.h>

#include "support/machine.hpp"

using namespace svm;
using mock::access_notices;

namespace {

constexpr std::uint64_t region = 2 << 20;

cpu_va at(std::uint64_t n, std::uint64_t sub) {
  return {n * region + sub * 65536 + 8};
}

}  // namespace

TEST_SUITE("mock/access_notices") {
  TEST_CASE("a region that reaches the threshold is told of once, with all that was accessed, until it is cleared") {
    access_notices unit{{.threshold = 3}};
    unit.count(at(1, 0));
    unit.count(at(1, 31));
    unit.count(at(2, 4));
    CHECK_FALSE(unit.take());
    unit.count(at(1, 5));
    unit.count(at(1, 6));
    auto const told = unit.take();
    REQUIRE(told);
    CHECK(told->address == cpu_va{region + 5 * 65536});
    CHECK(told->sub_regions == (1u | 1u << 31 | 1u << 5));
    for (int i = 0; i < 5; ++i) unit.count(at(1, 7));
    CHECK_FALSE(unit.take());
    unit.clear(at(1, 9));
    for (int i = 0; i < 2; ++i) unit.count(at(1, 7));
    CHECK_FALSE(unit.take());
    unit.count(at(1, 7));
    auto const again = unit.take();
    REQUIRE(again);
    CHECK(again->sub_regions == 1u << 7);
  }

  TEST_CASE("a notice that finds no room comes with the next access once there is") {
    access_notices unit{{.threshold = 1, .entries = 1}};
    unit.count(at(1, 0));
    unit.count(at(2, 0));
    REQUIRE(unit.take());
    CHECK_FALSE(unit.take());
    unit.count(at(2, 3));
    auto const told = unit.take();
    REQUIRE(told);
    CHECK(told->sub_regions == 9);
  }

  TEST_CASE("a GPU counts what it reaches over a link, and nothing of its own memory") {
    for (bool const moves : {false, true}) {
      mock::machine_options options{.ram = {8 << 20}, .vram = {8 << 20}};
      options.driver.migrate = moves ? migration_mode::where_possible : migration_mode::never;
      auto const shape = support::machine::check(options);
      REQUIRE(shape);
      support::machine computer{options, *shape};
      access_notices unit{{.threshold = 4}};
      computer.device.notices = &unit;
      auto const mapped = computer.process.mmap({region}, mock::protection::read_write, mock::mapping_kind::anon, {});
      std::array<std::byte, 8> word{};
      for (int i = 0; i < 4; ++i) {
        CHECK_FALSE(unit.take());
        CHECK(computer.gpu_store(mapped.at, word) == errc::ok);
      }
      CHECK(unit.take().has_value() == !moves);
      CHECK(computer.audit().empty());
    }
  }
}
