// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/device.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
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
namespace suite = svm::conformance::device;
using wide::page;
using lock_policy = svm::mock::rank_checked<svm::null_lock>;

enum class flaw {
  none,
  unmap_forgets,
  unmap_ends_all,
  failed_map_stays,
  maps_first_page_only,
  reserves_one_place,
  links_one_page,
  links_without_sync,
  failed_link_stays,
  releases_nothing,
  syncs_one_way,
  syncs_other_way,
  unmap_loses_bytes,
  prepares_one_table,
  commits_backwards,
  commits_first_of_each,
  commits_writable,
  commit_allocates,
  commits_whole_mappings,
  commits_aligned_blocks,
  commits_all_as_system,
  commits_for_all,
  invalidates_for_all,
  unmaps_for_all,
  zaps_one_page,
  zaps_from_its_first_entry,
  flushes_one_page,
  begins_nothing,
  finishes_nothing,
  stops_nothing,
  resumes_nothing,
  stop_allocates,
  stop_loses_mappings,
  locks_in_dma_map,
  locks_in_dma_unmap,
  locks_in_commit,
  locks_in_invalidate,
  locks_in_begin,
  locks_in_stop,
};

/// The GPU that has everything, with one flaw.
class flawed_gpu : public wide::gpu {
 public:
  flawed_gpu(wide::memory& pages, flaw f, bounce how) : gpu(pages, {1, 2}, how), flaw_(f) {}

  svm::result<svm::dma_addr> dma_map(page p, svm::page_count count, svm::dma_direction direction) noexcept {
    lock_in(flaw::locks_in_dma_map);
    auto const mapped = gpu::dma_map(p, flaw_ == flaw::maps_first_page_only ? svm::page_count{1} : count, direction);
    if (mapped) mapped_.push_back(*mapped);
    if (mapped) counts_[mapped->value] = count;
    if (!mapped && flaw_ == flaw::failed_map_stays) static_cast<void>(gpu::dma_map(p, count, direction));
    return mapped;
  }
  void dma_unmap(svm::dma_addr address, svm::page_count count, svm::dma_direction direction) noexcept {
    lock_in(flaw::locks_in_dma_unmap);
    if (flaw_ == flaw::unmap_forgets) return;
    if (flaw_ == flaw::unmaps_for_all && peer_ != nullptr) peer_->gpu::dma_unmap(address, count, direction);
    if (flaw_ == flaw::unmap_loses_bytes) direction = svm::dma_direction::to_device;
    if (flaw_ == flaw::unmap_ends_all)
      for (svm::dma_addr const a : std::exchange(mapped_, {})) gpu::dma_unmap(a, count, direction);
    else
      gpu::dma_unmap(address, count, direction);
  }

  svm::result<svm::dma_addr> reserve_iova(svm::byte_count size) noexcept {
    if (flaw_ != flaw::reserves_one_place) return gpu::reserve_iova(size);
    if (!reserved_) reserved_ = *gpu::reserve_iova(size);
    return *reserved_;
  }
  svm::errc link_iova(svm::dma_addr base, svm::byte_count offset, page p, svm::page_count count,
                      svm::dma_direction direction) noexcept {
    if (flaw_ == flaw::links_one_page) offset = {};
    svm::errc const e = gpu::link_iova(base, offset, p, count, direction);
    if (flaw_ == flaw::failed_link_stays && e != svm::errc::ok)
      static_cast<void>(gpu::link_iova(base, offset, p, count, direction));
    return e;
  }
  svm::errc sync_iova(svm::dma_addr base, svm::byte_count size) noexcept {
    return flaw_ == flaw::links_without_sync ? svm::errc::ok : gpu::sync_iova(base, size);
  }
  void release_iova(svm::dma_addr base, svm::byte_count size, svm::byte_count linked,
                    svm::dma_direction direction) noexcept {
    gpu::release_iova(base, size, flaw_ == flaw::releases_nothing ? svm::byte_count{} : linked, direction);
  }
  void sync_for_device(svm::dma_addr address, svm::page_count count, svm::dma_direction direction) noexcept {
    if (flaw_ != flaw::syncs_one_way) gpu::sync_for_device(address, count, direction);
  }
  void sync_for_system(svm::dma_addr address, svm::page_count count, svm::dma_direction direction) noexcept {
    if (flaw_ != flaw::syncs_other_way) gpu::sync_for_system(address, count, direction);
  }

