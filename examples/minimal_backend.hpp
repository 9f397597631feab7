// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What one learns here: how to bring the library to a new system. This is the smallest backend with a discrete GPU that
// works, for several processes whose memory comes in blocks of any order.
//
// Read it from top to bottom, beside include/svm/concepts/:
//
//     1. pages               which pages there are; svm/port/frame_table.hpp keeps them
//     2. address space       what a process does: map, load, store, unmap; svm/port/notifier_list.hpp tells of changes
//     3. migration           how pages move; svm/port/page_migration.hpp does it
//     4. the device          a GPU with a page table
//     5. device memory       pages that only the GPU can use
//     6. policies            the bundle of all of it
//     7. use it              minimal_backend.cpp
//
// It runs in one thread and never runs out of memory for its own tables (a standard container that does ends the
// program), which is what keeps it short; include/svm/mock/ shows the same parts without these limits.

#include <svm/driver/svm_driver.hpp>
#include <svm/port.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/steady_clock.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>

namespace tiny {

// -- 1. Pages ---------------------------------------------------------------------------------------------------------

inline constexpr std::uint64_t page_bytes = 4096;

class process;

/// All pages of the computer, and the library's handle of one.
using memory = svm::port::frame_table<process, std::array<std::byte, page_bytes>, svm::null_lock, svm::heap>;
using page = memory::page;

/// A load or store of one word, where `word` is not null.
inline std::optional<std::uint64_t> read_word(std::byte const* word) {
  std::uint64_t value = 0;
  if (word == nullptr) return std::nullopt;
  std::memcpy(&value, word, sizeof value);
  return value;
}
inline bool write_word(std::byte* word, std::uint64_t value) {
  if (word != nullptr) std::memcpy(word, &value, sizeof value);
  return word != nullptr;
}

// -- 2. Address space -------------------------------------------------------------------------------------------------

/// A process: the model of `svm::mm`. Its memory is anonymous and writable, and a mapping is unmapped as a whole.
class process : public svm::port::notifier_list<svm::null_lock>, public svm::port::page_migration<process, memory> {
  friend page_migration;
  struct area {
    svm::va_range extent;
    svm::page_order order;  ///< of the blocks that a first access makes
  };

 public:
  using page = tiny::page;
  using walk = svm::walk_request<registration>;

  /// Pages with consecutive numbers are contiguous.
  [[nodiscard]] static constexpr page page_at(page first, std::uint64_t n) noexcept { return memory::after(first, n); }

  /// \param number  no other process of the computer ever has it
  process(memory& pages, std::uint64_t number) : memory_(pages), number_{number} {}
  ~process() {
    for (auto& [address, m] : table_) memory_.abandon_locked(m);
  }

  /// What a program does.
  void mmap(svm::va_range span, svm::page_order order = {}) { vmas_.emplace(span.start().value, area{span, order}); }
  void munmap(svm::cpu_va start);
  void exit() { put_user(); }
  [[nodiscard]] std::optional<std::uint64_t> load(svm::cpu_va a) { return read_word(touch(a)); }
  [[nodiscard]] bool store(svm::cpu_va a, std::uint64_t value) { return write_word(touch(a), value); }

  // A user reference keeps the process from exiting; the process itself has the first.
  [[nodiscard]] bool get_user() noexcept { return users_ != 0 && ++users_ != 0; }
  void put_user() noexcept {
    if (--users_ != 0) return;
    svm::va_range const everything{svm::cpu_va{}, svm::byte_count{UINT64_MAX}};
    invalidate({everything, svm::invalidation_cause::release}, [] {});
    while (!vmas_.empty()) munmap({vmas_.begin()->first});
  }
  [[nodiscard]] svm::space_id id() const noexcept { return number_; }

  // Looking at the address space; the library holds the map lock shared around these.
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept {
    return find_first_vma({a, svm::byte_count{1}});
  }
  [[nodiscard]] svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    for (auto const& [start, v] : vmas_)
      if (v.extent.overlaps(span)) return svm::vma_info{v.extent, true, true, true};
    return svm::errc::no_vma;
  }
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept;
  [[nodiscard]] svm::errc fault_in(walk const& request, svm::run_sink<page>& found) noexcept;

 private:
  // -- 3. Migration: what page_migration asks for -----------------------------------------------------------------------

  [[nodiscard]] memory& frames() { return memory_; }
  [[nodiscard]] memory::mapping* find_mapping(svm::cpu_va a) {
    auto const m = table_.find(a.value);
    return m == table_.end() ? nullptr : &m->second;
  }
  [[nodiscard]] memory::mapping* make_mapping(svm::cpu_va a) {
    return &table_.try_emplace(a.value, *this, a).first->second;
  }
  [[nodiscard]] svm::page_order hole_around_locked(svm::cpu_va a);

  [[nodiscard]] svm::errc make_present(svm::cpu_va a, svm::page_owner user);
  [[nodiscard]] std::byte* touch(svm::cpu_va a);

