// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/impl/map.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <support/scripted_allocation.hpp>

using svm::byte_count;
using svm::dma_addr;
using svm::dma_direction;
using svm::errc;
using svm::interconnect;
using svm::page_flag;
using svm::page_options;
using svm::page_order;
using svm::page_place;

namespace {

using script_page = support::scripted_mm<4096>::page;
constexpr std::uint64_t page_bytes = 4096;

/// A device that can set addresses aside, and keeps a ledger of that.
struct linking_device : support::scripted_device<script_page> {
  struct reservation {
    byte_count size;
    byte_count linked{};
    bool synced = false;
  };
  bool refuses_to_reserve = false;
  bool fails_to_sync = false;
  std::uint64_t fail_link_at = 0;
  std::uint64_t links = 0;
  std::uint64_t syncs = 0;
  std::map<std::uint64_t, reservation> reserved;

  [[nodiscard]] svm::result<dma_addr> reserve_iova(byte_count size) noexcept {
    if (refuses_to_reserve) return errc::no_memory;
    std::uint64_t const base = next_reservation_++ << 30;  // the first one is 0
    reserved[base] = {size};
    return dma_addr{base};
  }
  [[nodiscard]] errc link_iova(dma_addr base, byte_count offset, script_page, svm::page_count count,
                               dma_direction) noexcept {
    if (++links == fail_link_at) return errc::dma_map_failed;
    reservation& r = reserved.at(base.value);
    if (offset != r.linked) ++mismatches;  // one behind the other
    r.linked += count * byte_count{page_bytes};
    if (r.linked > r.size) ++mismatches;
    return errc::ok;
  }
  [[nodiscard]] errc sync_iova(dma_addr base, byte_count size) noexcept {
    ++syncs;
    if (fails_to_sync) return errc::dma_map_failed;
    reservation& r = reserved.at(base.value);
    if (size != r.linked || r.synced) ++mismatches;
    r.synced = true;
    return errc::ok;
  }
  void release_iova(dma_addr base, byte_count size, byte_count linked, dma_direction) noexcept {
    auto const found = reserved.find(base.value);
    if (found == reserved.end() || found->second.size != size || found->second.linked != linked)
      ++mismatches;
    else
      reserved.erase(found);
  }

 private:
  std::uint64_t next_reservation_ = 0;
};
static_assert(svm::iova_device<linking_device, script_page>);

/// Device memory of a GPU of its own, or of one that the first reaches.
struct any_pagemap : support::scripted_pagemap<script_page> {
  using device = linking_device;
  svm::page_owner whose{7};
  [[nodiscard]] svm::page_owner owner() noexcept { return whose; }
};

struct linking_policies : support::scripted_policies<page_bytes> {
  using device = linking_device;
  using pagemap = any_pagemap;
};
using pages = svm::device_mapping<linking_policies>;
using run = pages::run;
using allocation = support::scripted_allocation<linking_policies>;

/// A mapping on ledgers, which must balance at the end, and two devices' memory: `own` and `peer`.
struct bench {
  linking_policies::mm mm;
  linking_device device;
  any_pagemap own_memory{};
  any_pagemap peer_memory{};
  support::scripted_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::environment<linking_policies> env{mm, device, own_memory, memory, clock, stats};
  svm::environment<linking_policies> peer_env{mm, device, peer_memory, memory, clock, stats};
  svm::migrator<linking_policies> mover{env};
  svm::migrator<linking_policies> peer_mover{peer_env};
  allocation own{mover};
  allocation own_too{mover};
  allocation peer{peer_mover};
  pages mapping{env};

  bench() { peer_memory.whose = {7, 1}; }
  ~bench() {
    mapping.unmap();
    check_nothing_left();
  }
  void check_nothing_left() {
    CHECK(device.live.size() == 0);
    CHECK(device.reserved.size() == 0);
    CHECK(device.mismatches == 0);
    for (any_pagemap const* const p : {&own_memory, &peer_memory}) {
      CHECK(p->live.size() == 0);
      CHECK(p->mismatches == 0);
    }
  }
  [[nodiscard]] errc map(std::vector<run> const& found, page_options wanted = {}) {
    pages::resources room{env};
    REQUIRE(room.reserve(found, wanted.allow_mixed) == errc::ok);
    return mapping.map(found, wanted, room);
  }
  [[nodiscard]] run mine(std::uint64_t n) { return support::device_page(n, own); }
  [[nodiscard]] run mine_too(std::uint64_t n) { return support::device_page(n, own_too); }
  [[nodiscard]] run theirs(std::uint64_t n) { return support::device_page(n, peer); }
};

/// Who stands behind the device pages of another driver.
struct stranger final : svm::device_page_owner<script_page> {
  static constexpr family kind{};
  stranger() : device_page_owner(kind) {}
  [[nodiscard]] svm::page_owner owner() const noexcept override { return {7}; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<script_page> const&) noexcept override { return {}; }
  void page_freed(script_page, page_order) noexcept override {}
  void page_split(script_page, page_order, page_order) noexcept override {}
};

run system_page(std::uint64_t number, std::uint32_t count = 1) {
  return {.page = {number}, .count = count, .place = page_place::system, .writable = true};
}
constexpr page_options mixed{.allow_mixed = true};

}  // namespace

