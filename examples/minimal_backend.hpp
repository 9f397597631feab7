// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// How to bring the library to a new system: the smallest backend that works, written from scratch against the concepts.
//
// Read it from top to bottom, beside include/svm/concepts/:
//
//     1. pages and address space    what a process does: map, load, store, unmap
//     2. notifiers                  how the library hears of changes
//     3. migration                  how pages move
//     4. the device                 a GPU with a page table, and the IOMMU before it
//     5. device memory              pages that only the GPU can use
//     6. policies                   the bundle of all of it
//     7. use it                     minimal_backend.cpp
//
// It runs in one thread, never runs out of host memory (a standard container that does ends the program) and knows no
// block larger than a page, which is what keeps it short; include/svm/mock/ shows the same parts without these limits.

#include <svm/driver/svm_driver.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/steady_clock.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace tiny {

// -- 1. Pages and address space ---------------------------------------------------------------------------------------

inline constexpr std::uint64_t page_bytes = 4096;

/// The library's handle of a page. Numbers are never used twice, so that the handle of a freed page is recognised.
struct page {
  std::uint64_t number = 0;  ///< 0: no page
  friend bool operator==(page, page) = default;
};

/// One page, of system or device memory.
struct frame {
  std::array<std::byte, page_bytes> bytes{};
  bool is_device = false;
  bool locked = false;            ///< a migration works on it
  unsigned references = 0;        ///< one of the page table, one of everybody who works on it; 0: free
  std::optional<svm::cpu_va> at;  ///< where the process maps it
  svm::device_page_owner<page>* owner_object =
      nullptr;  ///< of a device page: whom to tell of CPU faults and the last put

  [[nodiscard]] svm::page_owner owner() const { return owner_object != nullptr ? owner_object->owner() : svm::nobody; }
};

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

/// All pages of the computer.
class memory {
 public:
  /// `count` zeroed pages with consecutive numbers; returns the first one.
  page add(std::uint64_t count, bool is_device) {
    page const first{next_};
    for (; count != 0; --count) frames_[next_++].is_device = is_device;
    return first;
  }
  void remove(page p) { frames_.erase(p.number); }
  [[nodiscard]] frame& of(page p) { return frames_.at(p.number); }
  [[nodiscard]] bool is_live(page p) { return frames_.contains(p.number) && of(p).references != 0; }

  /// Drops a reference. System memory is freed with the last; device memory belongs to somebody, who is told.
  void put(page p) {
    frame& f = of(p);
    if (--f.references != 0) return;
    if (f.is_device)
      f.owner_object->page_freed(p, {});
    else
      remove(p);
  }

 private:
  std::unordered_map<std::uint64_t, frame> frames_;
  std::uint64_t next_ = 1;
};

/// A process: the model of `svm::mm`. Its memory is anonymous and writable, and a mapping is unmapped as a whole.
class process {
  struct table_entry {
    page target;
    bool migrating = false;  ///< taken out: nobody may use it until the migration is finalized
  };

 public:
  static constexpr svm::byte_count page_size{page_bytes};
  using page = tiny::page;
  using slot = svm::migration_slot<page>;
  /// Pages with consecutive numbers are contiguous: the GPU's own by their addresses, others behind the IOMMU.
  [[nodiscard]] static constexpr page page_at(page first, std::uint64_t n) noexcept { return {first.number + n}; }

  explicit process(memory& pages) : memory_(pages) {}

  /// What a program does.
  void mmap(svm::va_range span) { vmas_.emplace(span.start().value, span); }
  void munmap(svm::cpu_va start);
  void exit() { put_user(); }
  [[nodiscard]] std::optional<std::uint64_t> load(svm::cpu_va a) { return read_word(touch(a)); }
  [[nodiscard]] bool store(svm::cpu_va a, std::uint64_t value) { return write_word(touch(a), value); }

  // A user reference keeps the process from exiting; the process itself has the first.
  [[nodiscard]] bool get_user() noexcept { return users_ != 0 && ++users_ != 0; }
  void put_user() noexcept {
    if (--users_ != 0) return;
    tell({everything(), svm::invalidation_cause::release});
    while (!vmas_.empty()) munmap(vmas_.begin()->second.start());
  }

