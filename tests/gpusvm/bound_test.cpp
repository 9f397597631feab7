// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A page table that points at a range's pages already is not written again.

#include <cstdint>

#include <mock/processes.hpp>

using namespace support;
using svm::mapping_access;
using svm::page_flag;

namespace {

/// Counts how often the device was asked to make room in its page table, which comes before every write of it.
class counting_world : public world {
 public:
  explicit counting_world(svm::mock::machine_options const& o = small_chunks()) : world(o) {
    map(2 * chunk);
    cpu_tag(base, 2 * chunk, 1);
    hooks.hook = [this](step s) { binds += s == step::preparing ? 1 : 0; };
  }
  std::uint64_t binds = 0;
};

}  // namespace

TEST_SUITE("gpusvm/device_mapping, bound") {
  TEST_CASE("a fault on a range that is mapped writes no page-table entry again") {
    for (bool const migrate : {false, true}) {
      counting_world w{small_chunks(MiB, [=](auto& o) {
        if (!migrate) o.driver.migrate = svm::migration_mode::never;
      })};
      REQUIRE(w.fault(base, access_kind::write) == errc::ok);
      REQUIRE(w.binds == 1);
      CHECK(w.range_at(base)->mapping().has(page_flag::bound));
      for (support::access_kind const want : {access_kind::write, access_kind::read})
        CHECK(w.fault(page_at(3), want) == errc::ok);
      CHECK(w.driver.prefetch(span(base, chunk), svm::prefetch_place::as_fault) == errc::ok);
      CHECK(w.binds == 1);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("whatever ends the mapping ends its being bound, and the next fault binds again") {
    counting_world w;
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    std::uint64_t binds = w.binds;
    auto const binds_again = [&](char const* after) {
      CAPTURE(std::string{after});
      CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::bound));
      CHECK(w.fault(base, access_kind::write) == errc::ok);
      CHECK(w.binds == ++binds);
      CHECK(w.range_at(base)->mapping().has(page_flag::bound));
      CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    };
    REQUIRE(w.process.invalidate_only({span(page_at(5), page_bytes), svm::invalidation_cause::clear}));
    binds_again("an event");
    w.driver.reset();
    binds_again("a reset");
    REQUIRE(w.cpu_read(base) == 1u);
    binds_again("a migration back");
    svm::range_ref<policies> r = w.range_at(base);
    {
      svm::locked_range<policies> held = w.driver.svm().lock_range(std::move(r));
      w.driver.svm().unmap_pages(held);
    }
    binds_again("an unmap by choice");
  }

  TEST_CASE("pages that were got and not bound are not bound, and a bind with another access writes the entries") {
    counting_world w;
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    auto const found = w.driver.svm().find_or_insert(base, {});
    svm::locked_range<policies> held = w.driver.svm().lock_range(found->range);
    svm::gpusvm<policies>& svm = w.driver.svm();
    std::uint64_t const binds = w.binds;
    CHECK(svm.bind(held) == errc::ok);
    CHECK(w.binds == binds);
    CHECK(svm.bind(held, mapping_access::no_atomics) == errc::ok);
    CHECK(w.binds == binds + 1);
    std::uint64_t old = 0;
    CHECK_FALSE(w.device.atomic_add(base, 1, old));
    CHECK(svm.bind(held, mapping_access::no_atomics) == errc::ok);
    CHECK(w.binds == binds + 1);
    CHECK(svm.bind(held, mapping_access::read_only) == errc::ok);
    CHECK(w.binds == binds + 2);
    std::byte word[8]{};
    CHECK_FALSE(w.device.store(base, word));
    CHECK(svm.bind(held) == errc::ok);
    CHECK(w.binds == binds + 3);
    CHECK(w.device.atomic_add(base, 1, old));
    svm.unmap_pages(held);
    CHECK(svm.get_pages(held, {}) == errc::ok);
    CHECK_FALSE(held->mapping().has(page_flag::bound));
    CHECK(svm.bind(held) == errc::ok);
    CHECK(w.binds == binds + 4);
  }

  TEST_CASE("a read-only mapping is bound as such, whatever is permitted beyond") {
    counting_world w;
    REQUIRE(w.process.mprotect(base, {2 * chunk}, protection::read) == sys::ok);
    REQUIRE(w.fault(base) == errc::ok);
    std::uint64_t const binds = w.binds;
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.binds == binds);
    CHECK(w.range_at(base)->mapping().is_bound(mapping_access::read_write));
    CHECK(w.range_at(base)->mapping().is_bound(mapping_access::read_only));
    CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::bound_write));
  }

  TEST_CASE("a bind that fails leaves the range not bound") {
    counting_world w;
    w.failures.arm(failure::page_table, 1);
    CHECK(w.fault(base) == errc::no_memory);
    CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::bound));
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.range_at(base)->mapping().has(page_flag::bound));
  }
}
