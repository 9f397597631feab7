// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/pagemap.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <conformance/wide_device.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/std/null_lock.hpp>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;
namespace suite = svm::conformance::pagemap;
using wide::page;
using lock_policy = svm::mock::rank_checked<svm::null_lock>;

enum class flaw {
  none,
  not_cleared,
  cleared_after_copies,
  counts_one_less,
  wraps_around,
  failures_take_a_page,
  unplugged_is_full,
  names_one_page_twice,
  names_in_turn,
  blocks_pass_the_end,
  blocks_have_gaps,
  releases_nothing,
  pieces_come_twice,
  pieces_come_late,
  copies_first_block_only,
  copies_first_pages_only,
  copies_one_way,
  copies_nothing_to_peers,
  fails_after_copying,
  unmap_ends_all,
  maps_first_page,
  maps_peers_elsewhere,
  owned_by_nobody,
  owner_changes,
  counts_for_all,
  names_pages_of_another,
  gives_back_what_others_have,
  unmap_ends_all_devices,
  owned_by_the_machine,
  owned_by_one_group,
  locks_in_allocate,
  locks_in_release,
  locks_in_copy_to_device,
  locks_in_copy_to_system,
  locks_in_map,
  locks_in_unmap,
};

/// The device memory that has everything, with one flaw.
class flawed_vram : public wide::vram {
 public:
  flawed_vram(wide::memory& pages, wide::gpu& device, flaw f)
      : vram(pages, device, wide::page_size * 64), memory_(pages), device_(device), flaw_(f) {}