  [[nodiscard]] svm::space_id id() const noexcept { return {1}; }  // there is no other process

  // Looking at the address space; the library holds the map lock shared around these.
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept {
    return find_first_vma({a, svm::byte_count{1}});
  }
  [[nodiscard]] svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    for (auto const& [start, extent] : vmas_)
      if (extent.overlaps(span)) return svm::vma_info{extent, true, true, true};
    return svm::errc::no_vma;
  }
  /// Reports what is present, page by page: the sink joins neighbours, and knows that what is left out is absent. Once it
  /// is full it wants no more.
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value; ++e) {
      if (e->second.migrating) continue;
      frame const& f = memory_.of(e->second.target);
      if (!found.add(svm::cpu_va{e->first}, {.page = e->second.target,
                                             .owner_object = f.owner_object,
                                             .owner = f.owner(),
                                             .place = f.is_device ? svm::page_place::device : svm::page_place::system,
                                             .writable = true}))
        return;
    }
  }

  // -- 2. Notifiers ---------------------------------------------------------------------------------------------------

  /// What the library keeps for each span that it watches.
  ///
  /// Its sequence changes with every event. With one thread a reader never meets an event that is open; a system with
  /// threads needs the whole protocol, which <svm/base/interval_sequence.hpp> has.
  struct registration {
    std::optional<svm::va_range> span;
    svm::invalidation_target* target = nullptr;
    std::uint64_t sequence = 0;
  };
  [[nodiscard]] svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& t) noexcept {
    r = {span, &t, events_};
    watchers_.push_back(&r);
    return svm::errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { std::erase(watchers_, &r); }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept { return r.sequence; }
  [[nodiscard]] bool read_retry(registration& r, std::uint64_t seen) noexcept { return r.sequence != seen; }
  void set_sequence(registration& r, std::uint64_t value) noexcept { r.sequence = value; }

  /// A page walk for the device: as `snapshot`, after everything was made present. Device pages of `request.owner` stay
  /// where they are. Should an event overtake the walk, the library finds out by the sequence.
  [[nodiscard]] svm::errc fault_in(svm::walk_request<registration> const& request,
                                   svm::run_sink<page>& found) noexcept {
    for (svm::byte_count done{}; done < request.span.size(); done += page_size)
      if (svm::errc const e = make_present(request.span.start() + done, request.owner); e != svm::errc::ok) return e;
    snapshot(request.span, found);
    return svm::errc::ok;
  }

  // -- 3. Migration ---------------------------------------------------------------------------------------------------

  /// Pages that were taken out of the page table; whatever happens, the destructor puts everything back into place.
  struct migration {
    process* home = nullptr;
    std::span<slot> slots;
    std::vector<svm::cpu_va> at;  ///< where each slot is mapped
    std::vector<bool> moved;      ///< `install` moved it

    migration() = default;
    migration(migration const&) = delete;
    migration& operator=(migration const&) = delete;
    ~migration() {
      if (home != nullptr) home->finalize(*this);
    }
    void begin(process& p, std::span<slot> s) {
      home = &p;
      slots = s;
      at.resize(s.size());
      moved.resize(s.size());
    }
  };
  [[nodiscard]] svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots,
                                  svm::page_owner reach) noexcept;
  void collect_pages(migration& session, std::span<slot> slots, svm::page_scope const* within, page faulting) noexcept;
  void install(migration& session) noexcept;
  void finalize(migration& session) noexcept;

  /// The pages that a migration moves to: locked, with one reference, which the page table takes over. The library does
  /// with single pages where larger blocks cannot be had.
  [[nodiscard]] svm::result<page> allocate_page(svm::page_order order) noexcept {
    if (order != svm::page_order{}) return svm::errc::no_ram;
    page const fresh = memory_.add(1, false);
    memory_.of(fresh).references = 1;
    memory_.of(fresh).locked = true;
    return fresh;
  }
  void adopt_device_page(page p, svm::page_order, svm::device_page_owner<page>& owner, bool) noexcept {
    frame& f = memory_.of(p);
    f.references = 1;
    f.locked = true;
    f.owner_object = &owner;
  }
  void discard_page(page p) noexcept {
    memory_.of(p).locked = false;
    memory_.put(p);
  }

 private:
  [[nodiscard]] static svm::va_range everything() { return {svm::cpu_va{}, svm::byte_count{UINT64_MAX}}; }

  /// Tells everybody who watches: when this returns, no device can reach the memory any more. Devices that take a while
  /// are all told before the first is waited for.
  void tell(svm::invalidation const& event) {
    ++events_;
    std::vector<svm::invalidation_target*> pending;
    for (registration* const r : watchers_)
      if (r->span->overlaps(event.span) && r->target->invalidate(event, events_) == svm::invalidation_answer::pending)
        pending.push_back(r->target);
    for (svm::invalidation_target* const target : pending) target->finish_invalidation(event);
  }
  [[nodiscard]] svm::errc make_present(svm::cpu_va a, svm::page_owner user);
  [[nodiscard]] std::byte* touch(svm::cpu_va a);
  void take_out(migration& session, std::size_t i, page source, unsigned references);

  memory& memory_;
  unsigned users_ = 1;
  svm::null_lock::shared_mutex<svm::lock_rank::mm> map_lock_;
  std::map<std::uint64_t, svm::va_range> vmas_;  // by start
  std::map<std::uint64_t, table_entry> table_;   // by address: the CPU's page table
  std::vector<registration*> watchers_;
  std::uint64_t events_ = 0;
};