TEST_SUITE("gpusvm/map") {
  TEST_CASE(
      "system pages and those of one device are one mapping where that is allowed, in any order (erratum 3.1.13)") {
    for (bool const device_first : {true, false}) {
      bench b;
      std::vector<run> const found = device_first ? std::vector{b.mine(1), system_page(2), b.mine(3), system_page(4)}
                                                  : std::vector{system_page(2), b.mine(1), system_page(4), b.mine(3)};
      CHECK(b.map(found) == errc::mixed_placement);
      CHECK_FALSE(b.mapping.has(page_flag::mapped));
      REQUIRE(b.map(found, mixed) == errc::ok);
      for (auto const flag : {page_flag::mapped, page_flag::valid, page_flag::device, page_flag::system})
        CHECK(b.mapping.has(flag));
      CHECK_FALSE(b.mapping.has(page_flag::peer));
      CHECK(b.own_memory.live.size() == 2);
      CHECK(b.mapping.satisfies(mixed));
      CHECK_FALSE(b.mapping.satisfies({}));
      CHECK_FALSE(b.mapping.satisfies({.devmem_only = true, .allow_mixed = true}));
    }
  }

  TEST_CASE("pages of two devices are never one mapping, and two allocations of one only where mixing is allowed") {
    bench b;
    for (page_options const& wanted : {page_options{}, mixed}) {
      CHECK(b.map({b.mine(1), b.theirs(2)}, wanted) == errc::mixed_placement);
      CHECK(b.map({b.theirs(2), system_page(3), b.mine(1)}, wanted) == errc::mixed_placement);
    }
    CHECK(b.map({b.mine(1), b.mine_too(2)}) == errc::mixed_placement);
    CHECK_FALSE(b.mapping.has(page_flag::mapped));
    CHECK(b.map({b.mine(1), b.mine_too(2)}, mixed) == errc::ok);
  }

  TEST_CASE("a peer's pages are mapped by the peer's pagemap and ended there, once, with what it gave out (MGP-04)") {
    bench b;
    REQUIRE(b.map({b.theirs(5), b.theirs(6)}) == errc::ok);
    CHECK(b.mapping.has(page_flag::peer));
    CHECK(b.peer_memory.live.size() == 2);
    CHECK(b.own_memory.live.size() == 0);
    CHECK(b.own_memory.calls == 0);
    b.mapping.unmap();
    b.check_nothing_left();
    b.mapping.unmap();
    b.check_nothing_left();
  }

  TEST_CASE("who demands the device's own memory gets neither system memory nor a peer's (erratum 3.1.12)") {
    bench b;
    page_options const own_only{.devmem_only = true, .allow_mixed = true};
    CHECK(b.map({system_page(1)}, own_only) == errc::not_in_device_memory);
    CHECK(b.map({b.theirs(1)}, own_only) == errc::not_in_device_memory);
    CHECK(b.map({b.mine(1), system_page(2)}, own_only) == errc::not_in_device_memory);
    CHECK(b.map({b.mine(1), b.mine_too(2)}, own_only) == errc::ok);
  }

  TEST_CASE("device pages with another driver behind them are not mapped, whoever owns them") {
    bench b;
    stranger other;
    CHECK(b.map({{.page = {1}, .owner_object = &other, .owner = other.owner(), .place = page_place::device}}) ==
          errc::unsupported);
    CHECK_FALSE(b.mapping.has(page_flag::mapped));
  }

  TEST_CASE("system pages are linked one behind the other into one reservation, and synced once") {
    bench b;
    REQUIRE(b.map({system_page(8, 2), system_page(20), system_page(31)}) == errc::ok);
    CHECK(b.device.links == 3);
    CHECK(b.device.syncs == 1);
    CHECK(b.device.live.size() == 0);  // nothing was mapped by itself
    REQUIRE(b.device.reserved.size() == 1);
    CHECK(b.device.reserved.begin()->second.linked == byte_count{4 * page_bytes});
    std::uint64_t offset = b.device.reserved.begin()->first;
    for (svm::device_address const& block : b.mapping.blocks_locked()) {
      CHECK(block.address.value == offset);
      CHECK(block.path == interconnect::system);
      offset += block.count * page_bytes;
    }
  }

  TEST_CASE("a reservation that is not wholly used is given up whole, and no system page goes to a pagemap (3.1.26)") {
    bench b;
    REQUIRE(b.map({system_page(1), b.mine(2), system_page(3), b.mine(4)}, mixed) == errc::ok);
    REQUIRE(b.device.reserved.size() == 1);
    CHECK(b.device.reserved.begin()->second.size == byte_count{4 * page_bytes});
    CHECK(b.device.reserved.begin()->second.linked == byte_count{2 * page_bytes});
    CHECK(b.own_memory.live.size() == 2);
    b.mapping.unmap();
    b.check_nothing_left();
  }

  TEST_CASE("without a reservation the pages are mapped one by one") {
    bench b;
    b.device.refuses_to_reserve = true;
    REQUIRE(b.map({system_page(1), system_page(2)}) == errc::ok);
    CHECK(b.device.links == 0);
    CHECK(b.device.syncs == 0);
    CHECK(b.device.live.size() == 2);
    b.mapping.unmap();
    b.check_nothing_left();
    b.device.refuses_to_reserve = false;
    REQUIRE(b.map({system_page(1), system_page(2)}) == errc::ok);
    CHECK(b.device.live.size() == 0);
    CHECK(b.device.reserved.size() == 1);
  }

  TEST_CASE("a mapping of device pages alone needs no reservation, and gives back one that was made for it") {
    bench b;
    std::vector const on_device{b.mine(1), b.mine(3)};
    std::vector const in_system{system_page(1), system_page(3), system_page(5, 2)};
    {
      pages::resources room{b.env};
      REQUIRE(room.reserve(in_system, false) == errc::ok);
      REQUIRE(b.device.reserved.size() == 1);
      REQUIRE(b.mapping.map(on_device, {}, room) == errc::ok);
      CHECK(b.device.reserved.size() == 0);
      CHECK(b.device.syncs == 0);
    }
    pages::resources unused{b.env};
    REQUIRE(unused.reserve(on_device, false) == errc::ok);
    CHECK(b.device.reserved.size() == 0);
    REQUIRE(unused.reserve(in_system, false) == errc::ok);
    REQUIRE(unused.reserve(in_system, false) == errc::ok);  // once is enough
    REQUIRE(b.device.reserved.size() == 1);
    CHECK(b.device.reserved.begin()->second.size == byte_count{4 * page_bytes});
  }

  TEST_CASE("whichever link fails, or the sync, or a device page, nothing is left mapped (errata 3.1.3 and 3.1.4)") {
    for (std::uint64_t k = 1; k <= 6; ++k) {
      bench b;
      std::vector const found{system_page(1), b.theirs(2), system_page(3), b.theirs(4), system_page(5)};
      if (k <= 3) b.device.fail_link_at = k;
      if (k == 4 || k == 5) b.peer_memory.fail_at = k - 3;
      b.device.fails_to_sync = k == 6;
      CHECK(b.map(found, mixed) == errc::dma_map_failed);
      CHECK_FALSE(b.mapping.has(page_flag::mapped));
      b.check_nothing_left();
      b.device.fail_link_at = b.peer_memory.fail_at = 0;
      b.device.fails_to_sync = false;
      CHECK(b.map(found, mixed) == errc::ok);
      CHECK(b.peer_memory.live.size() == 2);
    }
  }

  TEST_CASE("who only reads gets mappings to the device alone, and no write is served by them") {
    bench b;
    REQUIRE(b.map({system_page(1), b.mine(2)}, {.read_only = true, .allow_mixed = true}) == errc::ok);
    CHECK(b.mapping.has(page_flag::read_only));
    for (svm::device_address const& block : b.mapping.blocks_locked())
      CHECK(block.direction == dma_direction::to_device);
    CHECK_FALSE(b.mapping.satisfies(mixed));
    CHECK(b.mapping.satisfies({.read_only = true, .allow_mixed = true}));
  }
}
