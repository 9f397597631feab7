// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/driver/range_memory.hpp>
#include <svm/gpusvm/gpusvm.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/mock/machine/statistics.hpp>
#include <svm/mock/machine/virtual_clock.hpp>
#include <svm/std/heap.hpp>

namespace support {

/// Policies whose every answer a test may write: for walks, addresses and page sizes that the simulated machine cannot
/// show. Nothing moves: there are no bytes, and nothing migrates.
template <std::uint64_t PageBytes>
struct scripted_mm {
  static constexpr svm::byte_count page_size{PageBytes};

  struct page {
    std::uint64_t number = 0;
    friend constexpr bool operator==(page, page) = default;
  };
  struct registration {
    svm::va_range span{svm::cpu_va{}, svm::byte_count{1}};
    svm::invalidation_target* target = nullptr;
    std::uint64_t sequence = 0;
  };
  struct migration {};
  using run = svm::page_run<page>;
  using sink = svm::run_sink<page>;
  using slot = svm::migration_slot<page>;
  using request = svm::walk_request<registration>;

  std::vector<svm::vma_info> vmas;
  std::function<svm::errc(request const&, sink&)> walk;  ///< `fault_in`; unset: system pages
  std::function<void(svm::va_range, sink&)> show;        ///< `snapshot`; unset: system pages
  std::uint32_t users = 1;
  std::uint64_t walks = 0;
  std::vector<registration*> registered;

  void add_vma(svm::cpu_va start, std::uint64_t size) {
    vmas.push_back({{start, svm::byte_count{size}}, true, true, true});
  }
  [[nodiscard]] static constexpr page page_at(page first, std::uint64_t n) noexcept { return {first.number + n}; }
  /// What a walk finds in plain memory: a page of its own for each address, and no two side by side.
  static void fill(svm::va_range span, sink& found,
                   run like = {.page = {}, .place = svm::page_place::system, .writable = true}) {
    for (svm::byte_count done{}; done < span.size(); done += page_size) {
      svm::cpu_va const at = span.start() + done;
      like.page = {at.value / PageBytes * 2};
      if (!found.add(at, like)) return;
    }
  }
  void invalidate(svm::va_range span, svm::invalidation_cause cause = svm::invalidation_cause::clear) {
    invalidate(svm::invalidation{span, cause});
  }
  /// False when a target refused, which it may when the event may not block.
  bool invalidate(svm::invalidation const& event) {
    sequence_ += 2;
    bool good = true;
    std::vector<svm::invalidation_target*> pending;
    for (registration* const r : std::vector<registration*>{registered}) {
      if (!good || !r->span.overlaps(event.span)) continue;
      auto const answer = r->target->invalidate(event, sequence_);
      good = answer != svm::invalidation_answer::refused;
      if (answer == svm::invalidation_answer::pending) pending.push_back(r->target);
    }
    for (svm::invalidation_target* const target : pending) target->finish_invalidation(event);
    return good;
  }

  [[nodiscard]] bool get_user() noexcept { return users != 0 && ++users != 0; }
  void put_user() noexcept { --users; }
  [[nodiscard]] svm::space_id id() const noexcept { return {1}; }
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept {
    for (svm::vma_info const& v : vmas)
      if (v.extent.contains(a)) return v;
    return svm::errc::no_vma;
  }
  [[nodiscard]] svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    for (svm::vma_info const& v : vmas)
      if (v.extent.overlaps(span)) return v;
    return svm::errc::no_vma;
  }
  [[nodiscard]] svm::errc fault_in(request const& r, sink& found) noexcept {
    ++walks;
    if (walk) return walk(r, found);
    fill(r.span, found);
    return svm::errc::ok;
  }
  void snapshot(svm::va_range span, sink& found) noexcept { show ? show(span, found) : fill(span, found); }
  [[nodiscard]] svm::errc register_notifier(registration& r, svm::va_range span,
                                            svm::invalidation_target& target) noexcept {
    r = {span, &target, 1};
    registered.push_back(&r);
    return svm::errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { std::erase(registered, &r); }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept { return r.sequence; }
  [[nodiscard]] bool read_retry(registration const& r, std::uint64_t seen) noexcept { return r.sequence != seen; }
  void set_sequence(registration& r, std::uint64_t value) noexcept { r.sequence = value; }

  [[nodiscard]] svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept {
    return svm::errc::busy;
  }
  void collect_pages(migration&, std::span<slot>, svm::page_scope const*, page) noexcept {}
  void install(migration&) noexcept {}
  void finalize(migration&) noexcept {}
  [[nodiscard]] svm::result<page> allocate_page(svm::page_order) noexcept { return svm::errc::no_ram; }
  void adopt_device_page(page, svm::page_order, svm::device_page_owner<page>&, bool) noexcept {}
  void discard_page(page) noexcept {}

 private:
  typename svm::mock::rank_checked<svm::null_lock>::template shared_mutex<svm::lock_rank::mm> map_lock_;
  std::uint64_t sequence_ = 1;
};

/// A device that keeps a ledger of its DMA mappings; the first address is 0.
template <class Page>
struct scripted_device {
  struct mapping {
    Page page;
    svm::page_count count;
    svm::dma_direction direction;
  };
  std::uint64_t fail_at = 0;  ///< the DMA mapping, counted from 1 from now on, that fails
  std::uint64_t calls = 0;
  std::uint64_t mismatches = 0;  ///< unmapped what was not mapped so
  std::map<std::uint64_t, mapping> live;
  std::vector<svm::va_range> invalidated;