/// The order matters: the VMA goes first, then everybody is told, and only then the pages are freed.
inline void process::munmap(svm::cpu_va start) {
  auto const vma = vmas_.find(start.value);
  svm::va_range const span = vma->second;
  vmas_.erase(vma);
  tell({span, svm::invalidation_cause::unmap});
  for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value;) {
    page const target = e->second.target;
    e = table_.erase(e);
    memory_.of(target).at.reset();
    memory_.put(target);
  }
}

/// A page fault, of the CPU or of a walk for the device. A device page comes back, unless `user` may use it in place.
inline svm::errc process::make_present(svm::cpu_va a, svm::page_owner user) {
  auto const vma = find_vma(a);
  if (!vma) return vma.error();
  svm::cpu_va const at = a.align_down(page_size);
  auto const [entry, is_new] = table_.try_emplace(at.value);
  if (is_new) {
    page const fresh = entry->second.target = memory_.add(1, false);
    memory_.of(fresh).references = 1;
    memory_.of(fresh).at = at;
  }
  page const target = entry->second.target;
  frame& f = memory_.of(target);
  if (entry->second.migrating) return svm::errc::busy;
  if (!f.is_device || user.reaches(f.owner())) return svm::errc::ok;

  ++f.references;  // keeps it, and so what stands behind it, while it is asked
  svm::cpu_fault_answer const answer =
      f.owner_object->page_faulted({.space = id(), .address = a, .page = target, .vma = vma->extent});
  memory_.put(target);
  if (answer.next == svm::cpu_fault_answer::action::fail) return answer.error;
  return memory_.of(entry->second.target).is_device ? svm::errc::busy : svm::errc::ok;
}

/// The bytes at `a` for the CPU, or null: a segmentation fault.
inline std::byte* process::touch(svm::cpu_va a) {
  svm::shared_guard const guard{map_lock_};
  if (make_present(a, svm::nobody) != svm::errc::ok) return nullptr;
  return memory_.of(table_.at(a.align_down(page_size).value).target).bytes.data() + a.value % page_bytes;
}

/// Locks a page and takes it out of the page table, unless somebody else works on it or refers to it.
inline void process::take_out(migration& session, std::size_t i, page source, unsigned references) {
  frame& f = memory_.of(source);
  slot& s = session.slots[i];
  s.state = f.locked                     ? svm::slot_state::locked
            : f.references != references ? svm::slot_state::pinned
                                         : svm::slot_state::collected;
  if (s.state != svm::slot_state::collected) return;
  f.locked = true;
  ++f.references;
  table_.at(f.at->value).migrating = true;
  s.source = source;
  s.owner_object = f.owner_object;
  session.at[i] = *f.at;
}

