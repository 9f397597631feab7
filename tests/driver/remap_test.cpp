// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Memory that mremap moved, as the GPU sees it at its old place and at its new one.

#include <cstdint>
#include <optional>

#include <mock/processes.hpp>

using namespace support;

namespace {

constexpr cpu_va far{64 * GiB};

sys move(world& w, cpu_va a, std::uint64_t size, cpu_va to, bool dont_unmap = false) {
  return w.process.mremap(a, {size}, {size}, dont_unmap, to).error;
}

/// One of the 24 ways in which 2 MiB move.
struct remap_case {
  bool migrated;  ///< to the device, before they move
  bool dont_unmap;
  bool thp;
  std::uint64_t offset;  ///< of the new place to a multiple of 2 MiB
};

void move_two_megabytes(remap_case const& how, bool cpu_first) {
  CAPTURE(how.migrated);
  CAPTURE(how.dont_unmap);
  CAPTURE(how.thp);
  CAPTURE(how.offset);
  CAPTURE(cpu_first);
  world w{options([&](auto& o) { o.thp = how.thp; })};
  cpu_va const to = far + byte_count{how.offset};
  w.map(2 * MiB);
  w.cpu_tag(base, 2 * MiB, 1);
  REQUIRE(order_at(w, base) == (how.thp ? 9 : 0));
  if (how.migrated) REQUIRE(w.fault(base, access_kind::write) == errc::ok);
  REQUIRE(w.device_pages(base, 2 * MiB) == (how.migrated ? 512 : 0));

  REQUIRE(move(w, base, 2 * MiB, to, how.dont_unmap) == sys::ok);
  CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 0);
  CHECK(w.device_pages(to, 2 * MiB) == (how.migrated ? 512 : 0));  // moved, not brought back
  CHECK(w.complaint() == "");

  if (cpu_first) CHECK(w.cpu_tags_until(to, 2 * MiB, 1) == 2 * MiB);
  CHECK(w.gpu_tags_until(to, 2 * MiB, 1) == 2 * MiB);
  CHECK(w.gpu_write(to + byte_count{MiB}, 5) == errc::ok);
  CHECK(w.cpu_read(to + byte_count{MiB}) == 5u);
  CHECK(w.cpu_tags_until(to, MiB, 1) == MiB);
  CHECK(w.complaint() == "");

  auto const left = how.dont_unmap ? std::optional<std::uint64_t>{0} : std::nullopt;
  CHECK(w.gpu_read(base) == left);
  CHECK(w.cpu_read(at(MiB)) == left);
  CHECK(w.gpu_read(at(MiB)) == left);
  CHECK(w.cpu_read(to) == 1u);
  CHECK(w.complaint() == "");
}

}  // namespace

