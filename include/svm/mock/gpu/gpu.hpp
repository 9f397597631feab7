// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/mock/gpu/access_listener.hpp>
#include <svm/mock/gpu/iommu.hpp>
#include <svm/mock/cpu/physical_memory.hpp>
#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/steps.hpp>
#include <svm/mock/machine/touched.hpp>
#include <svm/mock/cpu/word_access.hpp>

namespace svm::inline v0::mock {

/// What becomes of an access that faults.
enum class page_faults : std::uint8_t {
  replayed,  ///< it waits for the driver, and is tried again
  fatal,     ///< the program ends, so that its queues have to stand still before a mapping goes
};

/// A GPU as one process uses it: a page table, a TLB, accesses that go through them, and nothing else between it and
/// memory.
///
/// A load or store that neither allows is a fault for the driver to serve. Every access checks permission, the IOMMU
/// and the generation of the page it ends up in, and that its queue is not stopped.
///
/// Locks: `lock_` (device) guards the page table, the TLB and whether the queues run. Each access holds it, shared when
/// the TLB has the page, so that `invalidate` and `stop_queues` wait for accesses under way.
template <lock Lock, std::size_t PageBytes = 4096>
class gpu {
 public:
  static constexpr byte_count page_size{PageBytes};

  gpu(physical_memory<Lock, PageBytes>& frames, iommu<Lock, PageBytes>& dma, report& broken, steps& hooks,
      page_faults faults = page_faults::replayed)
      : frames_(frames), iommu_(dma), report_(broken), steps_(hooks), faults_(faults), index_(dma.gpu()) {}

  // What the library asks for (concepts/device.hpp).

  [[nodiscard]] result<dma_addr> dma_map(page p, page_count count, dma_direction direction) noexcept {
    return iommu_.map(p, direction, count);
  }
  void dma_unmap(dma_addr address, page_count count, dma_direction direction) noexcept {
    iommu_.unmap(address, direction, count);
  }
  [[nodiscard]] result<dma_addr> reserve_iova(byte_count size) noexcept { return iommu_.reserve(size); }
  [[nodiscard]] errc link_iova(dma_addr base, byte_count offset, page p, page_count count,
                               dma_direction direction) noexcept {
    return iommu_.link(base, offset, p, count, direction);
  }
  [[nodiscard]] errc sync_iova(dma_addr base, byte_count size) noexcept { return iommu_.sync(base, size); }
  void release_iova(dma_addr base, byte_count size, byte_count linked, dma_direction direction) noexcept {
    iommu_.release(base, size, linked, direction);
  }
  void sync_for_device(dma_addr address, page_count count, dma_direction direction) noexcept {
    iommu_.sync_for_device(address, count, direction);
  }
  void sync_for_system(dma_addr address, page_count count, dma_direction direction) noexcept {
    iommu_.sync_for_system(address, count, direction);
  }

  [[nodiscard]] errc prepare(va_range span) noexcept {
    steps_.at(step::preparing);
    if (iommu_.failures().strikes(failure::page_table)) return errc::no_memory;
    exclusive_guard const guard{lock_};
    changed_.note(span);
    for (std::uint64_t b = number(span.start()) / block_pages; b <= number(span.last()) / block_pages; ++b)
      table_.emplace(b);
    return errc::ok;
  }

  void commit(va_range span, std::span<device_address const> blocks, mapping_access how) noexcept {
    exclusive_guard const guard{lock_};
    changed_.note(span);
    std::uint64_t at = number(span.start());
    for (device_address const& block : blocks) {
      dma_addr address = block.address;
      for (std::uint64_t i = 0; i < block.count; ++i, ++at, address = address + page_size)
        write_entry(at, address, block.path, how);
    }
    if (at != number(span.last()) + 1) report_.violation("O-09", "the blocks of a bind do not add up to its span");
  }

  void invalidate(va_range span) noexcept {
    exclusive_guard const guard{lock_};
    zap_locked(span);
    flush_locked(span);
  }
  /// Zaps the entries; the TLB serves accesses until `finish_invalidate`.
  void begin_invalidate(va_range span) noexcept {
    exclusive_guard const guard{lock_};
    zap_locked(span);
    begun_.push_back(span);
  }
  void finish_invalidate(va_range span) noexcept {
    exclusive_guard const guard{lock_};
    changed_.note(span);
    if (!begun_.remove(span)) report_.violation("O-27", "a flush is waited for that was not begun");
    flush_locked(span);
  }