  svm::result<memory> allocate(svm::byte_count size) noexcept {
    lock_in(flaw::locks_in_allocate, early_);
    if (flaw_ == flaw::wraps_around && size > capacity()) size = wide::page_size;
    auto made = vram::allocate(size);
    if (made && next_ != nullptr) ++next_->allocated_elsewhere_;
    if (!made && flaw_ == flaw::failures_take_a_page) more_ -= wide::page_size;
    if (!made && flaw_ == flaw::unplugged_is_full) return svm::errc::no_device_memory;
    if (!made) return made.error();
    asked_once_ = false;
    if (flaw_ == flaw::owner_changes) ++allocations_;
    return std::move(made).value();
  }
  svm::errc wait_cleared(memory& m) noexcept {
    svm::errc const e = vram::wait_cleared(m);
    std::vector<svm::device_page<page>> one(1);
    static_cast<void>(vram::pages(m, one));
    if (flaw_ == flaw::not_cleared && !copied_) memory_.of(one[0].page).bytes.fill(std::byte{0xdb});
    if (flaw_ == flaw::cleared_after_copies && copied_) memory_.of(one[0].page).bytes.fill({});
    return e;
  }
  svm::errc pages(memory& m, std::span<svm::device_page<page>> out) noexcept {
    svm::errc const e = vram::pages(m, out);
    if (flaw_ == flaw::names_pages_of_another && next_ != nullptr) next_->page_elsewhere_ = out[0].page;
    if (flaw_ == flaw::names_pages_of_another && next_ == nullptr && page_elsewhere_ != page{})
      out[0].page = page_elsewhere_;
    if (flaw_ == flaw::names_one_page_twice && out.size() == 4) out[3].page = out[0].page;
    if (flaw_ == flaw::names_in_turn && out.size() == 4 && std::exchange(asked_once_, true))
      std::swap(out[0].page, out[1].page);
    if (flaw_ == flaw::blocks_pass_the_end && out.size() == 3) out[2].order = svm::page_order{1};
    if (flaw_ == flaw::blocks_have_gaps && out.size() == 16) std::swap(out[6].page, out[7].page);
    return e;
  }
  void release(memory& m) noexcept {
    lock_in(flaw::locks_in_release, late_);
    if (flaw_ == flaw::releases_nothing && available() == svm::byte_count{}) return;
    svm::byte_count const before = available();
    vram::release(m);
    if (flaw_ == flaw::gives_back_what_others_have && next_ == nullptr && first_of_all_ != nullptr)
      first_of_all_->more_ += wide::page_size;
    if (flaw_ == flaw::pieces_come_twice) more_ += pieces_;
    if (flaw_ == flaw::pieces_come_late && before != available()) pieces_ = {};
  }
  void release_pages(memory& m, page first, svm::page_order order) noexcept {
    vram::release_pages(m, first, order);
    pieces_ += wide::page_size * order.pages().value;
  }
  svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    lock_in(flaw::locks_in_copy_to_device, early_);
    copied_ = true;
    return copy(job, [this](auto blocks) { return vram::copy_to_device(blocks); });
  }
  svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    lock_in(flaw::locks_in_copy_to_system, early_);
    if (flaw_ == flaw::copies_one_way) return svm::errc::ok;
    svm::errc const e = copy(job, [this](auto blocks) { return vram::copy_to_system(blocks); });
    if (flaw_ == flaw::fails_after_copying && e != svm::errc::ok)
      for (auto const& block : job) memory_.of(block.local).bytes.fill({});
    return e;
  }
  svm::result<svm::device_address> map(wide::gpu& who, page p, svm::page_count count,
                                       svm::dma_direction direction) noexcept {
    lock_in(flaw::locks_in_map, late_);
    if (first_ == page{}) first_ = p;
    reachable_ = true;
    auto mapped = vram::map(who, flaw_ == flaw::maps_first_page ? first_ : p, count, direction);
    if (flaw_ == flaw::unmap_ends_all_devices) ended_ = false;
    if (mapped && flaw_ == flaw::maps_peers_elsewhere && &who != &device_) mapped->address.value = 0;
    return mapped;
  }
  void unmap(wide::gpu& who, svm::device_address const& a) noexcept {
    lock_in(flaw::locks_in_unmap, late_);
    vram::unmap(who, a);
    if (flaw_ == flaw::unmap_ends_all) reachable_ = false;
    if (&who == &device_) ended_ = true;
  }
  svm::page_owner owner() noexcept {
    if (flaw_ == flaw::owned_by_nobody) return svm::nobody;
    svm::page_owner const who = vram::owner();
    if (flaw_ == flaw::owned_by_the_machine) return {1, 1};
    if (flaw_ == flaw::owned_by_one_group) return {1, who.member};
    return {who.group, who.member + allocations_};
  }
  svm::byte_count available() noexcept {
    svm::byte_count left = vram::available() + more_;
    if (flaw_ == flaw::pieces_come_late) left -= pieces_;
    if (flaw_ == flaw::counts_for_all && next_ == nullptr) left -= wide::page_size * allocated_elsewhere_;
    bool const has_three = left == wide::page_size * 61 && pieces_ == svm::byte_count{};
    return flaw_ == flaw::counts_one_less && has_three ? left + wide::page_size : left;
  }
  [[nodiscard]] bool reachable() const { return reachable_; }
  /// Whether a peer may still read; it may not after the device's own mapping has ended, by one of the flaws.
  [[nodiscard]] bool reachable_for_peers() const { return flaw_ != flaw::unmap_ends_all_devices || !ended_; }
  /// Another pagemap, which hears of what this one does when it should not.
  void set_next(flawed_vram& next) {
    next_ = &next;
    next.first_of_all_ = this;
  }

 private:
  /// Takes a lock of a driver that it may not take here.
  template <class Lock>
  void lock_in(flaw f, Lock& lock) {
    if (flaw_ == f) svm::exclusive_guard const guard{lock};
  }
  template <class Copy>
  svm::errc copy(std::span<svm::copy_block<page> const> job, Copy&& run) {
    if (flaw_ == flaw::copies_first_block_only) return run(job.first(1));
    if (flaw_ == flaw::copies_nothing_to_peers && job[0].remote.path == svm::interconnect::peer) return svm::errc::ok;
    std::vector<svm::copy_block<page>> small(job.begin(), job.end());
    for (auto& block : small) block.remote.count = 1;
    return flaw_ == flaw::copies_first_pages_only ? run(std::span<svm::copy_block<page> const>{small}) : run(job);
  }

  wide::memory& memory_;
  wide::gpu& device_;
  flaw const flaw_;
  lock_policy::mutex<svm::lock_rank::range> early_;
  lock_policy::mutex<svm::lock_rank::page> late_;
  bool asked_once_ = false;
  bool copied_ = false;
  bool reachable_ = false;
  bool ended_ = false;
  flawed_vram* next_ = nullptr;
  flawed_vram* first_of_all_ = nullptr;
  std::uint64_t allocated_elsewhere_ = 0;
  page page_elsewhere_{};
  std::uint32_t allocations_ = 0;
  svm::byte_count pieces_{};
  svm::byte_count more_{};
  page first_{};
};
static_assert(svm::pagemap<flawed_vram, page, wide::gpu>);