/// Takes a span's pages out of the page table, but for those of a device that `reach` does not reach, and says of each page that it refuses
/// why.
inline svm::errc process::collect(migration& session, svm::va_range span, std::span<slot> slots,
                                  svm::page_owner reach) noexcept {
  auto const vma = find_vma(span.start());
  if (!vma) return vma.error();
  if (!vma->extent.contains(span)) return svm::errc::spans_vmas;
  session.begin(*this, slots);
  tell({span, svm::invalidation_cause::migrate, reach});
  for (std::size_t i = 0; i < slots.size(); ++i) {
    session.at[i] = span.start() + page_size * i;
    auto const entry = table_.find(session.at[i].value);
    if (entry == table_.end())
      slots[i].state = svm::slot_state::hole;
    else if (frame const& f = memory_.of(entry->second.target); f.is_device && !reach.reaches(f.owner()))
      slots[i].state = svm::slot_state::resident;
    else
      take_out(session, i, entry->second.target, 1);
  }
  return svm::errc::ok;
}

/// The same for device pages that are given by handle, wherever the process maps them.
inline void process::collect_pages(migration& session, std::span<slot> slots, svm::page_scope const* within,
                                   page faulting) noexcept {
  session.begin(*this, slots);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    page const source = slots[i].source;
    if (!memory_.is_live(source)) continue;  // stays `untouched`
    std::optional<svm::cpu_va> const at = memory_.of(source).at;
    if (!at || (within != nullptr && (within->space != id() || !within->span.contains(*at)))) {
      slots[i].state = svm::slot_state::elsewhere;
      continue;
    }
    tell({{*at, page_size}, svm::invalidation_cause::migrate, memory_.of(source).owner()});
    take_out(session, i, source, source == faulting ? 2 : 1);
  }
}

/// The bytes are copied: the destinations take over. With one thread nothing can have raced.
inline void process::install(migration& session) noexcept {
  for (std::size_t i = 0; i < session.slots.size(); ++i) {
    slot const& s = session.slots[i];
    if (!s.is_collected() || s.destination == page{}) continue;
    table_[session.at[i].value].target = s.destination;
    memory_.of(s.destination).at = session.at[i];
    session.moved[i] = true;
  }
}

/// Puts the page table in order, and lets go of every page that it does not have.
inline void process::finalize(migration& session) noexcept {
  if (session.home == nullptr) return;
  session.home = nullptr;
  for (std::size_t i = 0; i < session.slots.size(); ++i) {
    slot const& s = session.slots[i];
    bool const moved = session.moved[i];
    if (s.destination != page{}) {
      memory_.of(s.destination).locked = false;
      if (!moved) memory_.put(s.destination);
    }
    if (s.state != svm::slot_state::collected) continue;
    table_.at(session.at[i].value).migrating = false;
    memory_.of(s.source).locked = false;
    if (moved) {
      memory_.of(s.source).at.reset();
      memory_.put(s.source);  // the page table's reference
    }
    memory_.put(s.source);  // the migration's
  }
}

// -- 4. The device ----------------------------------------------------------------------------------------------------

/// A GPU behind an IOMMU: the model of `svm::device`.
class gpu {
  struct table_entry {
    svm::device_address address;  ///< of the page
    bool present = false;
    bool writable = false;
  };

 public:
  explicit gpu(memory& pages) : memory_(pages) {}

  /// What a GPU program does; nothing, or false, is a fault for the driver to serve.
  [[nodiscard]] std::optional<std::uint64_t> load(svm::cpu_va a) {
    return read_word(translate(a, svm::access_kind::read));
  }
  [[nodiscard]] bool store(svm::cpu_va a, std::uint64_t value) {
    return write_word(translate(a, svm::access_kind::write), value);
  }

  // System memory, made reachable: neighbours at consecutive addresses.
  [[nodiscard]] svm::result<svm::dma_addr> dma_map(page first, svm::page_count count, svm::dma_direction) noexcept {
    svm::dma_addr const address{next_dma_};
    for (std::uint64_t i = 0; i < count.value; ++i, next_dma_ += page_bytes)
      iommu_.emplace(next_dma_, process::page_at(first, i));
    return address;
  }
  void dma_unmap(svm::dma_addr address, svm::page_count count, svm::dma_direction) noexcept {
    for (std::uint64_t i = 0; i < count.value; ++i) iommu_.erase(address.value + i * page_bytes);
  }
  [[nodiscard]] page behind(svm::dma_addr address) const { return iommu_.at(address.value); }
  [[nodiscard]] std::size_t dma_mappings() const { return iommu_.size(); }