  void stop_queues() noexcept {
    exclusive_guard const guard{lock_};
    if (!std::exchange(queues_run_, false)) report_.violation("O-51", "queues are stopped that stand still");
  }
  void resume_queues() noexcept {
    exclusive_guard const guard{lock_};
    if (std::exchange(queues_run_, true)) report_.violation("O-51", "queues are resumed that run");
  }

  // What a GPU program does. With the queues stopped it waits, which `waits` is set for; without `waits` an access of a
  // stopped queue is a broken rule.

  /// Loads `into` from `a`, inside one page; false, and nothing happens, when that faults or waits.
  [[nodiscard]] bool load(cpu_va a, std::span<std::byte> into, bool* waits = nullptr) {
    return access_memory(a, access_kind::read, into.size(), waits, [&](std::byte* from) { load_bytes(from, into); });
  }
  /// Stores `from` at `a`, inside one page; false, and nothing happens, when that faults or waits.
  [[nodiscard]] bool store(cpu_va a, std::span<std::byte const> from, bool* waits = nullptr) {
    return access_memory(a, access_kind::write, from.size(), waits, [&](std::byte* to) { store_bytes(to, from); });
  }
  /// Adds to the aligned word at `a`; false, and nothing happens, when that faults or waits: also where the page is not
  /// in this GPU's own memory.
  [[nodiscard]] bool atomic_add(cpu_va a, std::uint64_t value, std::uint64_t& old, bool* waits = nullptr) {
    return access_memory(a, access_kind::atomic, sizeof value, waits,
                         [&](std::byte* to) { old = add_to_word(to, value); });
  }

  /// Who counts its accesses to memory that is elsewhere, or null; set it before other threads start.
  access_listener* notices = nullptr;

  /// Fetches the bytes at `a` into the cache of the processor that simulates the GPU, if the TLB knows device memory
  /// there. Nothing happens otherwise.
  ///
  /// \pre no other thread uses the GPU
  void fetch(cpu_va a) {
    std::uint64_t const n = number(a);
    tlb_entry const& cached = tlb_[n % tlb_size];
    if (cached.tag == n + 1 && cached.from.path != interconnect::system)
      __builtin_prefetch(frames_.of(cached.from.direct).content.bytes() + a.value % PageBytes);
  }

  /// Which GPU of the machine it is.
  [[nodiscard]] unsigned index() const { return index_; }
  [[nodiscard]] std::uint64_t tlb_flushes() const { return tlb_flushes_; }

  // What the oracle and the tests look at.

