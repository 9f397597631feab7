// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <svm/concepts/mm.hpp>
#include <svm/mock/notifiers.hpp>
#include <svm/mock/page_table.hpp>
#include <svm/mock/physical_memory.hpp>
#include <svm/mock/virtual_clock.hpp>
#include <svm/mock/vma.hpp>

namespace svm::inline v0::mock {

inline constexpr std::uint64_t user_end = std::uint64_t{1} << 47;
inline constexpr byte_count huge_page_size{2 << 20};

/// How a system call or a CPU access ended, in the words of a process.
enum class sys : std::uint8_t { ok, einval, enomem, eexist, sigsegv, sigbus };

/// One process's address space on the simulated machine: VMAs, a page table that points to frames, faults, notifiers,
/// and the part of memory management that migrates pages.
///
/// Locks: `map_lock_` (mm) guards the VMAs; the page-table lock of the physical memory guards the page table; a
/// migration holds its own lock of rank page, so that the order of ranks is checked.
template <lock Lock>
class address_space {
 public:
  static constexpr byte_count page_size = mock::page_size;
  using page = mock::page;
  using entry = page_entry<page>;
  using slot = migration_slot<page>;
  using registration = typename notifiers<Lock>::registration;

  /// A migration under way.
  class migration {
   public:
    migration() = default;
    migration(migration const&) = delete;
    migration& operator=(migration const&) = delete;
    ~migration() {
      if (home_ != nullptr) home_->finalize(*this);
    }

   private:
    friend class address_space;
    address_space* home_ = nullptr;
    std::span<slot> slots_;
    std::vector<cpu_va> at_;                               ///< where each slot is mapped
    std::vector<bool> moved_;                              ///< `install` moved it
    typename Lock::template mutex<lock_rank::page> held_;  ///< stands for the page locks in the order of ranks
  };

  address_space(physical_memory<Lock>& frames, virtual_clock& time, failure_plan& failures, report& broken,
                steps& hooks, page_owner gpu_owner)
      : frames_(frames),
        clock_(time),
        report_(broken),
        steps_(hooks),
        gpu_owner_(gpu_owner),
        notifiers_(failures, broken, hooks) {}

  // What the library asks for (concepts/mm.hpp).

  [[nodiscard]] bool get_user() noexcept {
    std::uint32_t seen = users_.load();
    while (seen != 0)
      if (users_.compare_exchange_weak(seen, seen + 1)) return true;
    return false;
  }
  void put_user() noexcept {
    if (users_.fetch_sub(1) == 1) run_exit();
  }
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] result<vma_info> find_vma(cpu_va a) noexcept { return describe(vmas_.find(a)); }
  [[nodiscard]] result<vma_info> find_first_vma(va_range span) noexcept { return describe(vmas_.first_overlap(span)); }
  [[nodiscard]] errc fault_in(walk_request<registration> const& request, std::span<entry> out) noexcept;
  void snapshot(va_range span, std::span<entry> out) noexcept;
  [[nodiscard]] errc register_notifier(registration& r, va_range span, invalidation_target& target) noexcept {
    return notifiers_.insert(r, span, target);
  }
  void unregister_notifier(registration& r) noexcept { notifiers_.remove(r); }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept { return notifiers_.read_begin(r); }
  [[nodiscard]] bool read_retry(registration const& r, std::uint64_t seen) noexcept {
    return notifiers_.read_retry(r, seen);
  }
  void set_sequence(registration& r, std::uint64_t value) noexcept { notifiers_.set_sequence(r, value); }
  [[nodiscard]] errc collect(migration& session, va_range span, std::span<slot> slots) noexcept
      SVM_NO_THREAD_SAFETY_ANALYSIS;  // the session keeps its lock until it is finalized
  void collect_pages(migration& session, std::span<slot> slots, va_range const* within,
                     page faulting) noexcept SVM_NO_THREAD_SAFETY_ANALYSIS;
  void install(migration& session) noexcept;
  void finalize(migration& session) noexcept SVM_NO_THREAD_SAFETY_ANALYSIS;
  [[nodiscard]] result<page> allocate_page() noexcept;
  void adopt_device_page(page p, device_page_owner<page>& owner) noexcept;
  void discard_page(page p) noexcept;

  // System calls. Alignment is judged first.