  memory& memory_;
  svm::space_id const number_;
  unsigned users_ = 1;
  svm::null_lock::shared_mutex<svm::lock_rank::mm> map_lock_;
  std::map<std::uint64_t, area> vmas_;              // by start
  std::map<std::uint64_t, memory::mapping> table_;  // by address: the CPU's page table
};

/// The order matters: the VMA goes first, then everybody is told, and only then the pages are freed.
inline void process::munmap(svm::cpu_va start) {
  svm::va_range const span = vmas_.extract(start.value).mapped().extent;
  memory::freed_list freed;
  invalidate({span, svm::invalidation_cause::unmap}, [&] {
    svm::exclusive_guard const guard{memory_.lock()};
    auto const end = table_.upper_bound(span.last().value);
    for (auto e = table_.lower_bound(start.value); e != end; e = table_.erase(e))
      memory_.unmap_locked(e->second, freed);
  });
  memory_.tell(freed);
}

/// Reports what is present, page by page: the sink joins neighbours, and knows that what is left out is absent. Once it
/// is full it wants no more.
inline void process::snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
  for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value; ++e) {
    page const p = e->second.target;
    if (e->second.migrating) continue;
    if (!found.add({e->first}, {.page = p,
                                .owner_object = memory_.owner_object_of(p),
                                .owner = memory_.owner_of(p),
                                .place = memory_.is_device(p) ? svm::page_place::device : svm::page_place::system,
                                .writable = true}))
      return;
  }
}

/// A page walk for the device: as `snapshot`, after everything was made present. Device pages that `request.owner`
/// reaches stay where they are. Should an event overtake the walk, the library finds out by the sequence.
inline svm::errc process::fault_in(walk const& request, svm::run_sink<page>& found) noexcept {
  for (svm::byte_count done{}; done < request.span.size(); done += page_size)
    if (svm::errc const e = make_present(request.span.start() + done, request.owner); e != svm::errc::ok) return e;
  snapshot(request.span, found);
  return svm::errc::ok;
}

/// Blocks have the order that the VMA says, where nothing of such a block is there yet.
inline svm::page_order process::hole_around_locked(svm::cpu_va a) {
  area const& v = std::prev(vmas_.upper_bound(a.value))->second;
  svm::va_range const block = svm::aligned_block(a, page_size * v.order.pages().value);
  auto const next = table_.lower_bound(block.start().value);
  bool const is_free = next == table_.end() || next->first > block.last().value;
  return is_free && v.extent.contains(block) ? v.order : svm::page_order{};
}

/// A page fault, of the CPU or of a walk for the device. A device page comes back, unless `user` may use it in place.
inline svm::errc process::make_present(svm::cpu_va a, svm::page_owner user) {
  auto const vma = find_vma(a);
  if (!vma) return vma.error();
  svm::cpu_va const at = a.align_down(page_size);
  if (find_mapping(at) == nullptr)
    if (svm::errc const e = populate(at); e != svm::errc::ok) return e;
  memory::mapping const& m = *find_mapping(at);
  if (m.migrating) return svm::errc::busy;
  if (!memory_.is_device(m.target) || user.reaches(memory_.owner_of(m.target))) return svm::errc::ok;
  svm::cpu_fault_answer const answer = bring_back(a, m.target, vma->extent);
  if (answer.next == svm::cpu_fault_answer::action::fail) return answer.error;
  return memory_.is_device(m.target) ? svm::errc::busy : svm::errc::ok;
}

/// The bytes at `a` for the CPU, or null: a segmentation fault.
inline std::byte* process::touch(svm::cpu_va a) {
  svm::shared_guard const guard{map_lock_};
  if (make_present(a, svm::nobody) != svm::errc::ok) return nullptr;
  return memory_.content(find_mapping(a.align_down(page_size))->target).data() + a.value % page_bytes;
}

// -- 4. The device ----------------------------------------------------------------------------------------------------

/// A GPU, on which one process runs: the model of `svm::device`. It reaches each page of the computer at the address
/// that the page's number says; so there is nothing to undo when a mapping ends, which is only counted.
class gpu {
  struct table_entry {
    svm::dma_addr address{};  ///< of the page
    bool present = false;
    bool writable = false;
  };

 public:
  explicit gpu(memory& pages) : memory_(pages) {}

  /// What a GPU program does; nothing, or false, is a fault for the driver to serve.
  [[nodiscard]] std::optional<std::uint64_t> load(svm::cpu_va a) { return read_word(translate(a, false)); }
  [[nodiscard]] bool store(svm::cpu_va a, std::uint64_t value) { return write_word(translate(a, true), value); }

  [[nodiscard]] static svm::dma_addr address_of(page p) { return {p.value * page_bytes}; }
  [[nodiscard]] static page page_at(svm::dma_addr a) { return {a.value / page_bytes}; }