/// Two devices that reach each other's memory, and one that reaches nobody's.
class bench {
 public:
  using pagemap_type = flawed_vram;
  using page = wide::page;
  static constexpr svm::byte_count page_size = wide::page_size;

  using lock_type = lock_policy;

  explicit bench(flaw f)
      : vram_(memory_, gpu_, f), peer_vram_(memory_, peer_, f), stranger_vram_(memory_, stranger_, f) {
    vram_.set_next(peer_vram_);
  }

  ~bench() { static_cast<void>(lock_complaints()); }
  std::size_t lock_complaints() { return complaints_ += svm::mock::lock_report().take().size(); }

  pagemap_type& pagemap() { return vram_; }
  wide::gpu& device() { return gpu_; }
  wide::gpu& peer() { return peer_; }
  pagemap_type& peer_pagemap() { return peer_vram_; }
  pagemap_type& stranger_pagemap() { return stranger_vram_; }
  std::uint64_t peek(page p) { return wide::first_word(memory_.of(p).bytes.data()); }
  void poke(page p, std::uint64_t value) { std::memcpy(memory_.of(p).bytes.data(), &value, sizeof value); }
  page nth(page first, std::size_t i) { return wide::nth(first, i); }
  page system_page(std::uint64_t value) { return system_block({}, value); }
  page system_block(svm::page_order order, std::uint64_t value) {
    page const first = memory_.add(order.pages().value, false);
    for (std::uint64_t i = 0; i < order.pages().value; ++i) poke(nth(first, i), value + i);
    return first;
  }
  svm::device_address dma_address(page p, svm::page_order order) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    return {.address = *gpu_.dma_map(p, order.pages(), both_ways),
            .direction = both_ways,
            .count = static_cast<std::uint32_t>(order.pages().value)};
  }
  std::optional<std::uint64_t> device_read(svm::device_address const& a) {
    return vram_.reachable() || a.path == svm::interconnect::peer ? read_by(gpu_, a) : std::nullopt;
  }
  std::optional<std::uint64_t> peer_read(svm::device_address const& a) {
    return vram_.reachable_for_peers() ? read_by(peer_, a) : std::nullopt;
  }
  void fail_copy() { vram_.fail_next_copy(); }
  void unplug() { vram_.unplug(); }

 private:
  static std::optional<std::uint64_t> read_by(wide::gpu& who, svm::device_address const& a) {
    std::byte const* const seen = who.bytes(a);
    return seen != nullptr ? std::optional{wide::first_word(seen)} : std::nullopt;
  }

  std::size_t complaints_ = 0;
  wide::memory memory_;
  wide::gpu gpu_{memory_, {1, 2}, wide::gpu::bounce::no};
  wide::gpu peer_{memory_, {1, 3}, wide::gpu::bounce::no};
  wide::gpu stranger_{memory_, {2, 1}, wide::gpu::bounce::no};
  flawed_vram vram_;
  flawed_vram peer_vram_;
  flawed_vram stranger_vram_;
};