  struct mapped {
    sys error;
    cpu_va at{};
  };
  [[nodiscard]] mapped mmap(byte_count size, protection, mapping_kind, std::optional<cpu_va> at);
  [[nodiscard]] sys munmap(cpu_va a, byte_count size);
  [[nodiscard]] sys mprotect(cpu_va a, byte_count size, protection);
  [[nodiscard]] sys madvise_dontneed(cpu_va a, byte_count size);
  /// Ends the process: a release event, then everything is unmapped. Runs with the last user reference.
  void exit() { put_user(); }

  // What a program on the CPU does, inside one page.

  [[nodiscard]] sys load(cpu_va a, std::span<std::byte> into);
  [[nodiscard]] sys store(cpu_va a, std::span<std::byte const> from);

  // What the kernel's other parts, the oracle and the tests do.

  /// Replaces the physical page behind `a`, as compaction does; false when it has no system page there that can move.
  bool replace_page(cpu_va a);
  /// Runs an event over `span` and changes nothing.
  bool invalidate_only(invalidation const& event) {
    return notifiers_.invalidate(event, [] {});
  }
  /// Takes and drops an extra reference on the page behind `a`, as a pin does.
  void pin(cpu_va a, bool pinned);
  [[nodiscard]] vma_table const& vmas() const { return vmas_; }
  [[nodiscard]] notifiers<Lock>& watchers() { return notifiers_; }
  [[nodiscard]] pte entry_at(cpu_va a);
  [[nodiscard]] std::uint32_t users() const { return users_.load(); }
  [[nodiscard]] std::uint64_t cpu_faults() const { return cpu_faults_.load(); }
  /// Calls `visit(cpu_va, pte const&)` for each entry that is not none.
  template <class Visit>
  void for_each_entry(va_range span, Visit&& visit) {
    exclusive_guard const guard{frames_.lock()};
    table_.for_each(span, [&](cpu_va a, pte const& e) { visit(a, e); });
  }

 private:
  [[nodiscard]] static result<vma_info> describe(vma const* v) {
    if (v == nullptr) return errc::no_vma;
    return vma_info{v->extent, v->readable(), v->writable(), v->is_migratable()};
  }
  [[nodiscard]] static bool allows(vma const& v, access want) {
    return want == access::write ? v.writable() : v.readable();
  }
  void put_all(std::vector<device_page_owner<page>*> const& freed) {
    for (device_page_owner<page>* const owner : freed) owner->page_freed();
  }

  /// How a try to make a page present ended.
  struct presence {
    errc error = errc::ok;
    time_point wait_until{};
    bool wait = false;
  };
  [[nodiscard]] presence make_present(vma const& v, cpu_va a, access want, page_owner owner);
  [[nodiscard]] presence fill_hole(vma const& v, cpu_va a, access want);
  [[nodiscard]] presence fill_huge(cpu_va a);
  [[nodiscard]] presence replace_shared(cpu_va a, pte seen);
  [[nodiscard]] presence bring_back(vma const& v, cpu_va a, pte seen);
  [[nodiscard]] result<page> cached_page(vma const& v, cpu_va a);
  [[nodiscard]] bool install_if_none(cpu_va a, pte e);
  void map_frame_locked(cpu_va a, page p);
  void unmap_frame_locked(page p, std::vector<device_page_owner<page>*>& freed);
  void zap_locked(va_range span, std::vector<device_page_owner<page>*>& freed);
  void drop_cache_locked(vma const& piece, std::vector<device_page_owner<page>*>& freed);
  [[nodiscard]] bool satisfied(pte const& e, access want, page_owner owner) const;
  template <access Want, class Move>
  [[nodiscard]] sys access_memory(cpu_va a, Move&& move);
  [[nodiscard]] bool cuts_huge_page(va_range span) const;
  [[nodiscard]] std::optional<cpu_va> find_room(byte_count size) const;
  void run_exit();
  template <class Visit>
  void for_each_run(migration const& session, Visit&& visit) const;
  void restore_locked(slot& s, cpu_va at, bool moved, std::vector<device_page_owner<page>*>& freed);

  physical_memory<Lock>& frames_;
  virtual_clock& clock_;
  report& report_;
  steps& steps_;
  page_owner const gpu_owner_;
  notifiers<Lock> notifiers_;
  typename Lock::template shared_mutex<lock_rank::mm> map_lock_;
  typename Lock::event pages_changed_;
  vma_table vmas_;
  page_table table_;
  std::atomic<std::uint32_t> users_{1};
  std::atomic<std::uint64_t> cpu_faults_{0};
};

}  // namespace svm::inline v0::mock

#include <svm/mock/mm_fault.hpp>
#include <svm/mock/mm_migrate.hpp>
#include <svm/mock/mm_syscalls.hpp>