  // System memory, made reachable.
  [[nodiscard]] svm::result<svm::dma_addr> dma_map(page p, svm::page_count, svm::dma_direction) noexcept {
    ++dma_mappings_;
    return address_of(p);
  }
  void dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept { --dma_mappings_; }
  [[nodiscard]] std::size_t dma_mappings() const { return dma_mappings_; }

  // The GPU's page table: what allocates is done before the library takes its lock.
  [[nodiscard]] svm::errc prepare(svm::va_range span) noexcept {
    for (std::uint64_t done = 0; done < span.size().value; done += page_bytes) table_[span.start().value + done];
    return svm::errc::ok;
  }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access how) noexcept {
    auto entry = table_.find(span.start().value);
    for (svm::device_address const& block : blocks)
      for (std::uint64_t i = 0; i < block.count; ++i, ++entry)
        entry->second = {block.address + svm::byte_count{i * page_bytes}, true, how != svm::mapping_access::read_only};
  }
  void invalidate(svm::va_range span) noexcept {
    auto const end = table_.upper_bound(span.last().value);
    for (auto e = table_.lower_bound(span.start().value); e != end; ++e) e->second.present = false;
    // A real one flushes its TLB here, and waits for it.
  }

 private:
  [[nodiscard]] std::byte* translate(svm::cpu_va a, bool writes) {
    auto const entry = table_.find(a.align_down(process::page_size).value);
    if (entry == table_.end() || !entry->second.present) return nullptr;
    if (writes && !entry->second.writable) return nullptr;
    return memory_.content(page_at(entry->second.address)).data() + a.value % page_bytes;
  }

  memory& memory_;
  std::map<std::uint64_t, table_entry> table_;  // by address
  std::size_t dma_mappings_ = 0;
};

// -- 5. Device memory -------------------------------------------------------------------------------------------------

/// The GPU's own memory and its copy engine: the model of `svm::pagemap`.
class vram {
 public:
  /// An allocation: pages with consecutive numbers.
  struct memory {
    page first;
    svm::byte_count size;
  };

  vram(tiny::memory& pages, svm::byte_count capacity) : memory_(pages), capacity_(capacity), available_(capacity) {}

  [[nodiscard]] svm::result<memory> allocate(svm::byte_count size) noexcept {
    if (size > available_) return svm::errc::no_device_memory;
    svm::result<page> const first = memory_.add(svm::pages_in(size, process::page_size), true);
    if (!first) return svm::errc::no_device_memory;
    available_ -= size;
    return memory{*first, size};
  }
  [[nodiscard]] svm::errc wait_cleared(memory&) noexcept { return svm::errc::ok; }  // new pages are zeroed already
  /// Each page begins the largest block that is aligned, and ends inside the allocation.
  [[nodiscard]] svm::errc pages(memory& m, std::span<svm::device_page<page>> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) {
      page const p = tiny::memory::after(m.first, i);
      out[i] = {p, tiny::memory::block_at(p, {out.size() - i})};
    }
    return svm::errc::ok;
  }
  void release(memory& m) noexcept {
    memory_.remove(m.first);
    available_ += m.size;
  }
  [[nodiscard]] svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job) memory_.copy(block.local, gpu::page_at(block.remote.address), block.remote.pages());
    return svm::errc::ok;
  }
  [[nodiscard]] svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job) memory_.copy(gpu::page_at(block.remote.address), block.local, block.remote.pages());
    return svm::errc::ok;
  }
  [[nodiscard]] svm::result<svm::device_address> map(gpu&, page p, svm::page_count count,
                                                     svm::dma_direction direction) noexcept {
    return svm::device_address{.address = gpu::address_of(p),
                               .path = svm::interconnect::local,
                               .direction = direction,
                               .count = static_cast<std::uint32_t>(count.value)};
  }
  void unmap(gpu&, svm::device_address const&) noexcept {}
  [[nodiscard]] svm::page_owner owner() noexcept { return {1}; }  // there is no other memory of a device
  [[nodiscard]] svm::byte_count capacity() noexcept { return capacity_; }
  [[nodiscard]] svm::byte_count available() noexcept { return available_; }

 private:
  tiny::memory& memory_;
  svm::byte_count const capacity_;
  svm::byte_count available_;
};

// -- 6. Policies ------------------------------------------------------------------------------------------------------

/// Everything the library needs to know; what <svm/std.hpp> has serves for the rest.
struct policies : svm::default_policies {
  using mm = process;
  using device = gpu;
  using pagemap = vram;
  using lock = svm::null_lock;
  using clock = svm::steady_clock;
  using allocator = svm::heap;
};

// Each part by itself, so that the compiler names the one that is not right yet.
static_assert(svm::mm<process>);
static_assert(svm::device<gpu, page>);
static_assert(svm::pagemap<vram, page, gpu>);
static_assert(svm::migrating_policies<policies>);

}  // namespace tiny