  /// One present entry of the page table, resolved.
  struct mapping {
    cpu_va at;
    page target;  ///< no page when the entry leads nowhere
    bool writable;
    interconnect path;
  };
  template <class Visit>
  void for_each_mapping(va_range span, Visit&& visit) {
    shared_guard const guard{lock_};
    for_each_entry_locked(span, [&](std::uint64_t n, entry& e) {
      if (e.present) visit(mapping{cpu_va{n * PageBytes}, target_of(e), e.writable, e.path});
    });
  }
  /// Calls `visit(mapping, bool)` for each TLB entry of a span that the page table has not, or has otherwise; true for one
  /// whose flush is begun.
  template <class Visit>
  void for_each_stale(va_range span, Visit&& visit) {
    shared_guard const guard{lock_};
    std::uint64_t const first = number(span.start());
    std::uint64_t const places = tlb_places(number(span.last()) - first);
    for (std::uint64_t i = 0; i < places; ++i) {
      tlb_entry const& t = tlb_[(first + i) % tlb_size];
      if (t.tag == 0 || !span.contains(cpu_va{(t.tag - 1) * PageBytes})) continue;
      entry const* const e = find_present(t.tag - 1);
      if (e != nullptr && *e == t.from) continue;
      mapping const stale{cpu_va{(t.tag - 1) * PageBytes}, target_of(t.from), t.from.writable, t.from.path};
      bool is_begun = false;
      for (va_range const& begun : begun_) is_begun = is_begun || begun.contains(stale.at);
      visit(stale, is_begun);
    }
  }
  /// Whether the GPU accessed a page since it was mapped.
  [[nodiscard]] bool was_accessed(cpu_va a) {
    shared_guard const guard{lock_};
    entry const* const e = find_present(number(a));
    return e != nullptr && e->accessed;
  }
  /// True when every TLB entry agrees with the page table (O-01).
  [[nodiscard]] bool tlb_agrees() {
    bool agrees = true;
    for_each_stale({cpu_va{}, byte_count{UINT64_MAX}}, [&](mapping const&, bool) { agrees = false; });
    return agrees;
  }
  /// Where entries of the page table or the TLB may have changed; under the lock of the GPU, or when nothing is under way.
  [[nodiscard]] touched& changed() { return changed_; }
  /// True when nobody has the lock of the page table and the TLB.
  [[nodiscard]] bool is_at_rest() {
    if (!lock_.try_lock()) return false;
    lock_.unlock();
    return true;
  }
  [[nodiscard]] bool queues_run() {
    shared_guard const guard{lock_};
    return queues_run_;
  }
  /// True when no flush is under way.
  [[nodiscard]] bool is_flushed() {
    shared_guard const guard{lock_};
    return begun_.empty();
  }
  [[nodiscard]] bool has_mappings() {
    bool any = false;
    for_each_mapping({cpu_va{}, byte_count{UINT64_MAX}}, [&](mapping const&) { any = true; });
    return any;
  }
  /// Plants the TLB entry that `a` has now, to come back after an invalidation: a stale entry, for tests of the checks.
  void plant_stale_entry(cpu_va a) {
    exclusive_guard const guard{lock_};
    if (entry const* const e = find_present(number(a)); e != nullptr) planted_ = {number(a) + 1, *e};
  }
  void spring_stale_entry() {
    exclusive_guard const guard{lock_};
    if (planted_.tag == 0) return;
    tlb_[(planted_.tag - 1) % tlb_size] = planted_;
    changed_.note({cpu_va{(planted_.tag - 1) * PageBytes}, page_size});
  }

 private:
  static constexpr std::uint64_t block_pages = 64;
  static constexpr std::size_t tlb_size = 2048;

  struct entry {
    dma_addr address{};
    page direct{};  ///< of device memory, as it was when the entry was written
    interconnect path = interconnect::system;
    unsigned home = 0;  ///< whose memory that is
    bool present = false;
    bool writable = false;
    bool atomic = false;
    bool accessed = false;  ///< since it was written
    friend bool operator==(entry const&, entry const&) = default;
  };
  struct tlb_entry {
    std::uint64_t tag = 0;  ///< page number plus one
    entry from;
  };

  struct zapped {
    std::uint64_t number;  ///< of the page in the address space
    page target;
  };

  /// In how many places of the TLB an entry of `more + 1` pages may be.
  [[nodiscard]] static std::uint64_t tlb_places(std::uint64_t more) { return more < tlb_size ? more + 1 : tlb_size; }
  [[nodiscard]] static std::uint64_t number(cpu_va a) { return a.value / PageBytes; }

  [[nodiscard]] entry* find_entry(std::uint64_t n) {
    auto const block = table_.find(n / block_pages);
    return block == table_.end() ? nullptr : &block->second[n % block_pages];
  }
  [[nodiscard]] entry const* find_present(std::uint64_t n) {
    entry const* const e = find_entry(n);
    return e != nullptr && e->present ? e : nullptr;
  }

  template <class Visit>
  void for_each_entry_locked(va_range span, Visit&& visit) SVM_REQUIRES_SHARED(lock_) {
    std::uint64_t const first = number(span.start());
    std::uint64_t const last = number(span.last());
    for (auto b = table_.lower_bound(first / block_pages); b != table_.end() && b->first <= last / block_pages; ++b) {
      std::uint64_t const start = b->first * block_pages;
      for (std::uint64_t i = start < first ? first - start : 0; i < block_pages && start + i <= last; ++i)
        visit(start + i, b->second[i]);
    }
  }

  // Entries: impl/entries.hpp.
  void write_entry(std::uint64_t n, dma_addr address, interconnect path, mapping_access how);
  void clear_entry(entry& e);
  void zap_locked(va_range span) SVM_REQUIRES(lock_);
  void flush_locked(va_range span) SVM_REQUIRES(lock_);