  // The GPU's page table: what allocates is done before the library takes its lock.
  [[nodiscard]] svm::errc prepare(svm::va_range span) noexcept {
    for (std::uint64_t done = 0; done < span.size().value; done += page_bytes) table_[span.start().value + done];
    return svm::errc::ok;
  }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access how) noexcept {
    auto entry = table_.find(span.start().value);
    for (svm::device_address const& block : blocks)
      for (std::uint64_t i = 0; i < block.count; ++i, ++entry) {
        entry->second = {block, true, how != svm::mapping_access::read_only};
        entry->second.address.address = block.address + svm::byte_count{i * page_bytes};
      }
  }
  void invalidate(svm::va_range span) noexcept {
    for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value; ++e)
      e->second.present = false;  // a real one flushes its TLB here, and waits for it
  }

 private:
  [[nodiscard]] std::byte* translate(svm::cpu_va a, svm::access_kind want) {
    auto const entry = table_.find(a.align_down(svm::byte_count{page_bytes}).value);
    if (entry == table_.end() || !entry->second.present) return nullptr;
    if (want == svm::access_kind::write && !entry->second.writable) return nullptr;
    svm::device_address const& to = entry->second.address;
    page const p = to.path == svm::interconnect::local ? page{to.address.value / page_bytes} : behind(to.address);
    return memory_.of(p).bytes.data() + a.value % page_bytes;
  }

  memory& memory_;
  std::map<std::uint64_t, table_entry> table_;  // by address
  std::unordered_map<std::uint64_t, page> iommu_;
  std::uint64_t next_dma_ = 0;
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

  vram(tiny::memory& pages, gpu& device, svm::byte_count capacity)
      : memory_(pages), gpu_(device), capacity_(capacity), available_(capacity) {}

  [[nodiscard]] svm::result<memory> allocate(svm::byte_count size) noexcept {
    if (size > available_) return svm::errc::no_device_memory;
    available_ -= size;
    return memory{memory_.add(size.value / page_bytes, true), size};
  }
  [[nodiscard]] svm::errc wait_cleared(memory&) noexcept { return svm::errc::ok; }  // new pages are zeroed already
  [[nodiscard]] svm::errc pages(memory& m, std::span<svm::device_page<page>> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {page{m.first.number + i}, {}};
    return svm::errc::ok;
  }
  void release(memory& m) noexcept {
    for (std::uint64_t i = 0; i < m.size.value / page_bytes; ++i) memory_.remove(page{m.first.number + i});
    available_ += m.size;
  }
  [[nodiscard]] svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job) memory_.of(block.local).bytes = memory_.of(gpu_.behind(block.remote.address)).bytes;
    return svm::errc::ok;
  }
  [[nodiscard]] svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    for (auto const& block : job) memory_.of(gpu_.behind(block.remote.address)).bytes = memory_.of(block.local).bytes;
    return svm::errc::ok;
  }
  // The GPU reaches its own memory by page number; there is nothing to undo.
  [[nodiscard]] svm::result<svm::device_address> map(gpu&, page first, svm::page_count count,
                                                     svm::dma_direction direction) noexcept {
    return svm::device_address{.address = {first.number * page_bytes},
                               .path = svm::interconnect::local,
                               .direction = direction,
                               .count = static_cast<std::uint32_t>(count.value)};
  }
  void unmap(gpu&, svm::device_address const&) noexcept {}
  [[nodiscard]] svm::page_owner owner() noexcept { return {1}; }  // there is no other GPU
  [[nodiscard]] svm::byte_count capacity() noexcept { return capacity_; }
  [[nodiscard]] svm::byte_count available() noexcept { return available_; }

 private:
  tiny::memory& memory_;
  gpu& gpu_;
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
static_assert(svm::policies<policies>);

}  // namespace tiny
