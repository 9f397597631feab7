// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every operation, with each fallible part of the machine failing at each step.

#include <string>

#include <failure/failure_loop.hpp>

using namespace support;

namespace {

constexpr failure kinds[] = {failure::alloc, failure::ram,      failure::dma_map,
                             failure::copy,  failure::populate, failure::notifier};

/// How many steps of each kind an operation takes when nothing fails: from what it has to do, chunk_pages pages a move.
/// Bookkeeping allocations are an implementation's own matter: -1 says that there are some.
struct steps_expected {
  char const* operation;
  int alloc, ram, dma_map, copy, populate, notifier;
};
constexpr int n = static_cast<int>(chunk_pages);
constexpr steps_expected expected[] = {
    {"migrate_to_device", -1, 0, n, 1, 1, 0},
    // The way back needs nothing: its migrator kept what the way there took.
    {"CPU fault", 0, n, n, 1, 0, 0},
    {"evict", 0, n, n, 1, 0, 0},
    {"evict_span", 0, n, n, 1, 0, 0},
    {"evict_all", 0, 2 * n, 2 * n, 2, 0, 0},
    {"make_room", 0, 2 * n, 2 * n, 2, 0, 0},
    // B moves out, then A in.
    {"fault", -1, n, 2 * n, 2, 1, 0},
    {"prefetch to device", -1, n, 2 * n, 2, 1, 0},
    // A moves out, then the GPU maps it where it is.
    {"prefetch to system", -1, n, 2 * n, 1, 0, 0},
    {"collect", 0, n / 2, n / 2, 1, 0, 0},
};

void run_all(repeat how) {
  for (steps_expected const& row : expected) {
    operation const& op = operation_named(row.operation);
    int const wanted[] = {row.alloc, row.ram, row.dma_map, row.copy, row.populate, row.notifier};
    for (std::size_t i = 0; i < std::size(kinds); ++i) {
      CAPTURE(std::string{row.operation});
      CAPTURE(std::string{name(kinds[i])});
      auto const steps = fail_at_every_step(op, kinds[i], how);
      if (wanted[i] >= 0)
        CHECK(steps == static_cast<std::uint64_t>(wanted[i]));
      else
        CHECK(steps > 0);
    }
  }
}

}  // namespace

TEST_SUITE("failure/every_step") {
  TEST_CASE(
      "one failure at any step of any operation loses no byte and leaves nothing behind (OOM-01, OOM-03, OOM-05, "
      "MIG-08, MIG-09, MIG-10, MIG-11, CFB-08, CFB-09, EVC-08, defect D6, erratum 3.2.1)") {
    REQUIRE(std::size(expected) == operations().size());
    run_all(repeat::once);
  }

  TEST_CASE("failure from any step on loses no byte, leaves nothing behind, and is over when it ends (OOM-02)") {
    run_all(repeat::from_then_on);
  }

  TEST_CASE("a second failure while the first one is being handled changes nothing about that (OOM-04)") {
    for (operation const& op : operations())
      for (failure const first : kinds)
        for (failure const second : kinds) {
          CAPTURE(std::string{op.name});
          CAPTURE(std::string{name(first)});
          CAPTURE(std::string{name(second)});
          for (auto const& [k, m] : {std::pair{1u, 1u}, {2u, 1u}, {5u, 3u}}) {
            operation_world w{op};
            auto const struck = w.failures.struck();
            w.failures.arm(first, k);
            bool armed = false;
            w.hooks.hook = [&, m = m](step) {
              if (armed || w.failures.struck() == struck) return;
              armed = true;
              w.failures.arm(second, m);
            };
            static_cast<void>(w.act());
            w.hooks.hook = nullptr;
            w.failures.disarm();
            w.check_sound();
            w.check_recovers();
          }
        }
  }
}