  [[nodiscard]] svm::result<svm::dma_addr> dma_map(Page p, svm::page_count count, svm::dma_direction how) noexcept {
    if (++calls == fail_at) return svm::errc::dma_map_failed;
    std::uint64_t const address = next_++ << 40;
    live.emplace(address, mapping{p, count, how});
    return svm::dma_addr{address};
  }
  void dma_unmap(svm::dma_addr a, svm::page_count count, svm::dma_direction how) noexcept {
    auto const found = live.find(a.value);
    if (found == live.end() || found->second.count != count || found->second.direction != how)
      ++mismatches;
    else
      live.erase(found);
  }
  [[nodiscard]] svm::errc prepare(svm::va_range) noexcept { return svm::errc::ok; }
  void commit(svm::va_range, std::span<svm::device_address const>, svm::mapping_access) noexcept {}
  void invalidate(svm::va_range span) noexcept { invalidated.push_back(span); }

 private:
  std::uint64_t next_ = 0;
};

/// Device memory that hands out no allocation and keeps a ledger of the pages that are mapped.
template <class Page>
struct scripted_pagemap {
  using device = scripted_device<Page>;
  struct memory {};
  std::uint64_t fail_at = 0;  ///< as of scripted_device
  std::uint64_t calls = 0;
  std::uint64_t mismatches = 0;
  std::map<std::uint64_t, svm::device_address> live;

  [[nodiscard]] svm::result<memory> allocate(svm::byte_count) noexcept { return svm::errc::no_device_memory; }
  [[nodiscard]] svm::errc pages(memory&, std::span<svm::device_page<Page>>) noexcept { return svm::errc::unsupported; }
  void release(memory&) noexcept {}
  [[nodiscard]] svm::errc copy_to_device(std::span<svm::copy_block<Page> const>) noexcept { return svm::errc::ok; }
  [[nodiscard]] svm::errc copy_to_system(std::span<svm::copy_block<Page> const>) noexcept { return svm::errc::ok; }
  [[nodiscard]] svm::errc wait_cleared(memory&) noexcept { return svm::errc::ok; }
  [[nodiscard]] svm::result<svm::device_address> map(device&, Page p, svm::page_count count,
                                                     svm::dma_direction how) noexcept {
    if (++calls == fail_at) return svm::errc::dma_map_failed;
    svm::device_address const made{.address = {p.number},
                                   .path = svm::interconnect::local,
                                   .direction = how,
                                   .count = static_cast<std::uint32_t>(count.value)};
    live.emplace(p.number, made);
    return made;
  }
  void unmap(device&, svm::device_address const& a) noexcept {
    auto const found = live.find(a.address.value);
    if (found == live.end() || found->second != a)
      ++mismatches;
    else
      live.erase(found);
  }
  [[nodiscard]] svm::page_owner owner() noexcept { return {7}; }
  [[nodiscard]] svm::byte_count capacity() noexcept { return {}; }
  [[nodiscard]] svm::byte_count available() noexcept { return {}; }
};

/// The heap, which calls a hook with the size before each allocation, and fails where it is told to.
struct scripted_allocator {
  std::function<void(std::size_t)> hook;
  std::function<bool(std::size_t)> fails;
  std::uint64_t live = 0;

  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (hook) hook(size);
    if (fails && fails(size)) return nullptr;
    ++live;
    return svm::heap{}.allocate(size, alignment);
  }
  void deallocate(std::byte* memory, std::size_t size, std::size_t alignment) noexcept {
    --live;
    svm::heap{}.deallocate(memory, size, alignment);
  }
};

