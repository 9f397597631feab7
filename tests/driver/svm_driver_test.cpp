// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <memory>
#include <utility>

#include <support/world.hpp>

using namespace support;

TEST_SUITE("driver/svm_driver") {
  TEST_CASE("TRD-01 a driver that served nothing leaves nothing") {
    world w;
    CHECK(w.complaint() == "");
    CHECK(w.memory.total_blocks() == 0);
    CHECK(w.driver.options().check_pages_threshold.value == 0);
    CHECK(&w.driver.memory() == &w.mover);
  }

  TEST_CASE("TRD-02 a driver ends with ranges in both memories and a queue that is not empty") {
    for (bool const partial : {false, true}) {
      CAPTURE(partial);
      world w;
      w.map(6 * MiB);
      w.map(64 * KiB, at(8 * MiB), protection::read_write, mapping_kind::shared);
      w.cpu_tag(base, 6 * MiB, 1);
      for (std::uint64_t offset = 0; offset <= 8 * MiB; offset += 2 * MiB)
        if (offset != 6 * MiB) REQUIRE(w.fault(at(offset)) == errc::ok);
      REQUIRE(w.device_pages(base, 6 * MiB) == 1536);
      REQUIRE(w.process.munmap(at(2 * MiB), {partial ? MiB : 2 * MiB}) == sys::ok);
      REQUIRE(w.range_at(at(2 * MiB))->is_linked());
      w.driver.close();
      CHECK(w.range_count() == 0);
      CHECK(w.notifier_count() == 0);
      CHECK(w.process.watchers().registered() == 0);
      CHECK(w.dma.live() == 0);
      CHECK_FALSE(w.device.has_mappings());
      CHECK(w.fault(base) == errc::gone);
      CHECK(w.driver.prefetch(span(base, MiB), svm::prefetch_place::as_fault) == errc::gone);
      CHECK(w.complaint() == "");
      // Device memory outlives the driver's close: the CPU still gets its data.
      CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
      CHECK(w.cpu_tags_until(at(4 * MiB), 2 * MiB, 1025) == 2 * MiB);
      if (partial) CHECK(w.cpu_tags_until(at(3 * MiB), MiB, 769) == MiB);
      CHECK(w.device_memory.used().value == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("an unmap after the close is nobody's business, and closing again does nothing") {
    world w;
    w.map(2 * MiB);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    svm::range_ref<policies> const kept = w.range_at(base);
    w.driver.close();
    REQUIRE(w.process.munmap(base, {2 * MiB}) == sys::ok);
    CHECK_FALSE(kept->has(svm::range_flag::unmapped));
    w.driver.collect_garbage();
    w.driver.close();
    CHECK(w.device_memory.used().value == 0);
    CHECK(w.complaint() == "");
  }
}