  [[nodiscard]] page target_of(entry const& e) {
    return e.path == interconnect::system ? iommu_.peek(e.address) : e.direct;
  }

  /// Lets `move` have `size` bytes at `a`; false for a fault. Only a miss of the TLB keeps other accesses out.
  template <class Move>
  [[nodiscard, gnu::always_inline]] bool access_memory(cpu_va a, access_kind want, std::size_t size, bool* waits,
                                                       Move&& move) {
    std::uint64_t const n = number(a);
    {
      shared_guard const guard{lock_};
      if (!may_access(waits)) return false;
      if (tlb_entry const& cached = tlb_[n % tlb_size]; cached.tag == n + 1)
        return move_through(cached.from, a, want, size, move);
      if (find_present(n) == nullptr) return false;
    }
    return fill_and_access(a, want, size, waits, move);
  }
  /// The same behind a miss. Out of line, so that a hit is what is inlined.
  template <class Move>
  [[nodiscard, gnu::noinline]] bool fill_and_access(cpu_va a, access_kind want, std::size_t size, bool* waits,
                                                    Move& move) {
    std::uint64_t const n = number(a);
    exclusive_guard const guard{lock_};
    if (!may_access(waits)) return false;
    entry* const e = find_entry(n);
    if (e == nullptr || !e->present) return false;
    e->accessed = true;
    tlb_[n % tlb_size] = {n + 1, *e};
    return move_through(*e, a, want, size, move);
  }
  /// True unless the queues are stopped, which a program that does not wait for them must not see.
  [[nodiscard]] bool may_access(bool* waits) {
    if (queues_run_) return true;
    if (waits == nullptr)
      report_.violation("O-51", "an access by a queue that is stopped");
    else
      *waits = true;
    return false;
  }
  template <class Move>
  [[nodiscard, gnu::always_inline]] bool move_through(entry const& e, cpu_va a, access_kind want, std::size_t size,
                                                      Move&& move) {
    page_content<PageBytes>* const content = translate(e, want);
    if (content == nullptr) return false;
    if (notices != nullptr && e.path != interconnect::local) notices->count(a);
    std::size_t const offset = a.value % PageBytes;
    move(want == access_kind::read ? content->bytes() + offset : content->writable(offset, size));
    return true;
  }

  /// The content of the page behind an entry, or null for a fault.
  [[nodiscard, gnu::always_inline]] page_content<PageBytes>* translate(entry const& e, access_kind want) {
    if (want != access_kind::read && !e.writable) return nullptr;
    if (want == access_kind::atomic && (!e.atomic || e.path != interconnect::local)) return nullptr;
    if (e.path == interconnect::system) {
      auto const there = iommu_.reach(e.address, want != access_kind::read);
      return check_alive(there.target) ? there.content : nullptr;
    }
    auto* const frame = frames_.find_alive(e.direct);
    if (frame == nullptr) {
      static_cast<void>(check_alive(e.direct));
      return nullptr;
    }
    if ((e.path == interconnect::local) != (e.home == index_) || !frames_.links().reach(index_, e.home)) {
      report_.violation("O-10", "a device access to another GPU's memory that does not reach it");
      return nullptr;
    }
    return &frames_.content(*frame, e.direct, want != access_kind::read);
  }
  [[nodiscard]] bool check_alive(page target) {
    if (frames_.is_alive(target)) return true;
    report_.violation("O-01", "a device access reached a page that is not alive");
    return false;
  }

  physical_memory<Lock, PageBytes>& frames_;
  iommu<Lock, PageBytes>& iommu_;
  report& report_;
  steps& steps_;
  page_faults const faults_;
  unsigned const index_;
  bool queues_run_ = true;
  typename Lock::template shared_mutex<lock_rank::device> lock_;
  number_map<std::array<entry, block_pages>> table_;
  std::array<tlb_entry, tlb_size> tlb_{};
  tlb_entry planted_{};
  plain_list<va_range> begun_;   // invalidations that are not finished
  plain_list<zapped> flushing_;  // of entries that are zapped
  std::atomic<std::uint64_t> tlb_flushes_{0};
  touched changed_;
};

}  // namespace svm::inline v0::mock

#include <svm/mock/gpu/impl/entries.hpp>