/// State of a driver that counts its objects; the tag tells kinds apart.
template <int Kind>
struct counted_data {
  static inline std::int64_t live = 0;
  counted_data() { ++live; }
  counted_data(counted_data const&) = delete;
  counted_data& operator=(counted_data const&) = delete;
  ~counted_data() { --live; }
};

template <std::uint64_t PageBytes>
struct scripted_policies : svm::default_policies {
  using mm = scripted_mm<PageBytes>;
  using device = scripted_device<typename mm::page>;
  using pagemap = scripted_pagemap<typename mm::page>;
  using lock = svm::mock::rank_checked<svm::null_lock>;
  using clock = svm::mock::virtual_clock;
  using allocator = scripted_allocator;
  using observer = svm::mock::statistics;
  using range_data = counted_data<0>;
  using notifier_data = counted_data<1>;
};

/// A gpusvm on scripted policies; at its end the ledgers must be empty.
template <std::uint64_t PageBytes = 4096>
struct scripted : svm::invalidation_client<scripted_policies<PageBytes>> {
  using policies = scripted_policies<PageBytes>;
  using run = typename policies::mm::run;
  using sink = typename policies::mm::sink;
  using request = typename policies::mm::request;

  typename policies::mm mm;
  typename policies::device device;
  typename policies::pagemap pagemap;
  scripted_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::environment<policies> env{mm, device, pagemap, memory, clock, stats};
  svm::migrator<policies> mover{env};
  svm::detail::range_memory<policies> range_memory{mover, memory};
  svm::gpusvm<policies> svm;

  explicit scripted(svm::gpusvm_layout const& shape) : svm(env, shape, *this) {}
  ~scripted() {
    svm.close();
    CHECK(device.live.size() == 0);
    CHECK(device.mismatches == 0);
    CHECK(pagemap.live.size() == 0);
    CHECK(pagemap.mismatches == 0);
    CHECK(mm.registered.size() == 0);
    CHECK(mm.users == 1);
    CHECK(memory.live == 0);
    CHECK(policies::range_data::live == 0);
    CHECK(policies::notifier_data::live == 0);
    CHECK(svm::mock::lock_report().take().size() == 0);
  }

  /// As a driver does whose device has one pass.
  svm::invalidation_answer invalidate(svm::notifier<policies>& owner, svm::invalidation const& event,
                                      svm::invalidation_passes) noexcept override SVM_REQUIRES(owner.lock()) {
    owner.for_each_range_locked(event.span, [&](svm::range<policies>& r) {
      owner.lock().assert_held();
      owner.invalidate_pages_locked(r);
      device.invalidate(r.interval());
      owner.unmap_pages_locked(r);
      if (event.cause == svm::invalidation_cause::unmap) owner.set_unmapped_locked(r, event.span);
    });
    return svm::invalidation_answer::done;
  }
  void finish_invalidation(svm::notifier<policies>&, svm::invalidation const&) noexcept override {}
};

}  // namespace support

extern template class svm::gpusvm<support::scripted_policies<4096>>;
extern template class svm::notifier<support::scripted_policies<4096>>;
extern template class svm::range<support::scripted_policies<4096>>;
extern template class svm::locked_range<support::scripted_policies<4096>>;
extern template class svm::device_mapping<support::scripted_policies<4096>>;
extern template class svm::migrator<support::scripted_policies<4096>>;
extern template struct support::scripted<4096>;
extern template class svm::gpusvm<support::scripted_policies<65536>>;
extern template class svm::notifier<support::scripted_policies<65536>>;
extern template class svm::range<support::scripted_policies<65536>>;
extern template class svm::locked_range<support::scripted_policies<65536>>;
extern template class svm::device_mapping<support::scripted_policies<65536>>;
extern template class svm::migrator<support::scripted_policies<65536>>;
extern template struct support::scripted<65536>;