  svm::errc prepare(svm::va_range span) noexcept {
    for (svm::byte_count done{}; done < span.size(); done += wide::page_size)
      prepared_.insert((span.start() + done).value);
    scratch_.reserve(prepared_.size());  // for what a commit may need, which allocates nothing
    if (flaw_ == flaw::commits_for_all && peer_ != nullptr && peer_->prepare(span) != svm::errc::ok)
      return svm::errc::no_memory;
    return gpu::prepare(span);
  }
  void set_peer(flawed_gpu& other) { peer_ = &other; }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access how) noexcept {
    lock_in(flaw::locks_in_commit);
    if (flaw_ == flaw::commit_allocates) ::operator delete(::operator new(8));
    if (flaw_ == flaw::commits_writable) how = svm::mapping_access::read_write;
    if (flaw_ == flaw::prepares_one_table && blocks.size() > 512)  // a page table's worth, and no more
      return gpu::commit({span.start(), wide::page_size * 512}, blocks.first(512), how);
    if (flaw_ == flaw::commits_backwards) {
      scratch_.assign(blocks.rbegin(), blocks.rend());
      return gpu::commit(span, scratch_, how);
    }
    if (flaw_ == flaw::commits_whole_mappings && blocks.size() == 1 && spreads(span, blocks[0], how)) return;
    if (flaw_ == flaw::commits_aligned_blocks && blocks.size() == 1)
      span = {span.start().align_down(wide::page_size * std::bit_floor(blocks[0].count)), span.size()};
    if (flaw_ == flaw::commits_all_as_system) {
      scratch_.assign(blocks.begin(), blocks.end());
      for (svm::device_address& block : scratch_) block.path = svm::interconnect::system;
      blocks = scratch_;
    }
    if (flaw_ == flaw::commits_for_all && peer_ != nullptr) peer_->gpu::commit(span, blocks, how);
    gpu::commit(span, blocks, how);
    svm::cpu_va at = span.start();
    for (svm::device_address block : blocks) {
      svm::byte_count const size = wide::page_size * block.count;
      block.count = 1;
      for (svm::byte_count done{}; flaw_ == flaw::commits_first_of_each && done < size; done += wide::page_size)
        gpu::commit({at + done, wide::page_size}, {&block, 1}, how);
      at = at + size;
    }
  }
  void begin_invalidate(svm::va_range span) noexcept {
    lock_in(flaw::locks_in_begin);
    if (flaw_ != flaw::begins_nothing) gpu::begin_invalidate(span);
  }
  void finish_invalidate(svm::va_range span) noexcept {
    if (flaw_ != flaw::finishes_nothing) gpu::finish_invalidate(span);
  }
  void invalidate(svm::va_range span) noexcept {
    lock_in(flaw::locks_in_invalidate);
    if (flaw_ == flaw::zaps_from_its_first_entry && !prepared_.contains(span.start().value)) return;
    if (flaw_ == flaw::invalidates_for_all && peer_ != nullptr) peer_->gpu::invalidate(span);
    gpu::begin_invalidate(flaw_ == flaw::zaps_one_page ? svm::va_range{span.start(), wide::page_size} : span);
    gpu::finish_invalidate(flaw_ == flaw::flushes_one_page ? svm::va_range{span.start(), wide::page_size} : span);
  }

  void stop_queues() noexcept {
    lock_in(flaw::locks_in_stop);
    if (flaw_ == flaw::stop_allocates) ::operator delete(::operator new(8));
    if (flaw_ == flaw::stop_loses_mappings) invalidate({svm::conformance::device::somewhere, wide::page_size * 2});
    if (flaw_ != flaw::stops_nothing) gpu::stop_queues();
  }
  void resume_queues() noexcept {
    if (flaw_ != flaw::resumes_nothing) gpu::resume_queues();
  }

 private:
  /// Takes a lock of a driver that it may not take here.
  void lock_in(flaw f) {
    if (flaw_ == f) svm::exclusive_guard const guard{lock_};
  }
  /// Commits all of the DMA mapping that a block is a part of.
  bool spreads(svm::va_range span, svm::device_address const& part, svm::mapping_access how) {
    auto const after = counts_.upper_bound(part.address.value);
    if (part.path != svm::interconnect::system || after == counts_.begin()) return false;
    auto const& [start, count] = *std::prev(after);
    if (count == part.pages()) return false;
    svm::device_address const whole{svm::dma_addr{start}, part.path, part.direction,
                                    static_cast<std::uint32_t>(count.value)};
    svm::va_range const around{span.start() - (part.address - whole.address), wide::page_size * count.value};
    if (gpu::prepare(around) == svm::errc::ok) gpu::commit(around, {&whole, 1}, how);
    return true;
  }

  flaw const flaw_;
  lock_policy::mutex<svm::lock_rank::eviction> lock_;
  flawed_gpu* peer_ = nullptr;
  std::set<std::uint64_t> prepared_;
  std::map<std::uint64_t, svm::page_count> counts_;
  std::vector<svm::dma_addr> mapped_;
  std::vector<svm::device_address> scratch_;
  std::optional<svm::dma_addr> reserved_;
};
static_assert(svm::device<flawed_gpu, page>);

class bench {
 public:
  using device_type = flawed_gpu;
  using page = wide::page;
  static constexpr svm::byte_count page_size = wide::page_size;

  using lock_type = lock_policy;

  explicit bench(flaw f, wide::gpu::bounce how) : gpu_(memory_, f, how), peer_(memory_, flaw::none, how) {
    gpu_.set_peer(peer_);
  }

