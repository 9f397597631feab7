// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <svm/std.hpp>
#include <svm/svm.hpp>

namespace lean {

inline constexpr svm::byte_count page_size{4096};

/// A page: its address is its name. Device pages have their own numbers, above all addresses.
struct page {
  std::uint64_t number = 0;
  friend constexpr bool operator==(page, page) = default;
};
inline constexpr std::uint64_t device_bit = std::uint64_t{1} << 60;

/// An mm in which everything below 2^47 is one VMA and present, so that what is measured is the library.
///
/// Where `memory` is given, the span from `memory_at` on has real bytes and can migrate.
template <svm::lock Lock>
class mm {
 public:
  static constexpr svm::byte_count page_size = lean::page_size;
  using page = lean::page;
  struct registration {
    typename Lock::template atomic<std::uint64_t> sequence{1};
    svm::va_range span{svm::cpu_va{}, svm::byte_count{1}};
    svm::invalidation_target* target = nullptr;
  };
  struct migration {
    mm* home = nullptr;
    std::span<svm::migration_slot<page>> slots;
    ~migration() {
      if (home != nullptr) home->finalize(*this);
    }
  };
  struct no_map_lock {
    void lock_shared() {}
    void unlock_shared() {}
  };

  bool get_user() noexcept { return true; }
  void put_user() noexcept {}
  svm::space_id id() const noexcept { return {1}; }
  no_map_lock& map_lock() noexcept { return map_lock_; }
  svm::result<svm::vma_info> find_vma(svm::cpu_va) noexcept { return whole_; }
  svm::result<svm::vma_info> find_first_vma(svm::va_range) noexcept { return whole_; }
  static constexpr page page_at(page first, std::uint64_t n) noexcept {
    return page{first.number + n * (lean::page_size.value + (first.number & lone))};
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, svm::run_sink<page>& found) noexcept {
    snapshot(request.span, found);
    return svm::errc::ok;
  }
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    svm::byte_count const size = page_size * block_order.pages().value;
    for (svm::byte_count done{}; done < span.size(); done += size) {
      svm::cpu_va const at = span.start() + done;
      if (!found.add(at, {.page = page{at.value + (block_order == svm::page_order{} ? lone : 0)},
                          .count = static_cast<std::uint32_t>(block_order.pages().value),
                          .place = svm::page_place::system,
                          .writable = true}))
        return;
    }
  }
  svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& target) noexcept {
    r.span = span;
    r.target = &target;
    last_ = &r;
    return svm::errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { r.target = nullptr; }
  std::uint64_t read_begin(registration& r) noexcept { return r.sequence.load(); }
  bool read_retry(registration const& r, std::uint64_t seen) noexcept { return r.sequence.load() != seen; }
  void set_sequence(registration& r, std::uint64_t value) noexcept { r.sequence.store(value); }

  svm::errc collect(migration& session, svm::va_range span, std::span<svm::migration_slot<page>> slots,
                    svm::page_owner) noexcept {
    session.home = this;
    session.slots = slots;
    invalidate(span, svm::invalidation_cause::migrate);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots[i].source = page{span.start().value + i * page_size.value};
      slots[i].state = svm::slot_state::collected;
    }
    return svm::errc::ok;
  }
  void collect_pages(migration& session, std::span<svm::migration_slot<page>> slots, svm::page_scope const*,
                     page) noexcept {
    session.home = this;
    session.slots = slots;
    for (auto& s : slots) s.state = svm::slot_state::collected;
  }
  void install(migration&) noexcept {}
  void finalize(migration& session) noexcept {
    for (auto& s : session.slots)
      if (owner_ != nullptr && s.state == svm::slot_state::collected && (s.source.number & device_bit) != 0)
        owner_->page_freed(s.source, {});
    session.home = nullptr;
  }
  svm::result<page> allocate_page(svm::page_order order) noexcept {
    if (order != svm::page_order{}) return svm::errc::no_ram;
    return page{next_free_ += page_size.value};
  }
  void adopt_device_page(page, svm::page_order, svm::device_page_owner<page>& owner, bool) noexcept { owner_ = &owner; }
  void discard_page(page) noexcept {}

  /// Runs one event over the notifier that was registered last.
  void invalidate(svm::va_range span, svm::invalidation_cause cause) {
    if (last_ == nullptr || last_->target == nullptr) return;
    sequence_ += 2;
    svm::invalidation const event{span, cause};
    if (last_->target->invalidate(event, sequence_) == svm::invalidation_answer::pending)
      last_->target->finish_invalidation(event);
  }

  /// How many contiguous pages one run of the walk has, as a power of two.
  svm::page_order block_order{};

 private:
  /// In the number of a page that has no neighbours: a walk reports each by itself.
  static constexpr std::uint64_t lone = 1;

  svm::vma_info const whole_{{svm::cpu_va{}, svm::byte_count{std::uint64_t{1} << 47}}, true, true, true};
  no_map_lock map_lock_;
  registration* last_ = nullptr;
  svm::device_page_owner<page>* owner_ = nullptr;
  std::uint64_t sequence_ = 1;
  std::uint64_t next_free_ = 0;
};