[[nodiscard]] broken_promises found_in(flaw f) {
  return suite::check_all([f] { return std::make_unique<bench>(f); });
}

/// Just this promise.
[[nodiscard]] broken_promises broken(int number) {
  return {suite::promises, {number}};
}

}  // namespace

TEST_SUITE("conformance/pagemap") {
  TEST_CASE("device memory with everything keeps the promises of a pagemap") {
    CHECK(found_in(flaw::none) == kept);
  }

  TEST_CASE("a pagemap that is broken in one way is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(not_cleared) == broken(4));
    CHECK(found_in(cleared_after_copies) == broken(5));
    CHECK(found_in(counts_one_less) == broken(3));
    CHECK(found_in(failures_take_a_page) == broken(2));
    CHECK(found_in(wraps_around) == broken(1));
    CHECK(found_in(unplugged_is_full) == broken(1));
    CHECK(found_in(names_one_page_twice) == broken(6));
    CHECK(found_in(names_in_turn) == broken(7));
    CHECK(found_in(blocks_pass_the_end) == broken(8));
    CHECK(found_in(blocks_have_gaps) == broken(8));
    CHECK(found_in(releases_nothing) == broken(9));
    CHECK(found_in(pieces_come_twice) == broken(10));
    CHECK(found_in(pieces_come_late) == broken(10));
    CHECK(found_in(copies_first_block_only) == broken(11));
    CHECK(found_in(copies_first_pages_only) == broken(11));
    CHECK(found_in(copies_one_way) == broken(11));
    CHECK(found_in(copies_nothing_to_peers) == broken(11));
    CHECK(found_in(fails_after_copying) == broken(12));
    CHECK(found_in(unmap_ends_all) == broken(15));
    CHECK(found_in(maps_first_page) == broken(13));
    CHECK(found_in(maps_peers_elsewhere) == broken(13));
    CHECK(found_in(owned_by_nobody) == broken(16));
    CHECK(found_in(owner_changes) == broken(17));
    CHECK(found_in(counts_for_all) == broken(3));
    CHECK(found_in(names_pages_of_another) == broken(6));
    CHECK(found_in(gives_back_what_others_have) == broken(9));
    CHECK(found_in(unmap_ends_all_devices) == broken(15));
    CHECK(found_in(owned_by_the_machine) == broken(18));
    CHECK(found_in(owned_by_one_group) == broken(19));
  }

  TEST_CASE("a pagemap that takes a lock of its driver too late is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(locks_in_allocate) == broken(20));
    CHECK(found_in(locks_in_release) == broken(20));
    CHECK(found_in(locks_in_copy_to_device) == broken(20));
    CHECK(found_in(locks_in_copy_to_system) == broken(20));
    CHECK(found_in(locks_in_map) == broken(20));
    CHECK(found_in(locks_in_unmap) == broken(20));
  }

  TEST_CASE("pagemaps of one mm with the same owner, or in one group without a link, are reported") {
    wide::memory memory;
    constexpr auto no_bounce = wide::gpu::bounce::no;
    wide::gpu gpus[] = {{memory, {1, 1}, no_bounce}, {memory, {1, 2}, no_bounce}, {memory, {2, 1}, no_bounce}};
    wide::vram one{memory, gpus[0], wide::page_size};
    wide::vram peer{memory, gpus[1], wide::page_size};
    wide::vram other{memory, gpus[2], wide::page_size};
    CHECK(suite::owners_are_right(one, peer, true) == kept);
    CHECK(suite::owners_are_right(one, other, false) == kept);
    CHECK(suite::owners_are_right(one, peer, false) == broken(19));
    CHECK(suite::owners_are_right(one, one, true) == broken(18));
  }
}