  ~bench() { static_cast<void>(lock_complaints()); }
  std::size_t lock_complaints() { return complaints_ += svm::mock::lock_report().take().size(); }

  device_type& device() { return gpu_; }
  page system_page(std::uint64_t value) { return system_block({}, value); }
  page system_block(svm::page_order order, std::uint64_t value) {
    page const first = memory_.add(order.pages().value, false);
    for (std::uint64_t i = 0; i < order.pages().value; ++i) poke(wide::nth(first, i), value + i);
    return first;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return gpu_.load(a); }
  bool store(svm::cpu_va a, std::uint64_t value) { return gpu_.store(a, value); }
  std::size_t dma_mappings() { return gpu_.dma_mappings(); }
  device_type& peer() { return peer_; }
  std::optional<std::uint64_t> peer_load(svm::cpu_va a) { return peer_.load(a); }
  std::size_t peer_dma_mappings() { return peer_.dma_mappings(); }
  svm::device_address local_page(std::uint64_t value) { return device_page(value, svm::interconnect::local); }
  svm::device_address peer_page(std::uint64_t value) { return device_page(value, svm::interconnect::peer); }
  void fail_dma_map() { gpu_.fail_next_map(); }
  std::uint64_t peek(page p) { return wide::first_word(memory_.of(p).bytes.data()); }
  void poke(page p, std::uint64_t value) { std::memcpy(memory_.of(p).bytes.data(), &value, sizeof value); }

 private:
  svm::device_address device_page(std::uint64_t value, svm::interconnect path) {
    page const p = memory_.add(1, true);
    poke(p, value);
    return {.address = {p.number * wide::page_bytes}, .path = path};
  }

  std::size_t complaints_ = 0;
  wide::memory memory_;
  flawed_gpu gpu_;
  flawed_gpu peer_;
};

[[nodiscard]] broken_promises found_in(flaw f, wide::gpu::bounce how = wide::gpu::bounce::yes) {
  return suite::check_all([f, how] { return std::make_unique<bench>(f, how); });
}

/// Just this promise.
[[nodiscard]] broken_promises broken(int number) {
  return {suite::promises, {number}};
}

}  // namespace

TEST_SUITE("conformance/device") {
  TEST_CASE("a GPU with everything keeps the promises of a device") {
    CHECK(found_in(flaw::none) == kept);
    CHECK(found_in(flaw::none, wide::gpu::bounce::no) == kept);
  }

  TEST_CASE("a device that is broken in one way is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(unmap_forgets) == broken(3));
    CHECK(found_in(unmap_ends_all) == broken(3));
    CHECK(found_in(failed_map_stays) == broken(2));
    CHECK(found_in(maps_first_page_only) == broken(1));
    CHECK(found_in(reserves_one_place) == broken(12));
    CHECK(found_in(links_one_page) == broken(13));
    CHECK(found_in(links_without_sync) == broken(13));
    CHECK(found_in(failed_link_stays) == broken(14));
    CHECK(found_in(releases_nothing) == broken(15));
    CHECK(found_in(syncs_one_way) == broken(16));
    CHECK(found_in(syncs_other_way) == broken(17));
    CHECK(found_in(unmap_loses_bytes) == broken(18));
    CHECK(found_in(prepares_one_table) == broken(4));
    CHECK(found_in(commits_backwards) == broken(5));
    CHECK(found_in(commits_first_of_each) == broken(5));
    CHECK(found_in(commits_writable) == broken(6));
    CHECK(found_in(commit_allocates) == broken(7));
    CHECK(found_in(commits_whole_mappings) == broken(5));
    CHECK(found_in(commits_aligned_blocks) == broken(5));
    CHECK(found_in(commits_all_as_system) == broken(5));
    CHECK(found_in(commits_for_all) == broken(5));
    CHECK(found_in(invalidates_for_all) == broken(9));
    CHECK(found_in(unmaps_for_all) == broken(3));
    CHECK(found_in(zaps_one_page) == broken(8));
    CHECK(found_in(zaps_from_its_first_entry) == broken(8));
    CHECK(found_in(flushes_one_page) == broken(8));
    CHECK(found_in(begins_nothing) == broken(8));
    CHECK(found_in(finishes_nothing) == broken(8));
    CHECK(found_in(stops_nothing) == broken(10));
    CHECK(found_in(resumes_nothing) == broken(11));
    CHECK(found_in(stop_allocates) == broken(7));
    CHECK(found_in(stop_loses_mappings) == broken(11));
  }

  TEST_CASE("a device that takes a lock of its driver under the notifier's is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(locks_in_dma_map) == broken(19));
    CHECK(found_in(locks_in_dma_unmap) == broken(19));
    CHECK(found_in(locks_in_commit) == broken(19));
    CHECK(found_in(locks_in_invalidate) == broken(19));
    CHECK(found_in(locks_in_begin) == broken(19));
    CHECK(found_in(locks_in_stop) == broken(19));
  }
}