/// A device that maps a page at its own number and has no page table.
struct device {
  svm::result<svm::dma_addr> dma_map(page p, svm::page_count, svm::dma_direction) noexcept {
    return svm::dma_addr{p.number};
  }
  void dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept {}
  svm::errc prepare(svm::va_range) noexcept { return svm::errc::ok; }
  void commit(svm::va_range, std::span<svm::device_address const>, svm::mapping_access) noexcept {}
  void invalidate(svm::va_range) noexcept {}
};

/// Device memory: real bytes where `bytes` were asked for; a copy moves between them and `system`.
struct pagemap {
  struct memory {
    std::uint64_t first = 0;
  };

  svm::result<memory> allocate(svm::byte_count) noexcept { return memory{}; }
  svm::errc pages(memory&, std::span<svm::device_page<page>> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {page{device_bit + i * page_size.value}, {}};
    return svm::errc::ok;
  }
  void release(memory&) noexcept {}
  svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job)
      std::memcpy(device_bytes + (block.local.number - device_bit), system_bytes + block.remote.address.value,
                  page_size.value);
    return svm::errc::ok;
  }
  svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    for (std::size_t i = 0; auto const& block : job)
      std::memcpy(system_bytes + page_size.value * i++, device_bytes + (block.local.number - device_bit),
                  page_size.value);
    return svm::errc::ok;
  }
  svm::errc wait_cleared(memory&) noexcept { return svm::errc::ok; }
  svm::result<svm::device_address> map(device&, page p, svm::page_count count, svm::dma_direction direction) noexcept {
    return svm::device_address{.address = svm::dma_addr{p.number},
                               .path = svm::interconnect::local,
                               .direction = direction,
                               .count = static_cast<std::uint32_t>(count.value)};
  }
  void unmap(device&, svm::device_address const&) noexcept {}
  svm::page_owner owner() noexcept { return {1}; }
  svm::byte_count capacity() noexcept { return {std::uint64_t{1} << 40}; }
  svm::byte_count available() noexcept { return capacity(); }

  std::byte* system_bytes = nullptr;
  std::byte* device_bytes = nullptr;
};

template <svm::lock Lock>
struct policies : svm::default_policies {
  using mm = lean::mm<Lock>;
  using device = lean::device;
  using pagemap = lean::pagemap;
  using lock = Lock;
  using clock = svm::steady_clock;
  using allocator = svm::heap;
};

/// The library on the lean backend.
template <svm::lock Lock>
struct system {
  explicit system(std::span<svm::byte_count const> chunks, svm::driver_options const& options)
      : mover({mm, gpu, vram, memory, clock, observer}),
        driver(mover,
               *svm::gpusvm_layout::make({svm::cpu_va{}, svm::byte_count{std::uint64_t{1} << 47}},
                                         svm::byte_count{std::uint64_t{512} << 20}, chunks, page_size),
               options) {}

  lean::mm<Lock> mm;
  lean::device gpu;
  lean::pagemap vram;
  svm::heap memory;
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<policies<Lock>> mover;
  svm::svm_driver<policies<Lock>> driver;
};

}  // namespace lean
