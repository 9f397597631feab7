// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Processes that fork while their memory is a GPU's too, and several of them in one GPU's memory.

#include <cstdint>

#include <mock/processes.hpp>

using namespace support;

namespace {

constexpr std::uint64_t child_tag = 5000;

/// Where a parent's 2 MiB are when it forks.
struct fork_case {
  bool thp;
  bool on_device;
};

void let_the_child_write_all(fork_case const& how, svm::migration_mode mode) {
  CAPTURE(how.thp);
  CAPTURE(how.on_device);
  CAPTURE(static_cast<int>(mode));
  world w{options([&](auto& o) {
    o.thp = how.thp;
    o.driver.migrate = mode;
  })};
  w.map(2 * MiB);
  w.cpu_tag(base, 2 * MiB, 1);
  REQUIRE(order_at(w, base) == (how.thp ? 9 : 0));
  if (how.on_device) REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
  task& child = w.fork(w.first());
  REQUIRE(child.process.users() == 1);

  std::uint64_t wrong = 0;
  for (std::uint64_t n = 0; n < 512; ++n)
    wrong += gpu_store(w, child, 0, page_at(n), child_tag + n) == errc::ok ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(w.complaint() == "");
  for (std::uint64_t n = 0; n < 512; ++n) wrong += load(child, page_at(n)) == child_tag + n ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
  CHECK(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
  for (std::uint64_t n = 0; n < 512; ++n) wrong += gpu_load(w, child, 0, page_at(n)) == child_tag + n ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(w.complaint() == "");
}

}  // namespace

TEST_SUITE("driver, fork") {
  TEST_CASE("what a child's GPU writes everywhere is the child's alone, and the parent keeps its own (FRK-01..04)") {
    for (bool const thp : {true, false})
      for (bool const on_device : {true, false})
        for (auto const mode : {svm::migration_mode::never, svm::migration_mode::where_possible})
          let_the_child_write_all({thp, on_device}, mode);
  }

  TEST_CASE("memory that a GPU has to itself is shared by a fork, and atomics of both are private (FRK-09)") {
    for (bool const child_first : {false, true}) {
      CAPTURE(child_first);
      world w{small_chunks()};
      w.map(chunk);
      std::uint64_t old = 0;
      REQUIRE(w.gpu_atomic_add(w.first(), 0, base, 100, old) == errc::ok);
      REQUIRE(w.device_pages(base, chunk) == chunk_pages);
      task& child = w.fork(w.first());
      CHECK(w.gpu_mapped_pages(base, chunk) == 0);
      CHECK(w.complaint() == "");
      for (bool const is_child : {child_first, !child_first}) {
        CHECK(w.gpu_atomic_add(is_child ? child : w.first(), 0, base, is_child ? 1 : 10, old) == errc::ok);
        CHECK(old == 100);
        CHECK(w.complaint() == "");
      }
      CHECK(w.cpu_write(page_at(1), 7) == sys::ok);
      CHECK(store(child, page_at(1), 8) == sys::ok);
      CHECK(w.cpu_read(base) == 110u);
      CHECK(load(child, base) == 101u);
      CHECK(w.gpu_read(page_at(1)) == 7u);
      CHECK(gpu_load(w, child, 0, page_at(1)) == 8u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("processes that want more device memory than there is all get through with their data (EVC-04)") {
    constexpr std::uint64_t each = 3 * chunk;  // three processes and nine eighths of the device memory
    world w{small_chunks(8 * chunk)};
    task* const all[] = {&w.first(), &w.fork(w.first()), &w.fork(w.first())};
    std::uint64_t tag = 1;
    for (task* const t : all)
      REQUIRE(t->process.mmap({each}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
    for (std::uint64_t n = 0; n < each / page_bytes; ++n)
      for (task* const t : all) REQUIRE(gpu_store(w, *t, 0, page_at(n), tag++) == errc::ok);
    CHECK(w.count(svm::event_kind::evicted) > 0);
    CHECK(w.complaint() == "");
    for (bool const by_gpu : {true, false}) {
      tag = 1;
      std::uint64_t wrong = 0;
      for (std::uint64_t n = 0; n < each / page_bytes; ++n)
        for (task* const t : all)
          wrong += (by_gpu ? gpu_load(w, *t, 0, page_at(n)) : load(*t, page_at(n))) == tag++ ? 0 : 1;
      CHECK(wrong == 0);
      CHECK(w.complaint() == "");
    }
    for (task* const t : all) w.exit(*t);
    CHECK(w.device_memory.used() == byte_count{});
  }
}
