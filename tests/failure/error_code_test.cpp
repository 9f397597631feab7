// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <failure/failure_loop.hpp>

using namespace support;

namespace {

struct audit_row {
  char const* operation;
  failure kind;
  errc once;          ///< what the call returns when the first one fails
  errc from_then_on;  ///< what it returns when all of them fail
};

// From the \errors of the functions. An eviction has three tries; a fault that cannot migrate uses the memory where it
// is; one that cannot get pages for the GPU's own mapping has ten passes.
constexpr audit_row table[] = {
    {"migrate_to_device", failure::alloc, errc::no_memory, errc::no_memory},
    {"migrate_to_device", failure::dma_map, errc::dma_map_failed, errc::dma_map_failed},
    {"migrate_to_device", failure::copy, errc::copy_failed, errc::copy_failed},
    {"migrate_to_device", failure::populate, errc::no_device_memory, errc::no_device_memory},
    {"evict", failure::alloc, errc::no_memory, errc::no_memory},
    {"evict", failure::ram, errc::ok, errc::no_ram},
    {"evict", failure::dma_map, errc::ok, errc::dma_map_failed},
    {"evict", failure::copy, errc::ok, errc::copy_failed},
    {"evict_span", failure::alloc, errc::no_memory, errc::no_memory},
    {"evict_span", failure::ram, errc::ok, errc::no_ram},
    {"evict_span", failure::dma_map, errc::ok, errc::dma_map_failed},
    {"evict_span", failure::copy, errc::ok, errc::copy_failed},
    {"evict_all", failure::alloc, errc::no_memory, errc::no_memory},
    {"evict_all", failure::ram, errc::ok, errc::no_ram},
    {"evict_all", failure::dma_map, errc::ok, errc::dma_map_failed},
    {"evict_all", failure::copy, errc::ok, errc::copy_failed},
    {"make_room", failure::alloc, errc::no_device_memory, errc::no_device_memory},
    {"make_room", failure::ram, errc::ok, errc::no_device_memory},
    {"make_room", failure::dma_map, errc::ok, errc::no_device_memory},
    {"make_room", failure::copy, errc::ok, errc::no_device_memory},
    {"fault", failure::alloc, errc::no_memory, errc::no_memory},
    {"fault", failure::ram, errc::ok, errc::ok},
    {"fault", failure::dma_map, errc::ok, errc::dma_map_failed},
    {"fault", failure::copy, errc::ok, errc::ok},
    {"fault", failure::populate, errc::ok, errc::ok},
    {"prefetch to device", failure::alloc, errc::no_memory, errc::no_memory},
    {"prefetch to device", failure::ram, errc::ok, errc::ok},
    {"prefetch to device", failure::dma_map, errc::ok, errc::dma_map_failed},
    {"prefetch to device", failure::copy, errc::ok, errc::ok},
    {"prefetch to device", failure::populate, errc::ok, errc::ok},
    {"prefetch to system", failure::alloc, errc::no_memory, errc::no_memory},
    {"prefetch to system", failure::ram, errc::ok, errc::no_ram},
    {"prefetch to system", failure::dma_map, errc::ok, errc::dma_map_failed},
    {"prefetch to system", failure::copy, errc::ok, errc::copy_failed},
};

}  // namespace

TEST_SUITE("failure/error_codes") {
  TEST_CASE("each operation reports the cause of its failure, and none that it has overcome (OOM-10)") {
    for (audit_row const& row : table)
      for (repeat const how : {repeat::once, repeat::from_then_on}) {
        CAPTURE(std::string{row.operation});
        CAPTURE(std::string{name(row.kind)});
        CAPTURE(static_cast<int>(how));
        operation_world w{operation_named(row.operation)};
        bool const taken = row.kind == failure::alloc && w.mover.kept().take();  // as by a migration under way
        w.failures.arm(row.kind, 1, how);
        CHECK(w.act() == (how == repeat::once ? row.once : row.from_then_on));
        w.failures.disarm();
        if (taken) w.mover.kept().give_back();
        w.check_recovers();
      }
  }

  TEST_CASE("a fault that must have device memory reports why it has none (OOM-10)") {
    for (auto const& required : {std::pair{failure::copy, errc::copy_failed},
                                 {failure::dma_map, errc::dma_map_failed},
                                 {failure::populate, errc::no_device_memory},
                                 {failure::alloc, errc::no_memory}}) {
      failure const kind = required.first;
      errc const cause = required.second;
      CAPTURE(std::string{name(kind)});
      world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::required; })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      w.failures.arm(kind, 1, repeat::from_then_on);
      CHECK(w.fault(base) == cause);
      w.failures.disarm();
      CHECK(w.complaint() == "");
      CHECK(w.device_pages(base, chunk) == 0);
      w.failures.arm(kind, 1, repeat::once);
      errc const e = w.fault(base);
      CHECK((e == errc::ok || (kind == failure::alloc && e == cause)));  // three tries for the migration itself
      CHECK(w.fault(base) == errc::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a notifier that cannot be registered fails the fault and leaves nothing (OOM-10, OOM-03)") {
    for (repeat const how : {repeat::once, repeat::from_then_on}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      w.failures.arm(failure::notifier, 1, how);
      CHECK(w.fault(base) == errc::registration_failed);
      w.failures.disarm();
      CHECK(w.notifier_count() == 0);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("a fault on untouched memory reports when there is no system page (OOM-10)") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk);
    w.failures.arm(failure::ram, 3, repeat::from_then_on);
    CHECK(w.fault(base, access_kind::write) == errc::no_ram);
    w.failures.disarm();
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_write(page_at(7), 7) == errc::ok);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the CPU's own faults say what the kernel would say (OOM-10)") {
    world w{small_chunks()};
    std::byte word[8]{};
    CHECK(w.process.load(base, word) == sys::sigsegv);
    w.map(chunk);
    w.failures.arm(failure::ram, 1);
    CHECK(w.process.store(base, word) == sys::sigbus);
    REQUIRE(w.fault(base) == errc::ok);
    for (failure const kind : {failure::ram, failure::dma_map, failure::copy}) {
      w.failures.arm(kind, 1);
      if (kind == failure::copy) REQUIRE(w.gpu_write(base, 1) == errc::ok);
      CHECK(w.process.load(base, word) == sys::sigbus);
      CHECK(w.complaint() == "");
    }
    CHECK(w.process.load(base, word) == sys::ok);
  }
}
