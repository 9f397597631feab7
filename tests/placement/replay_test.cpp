// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/replay.hpp>

#include <cstdint>
#include <initializer_list>

#include <doctest/doctest.h>

using namespace svm;
using namespace svm::placement;

namespace {

constexpr batch_outcome plain{.cached = 10};

replay_run run_of(replay_policy policy) {
  return replay_run{{.policy = policy}};
}

}  // namespace

TEST_SUITE("placement/replay") {
  TEST_CASE("each policy replays at its own time") {
    replay_run block = run_of(replay_policy::block);
    CHECK(block.after_block() == replay_step::replay);
    CHECK(block.after_batch(plain) == replay_step::none);
    CHECK(block.finish() == replay_step::none);
    replay_run batch = run_of(replay_policy::batch);
    CHECK(batch.after_block() == replay_step::none);
    CHECK(batch.after_batch(plain) == replay_step::replay);
    CHECK(batch.finish() == replay_step::none);
    replay_run once = run_of(replay_policy::once);
    CHECK(once.after_block() == replay_step::none);
    CHECK(once.after_batch(plain) == replay_step::none);
    CHECK(once.finish() == replay_step::replay);
  }

  TEST_CASE("a flush reads the device's PUT when more than half of the entries were duplicates") {
    replay_run run;
    CHECK(run.after_batch({.cached = 10, .duplicates = 5}) == replay_step::flush_cached);
    CHECK(run.after_batch({.cached = 10, .duplicates = 6}) == replay_step::flush_update);
    CHECK(run.after_batch({.cached = 0, .duplicates = 0}) == replay_step::flush_cached);
    CHECK(run.finish() == replay_step::none);
  }

  TEST_CASE("a run ends after 20 batches, or 5 with a throttled fault") {
    replay_run run;
    for (unsigned n = 0; n < 20; ++n) {
      CHECK(run.continues());
      static_cast<void>(run.after_batch(plain));
    }
    CHECK_FALSE(run.continues());
    replay_run slow;
    for (unsigned n = 0; n < 5; ++n) {
      CHECK(slow.continues());
      static_cast<void>(slow.after_batch({.cached = 1, .throttled = true}));
      static_cast<void>(slow.after_batch(plain));
    }
    CHECK_FALSE(slow.continues());
    CHECK(slow.batches() == 10);
  }

  TEST_CASE("a stale context flushes up to the device's PUT and counts as no batch") {
    replay_run run = run_of(replay_policy::once);
    CHECK(run.after_stale() == replay_step::flush_update);
    CHECK(run.batches() == 0);
  }

  TEST_CASE("an error ends the run; a cancelled batch counts and is not replayed") {
    replay_run run = run_of(replay_policy::batch);
    CHECK(run.after_batch({.cached = 1, .cancelled = true}) == replay_step::none);
    CHECK(run.batches() == 1);
    CHECK(run.continues());
    CHECK(run.after_batch({.cached = 1, .failed = true}) == replay_step::none);
    CHECK_FALSE(run.continues());
    replay_run once = run_of(replay_policy::once);
    CHECK(once.after_stale() == replay_step::flush_update);
    static_cast<void>(once.after_batch({.failed = true}));
    CHECK(once.finish() == replay_step::none);
  }

  TEST_CASE("no run of any batches under any policy ends without a replay") {
    batch_outcome const kinds[] = {
        plain, {.cached = 4, .duplicates = 3}, {.throttled = true}, {.cancelled = true}, {.failed = true}};
    for (replay_policy const policy :
         {replay_policy::block, replay_policy::batch, replay_policy::batch_flush, replay_policy::once})
      for (unsigned length = 0; length < 4; ++length)
        for (unsigned code = 0; code < 125; ++code)
          for (bool const blocks : {false, true}) {
            replay_run run{{.policy = policy, .batches = 3}};
            unsigned replays = 0;
            auto const did = [&](replay_step s) { replays += s != replay_step::none; };
            unsigned rest = code;
            for (unsigned n = 0; n < length && run.continues(); ++n, rest /= 5) {
              if (blocks) did(run.after_block());
              did(run.after_batch(kinds[rest % 5]));
            }
            did(run.finish());
            REQUIRE(replays > 0);
          }
  }

  TEST_CASE("invalid prefetches of more than two thirds of the largest batch switch them off for a second") {
    using step = prefetch_fault_switch::step;
    constexpr std::uint64_t second = 1'000'000'000;
    prefetch_fault_switch s;
    CHECK(s.after_batch(170, {5}) == step::none);
    CHECK(s.is_on());
    CHECK(s.after_batch(171, {5}) == step::off);
    CHECK_FALSE(s.is_on());
    CHECK(s.after_batch(200, {5 + second}) == step::none);
    CHECK(s.after_batch(0, {6 + second}) == step::on);
    CHECK(s.is_on());
    CHECK(s.after_batch(256, {7 + second}) == step::off);
  }
}
