// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <conformance/pagemap.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/world.hpp>

namespace {

using conformance::broken_promises;
using conformance::kept;
namespace suite = conformance::pagemap;
using vram = svm::mock::vram<support::lock_policy>;

/// The simulated device memory, with one flaw.
class flawed_vram : public vram {
 public:
  enum class flaw {
    none,
    not_cleared,
    counts_one_less,
    wraps_around,
    names_one_page_twice,
    names_in_turn,
    releases_nothing,
    copies_first_block_only,
    copies_one_way,
    fails_after_copying,
    unmap_ends_all,
    maps_first_page,
    owned_by_nobody,
  };
  flawed_vram(support::machine& pc, svm::page_owner owner, flaw f)
      : vram(svm::mock::page_size * 64, owner, pc.frames, pc.dma, pc.failures, pc.broken, pc.hooks),
        frames_(pc.frames),
        flaw_(f) {}

  svm::result<memory> allocate(svm::byte_count size) noexcept {
    if (flaw_ == flaw::wraps_around && size > capacity()) size = svm::mock::page_size;
    auto made = vram::allocate(size);
    if (made && flaw_ == flaw::not_cleared) {
      std::vector<svm::mock::page> named(svm::pages_in(size, svm::mock::page_size).value);
      static_cast<void>(vram::pages(*made, named));
      for (auto const p : named) std::memset(frames_.bytes(p), 1, svm::mock::page_bytes);
    }
    return made;
  }
  svm::errc pages(memory& m, std::span<svm::mock::page> out) noexcept {
    svm::errc const e = vram::pages(m, out);
    if (flaw_ == flaw::names_one_page_twice && out.size() == 4) out[3] = out[0];
    if (flaw_ == flaw::names_in_turn && out.size() == 4 && calls_++ > 1) std::swap(out[0], out[1]);
    return e;
  }
  void release(memory& m) noexcept {
    if (flaw_ != flaw::releases_nothing || available() != svm::byte_count{}) vram::release(m);
  }
  svm::errc copy_to_device(std::span<svm::copy_block<svm::mock::page> const> job) noexcept {
    return vram::copy_to_device(flaw_ == flaw::copies_first_block_only ? job.first(1) : job);
  }
  svm::errc copy_to_system(std::span<svm::copy_block<svm::mock::page> const> job) noexcept {
    if (flaw_ == flaw::copies_one_way) return svm::errc::ok;
    svm::errc const e = vram::copy_to_system(job);
    if (flaw_ == flaw::fails_after_copying && e != svm::errc::ok)
      for (auto const& block : job) std::memset(frames_.bytes(block.device), 0, svm::mock::page_bytes);
    return e;
  }
  svm::result<svm::device_address> map(svm::mock::page p, svm::page_order order,
                                       svm::dma_direction direction) noexcept {
    if (first_ == svm::mock::page{}) first_ = p;
    auto mapped = vram::map(flaw_ == flaw::maps_first_page ? first_ : p, order, direction);
    reachable_ = true;
    return mapped;
  }
  void unmap(svm::device_address const& a) noexcept {
    vram::unmap(a);
    if (flaw_ == flaw::unmap_ends_all) reachable_ = false;
  }
  svm::page_owner owner() noexcept { return flaw_ == flaw::owned_by_nobody ? svm::nobody : vram::owner(); }
  svm::byte_count available() noexcept {
    svm::byte_count const left = vram::available();
    return flaw_ == flaw::counts_one_less && left == svm::mock::page_size * 61 ? left + svm::mock::page_size : left;
  }
  [[nodiscard]] bool reachable() const { return reachable_; }

 private:
  svm::mock::physical_memory<support::lock_policy>& frames_;
  flaw const flaw_;
  int calls_ = 0;
  bool reachable_ = false;
  svm::mock::page first_{};
};
static_assert(svm::pagemap<flawed_vram, svm::mock::page>);

class mock_bench {
 public:
  using pagemap_type = flawed_vram;
  using page = svm::mock::page;
  static constexpr svm::byte_count page_size = svm::mock::page_size;

  explicit mock_bench(flawed_vram::flaw f)
      : pc_(support::options(), *support::machine::check(support::options())),
        vram_(pc_, support::machine::gpu_owner, f),
        flaw_(f) {}
  ~mock_bench() {
    std::vector<std::string> const said = pc_.broken.take();
    if (flaw_ == flawed_vram::flaw::none) CHECK_MESSAGE(said.empty(), said.front());
  }

  pagemap_type& pagemap() { return vram_; }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, pc_.frames.bytes(p), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(pc_.frames.bytes(p), &value, sizeof value); }
  page system_page(std::uint64_t value) {
    auto const fresh = pc_.frames.allocate_ram();
    REQUIRE(fresh);
    poke(*fresh, value);
    return *fresh;
  }
  svm::dma_addr dma_address(page p) {
    auto const mapped = pc_.device.dma_map(p, svm::page_order{}, svm::dma_direction::bidirectional);
    REQUIRE(mapped);
    return *mapped;
  }
  std::optional<std::uint64_t> device_read(svm::device_address const& a) {
    if (!vram_.reachable()) return std::nullopt;
    svm::va_range const window{svm::cpu_va{page_size.value}, page_size};
    REQUIRE(pc_.device.prepare(window) == svm::errc::ok);
    pc_.device.commit(window, {&a, 1}, svm::mapping_access::read_only);
    std::uint64_t value = 0;
    bool const seen = pc_.device.load(window.start(), std::as_writable_bytes(std::span{&value, 1}));
    pc_.device.invalidate(window);
    return seen ? std::optional{value} : std::nullopt;
  }
  void fail_copy() { pc_.failures.arm(svm::mock::failure::copy, 1); }

 private:
  support::machine pc_;
  flawed_vram vram_;
  flawed_vram::flaw flaw_;
};

[[nodiscard]] broken_promises found_in(flawed_vram::flaw f) {
  return suite::check_all([f] { return std::make_unique<mock_bench>(f); });
}

}  // namespace

TEST_SUITE("conformance/pagemap") {
  TEST_CASE("the simulated device memory keeps the promises of a pagemap") {
    CHECK(found_in(flawed_vram::flaw::none) == kept);
  }

  TEST_CASE("a pagemap that is broken in one way is reported with that promise alone") {
    using enum flawed_vram::flaw;
    CHECK(found_in(not_cleared) == broken_promises{1});
    CHECK(found_in(counts_one_less) == broken_promises{1});
    CHECK(found_in(wraps_around) == broken_promises{1});
    CHECK(found_in(names_one_page_twice) == broken_promises{2});
    CHECK(found_in(names_in_turn) == broken_promises{2});
    CHECK(found_in(releases_nothing) == broken_promises{3});
    CHECK(found_in(copies_first_block_only) == broken_promises{4});
    CHECK(found_in(copies_one_way) == broken_promises{4});
    CHECK(found_in(fails_after_copying) == broken_promises{4});
    CHECK(found_in(unmap_ends_all) == broken_promises{5});
    CHECK(found_in(maps_first_page) == broken_promises{5});
    CHECK(found_in(owned_by_nobody) == broken_promises{6});
  }

  TEST_CASE("two pagemaps of one mm with the same owner are reported") {
    support::machine pc{support::options(), *support::machine::check(support::options())};
    flawed_vram one{pc, svm::page_owner{1}, flawed_vram::flaw::none};
    flawed_vram other{pc, svm::page_owner{2}, flawed_vram::flaw::none};
    CHECK(suite::owners_differ(one, other) == kept);
    CHECK(suite::owners_differ(one, one) == broken_promises{6});
  }
}