TEST_SUITE("driver, mremap") {
  TEST_CASE("2 MiB that move keep their data for CPU and GPU, and the old place is gone or empty (MRM-01..24)") {
    for (bool const migrated : {false, true})
      for (bool const dont_unmap : {false, true})
        for (bool const thp : {false, true})
          for (std::uint64_t const offset : {std::uint64_t{0}, 512 * KiB, MiB})
            for (bool const cpu_first : {false, true})
              move_two_megabytes({migrated, dont_unmap, thp, offset}, cpu_first);
  }

  TEST_CASE("the old address is no memory of the GPU any more, or fresh memory where the mapping stayed (MRM-25)") {
    for (bool const on_device : {false, true})
      for (bool const dont_unmap : {false, true}) {
        CAPTURE(on_device);
        CAPTURE(dont_unmap);
        world w{small_chunks(
            MiB, [&](auto& o) { o.driver.migrate = on_device ? o.driver.migrate : svm::migration_mode::never; })};
        w.map(chunk);
        w.cpu_tag(base, chunk, 1);
        REQUIRE(w.gpu_write(base, 100) == errc::ok);
        svm::range_ref<policies> const old = w.range_at(base);
        REQUIRE(move(w, base, chunk, far, dont_unmap) == sys::ok);
        for (auto const want : {access_kind::read, access_kind::write})
          CHECK(w.fault(base, want) == (dont_unmap ? errc::ok : errc::no_vma));
        CHECK(old->has(svm::range_flag::removed));
        CHECK_FALSE(old->mapping().has(svm::page_flag::mapped));
        if (dont_unmap) {
          CHECK(w.gpu_read(base) == 0u);
          CHECK(w.gpu_write(base, 7) == errc::ok);
          CHECK(w.cpu_read(base) == 7u);
        } else {
          CHECK(w.gpu_write(base, 7) == errc::no_vma);
          CHECK_FALSE(w.gpu_read(page_at(5)));
        }
        CHECK(w.gpu_read(far) == 100u);
        CHECK(w.gpu_read(far + byte_count{page_bytes}) == 2u);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("of two generations under way each is right when it is looked at a round late (MRM-26)") {
    world w{small_chunks(2 * chunk, [](auto&) {})};
    auto const source = [](std::uint64_t round) { return at(round % 2 * MiB); };
    auto const target = [](std::uint64_t round) { return far + byte_count{round % 3 * MiB}; };
    constexpr std::uint64_t rounds = 12;
    for (std::uint64_t round = 0; round <= rounds; ++round) {
      if (round < rounds) {
        w.map(chunk, source(round));
        for (std::uint64_t n = 0; n < chunk_pages; ++n)
          REQUIRE(w.gpu_write(source(round) + byte_count{n * page_bytes}, 1000 * round + n) == errc::ok);
        REQUIRE(move(w, source(round), chunk, target(round)) == sys::ok);
      }
      if (round > 0) {
        cpu_va const late = target(round - 1);
        CHECK(w.gpu_tags_until(late, chunk, 1000 * (round - 1)) == chunk);
        CHECK(w.cpu_tags_until(late, chunk, 1000 * (round - 1)) == chunk);
        REQUIRE(w.process.munmap(late, {chunk}) == sys::ok);
      }
      CHECK(w.complaint() == "");
    }
    w.driver.collect_garbage();
    CHECK(w.range_count() == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.frames.ram_used() == byte_count{});
  }

  TEST_CASE("memory that may only be read while it moves can be written again afterwards (MRM-27)") {
    for (bool const on_device : {false, true}) {
      CAPTURE(on_device);
      world w{small_chunks(
          MiB, [&](auto& o) { o.driver.migrate = on_device ? o.driver.migrate : svm::migration_mode::never; })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
      REQUIRE(w.gpu_tags_until(base, chunk, 1) == chunk);
      REQUIRE(move(w, base, chunk, far) == sys::ok);
      CHECK(w.gpu_tags_until(far, chunk, 1) == chunk);
      CHECK(w.gpu_write(far, 9) == errc::read_only);
      REQUIRE(w.process.mprotect(far, {chunk}, protection::read_write) == sys::ok);
      CHECK(w.gpu_write(far, 9) == errc::ok);
      CHECK(w.cpu_read(far) == 9u);
      CHECK(w.cpu_read(far + byte_count{page_bytes}) == 2u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a move across a notifier border makes a notifier there, and the old one goes with its range (MRM-29)") {
    world w{options([](auto& o) { o.notifier_size = {2 * MiB}; })};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.notifier_count() == 1);
    auto const created = w.count(svm::event_kind::notifier_created);
    // One half to the next notifier's span, the other one stays.
    REQUIRE(move(w, at(MiB), MiB, at(3 * MiB)) == sys::ok);
    CHECK(w.gpu_tags_until(at(3 * MiB), MiB, 257) == MiB);
    CHECK(w.count(svm::event_kind::notifier_created) > created);
    CHECK_FALSE(w.range_at(base));
    CHECK(w.notifier_count() == 1);  // the range of 2 MiB was the old one's only range
    CHECK(w.range_at(at(3 * MiB))->owner().interval() == span(at(2 * MiB), 2 * MiB));
    CHECK(w.gpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.notifier_count() == 2);
    CHECK(w.complaint() == "");
    REQUIRE(move(w, base, MiB, at(2 * MiB)) == sys::ok);
    w.driver.collect_garbage();
    CHECK(w.notifier_count() == 1);
    CHECK(w.cpu_tags_until(at(2 * MiB), 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }
}
