// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <svm/concepts/mm.hpp>
#include <svm/mock/cpu/advice_map.hpp>
#include <svm/mock/cpu/kernel.hpp>
#include <svm/mock/cpu/notifiers.hpp>
#include <svm/mock/cpu/page_table.hpp>
#include <svm/mock/cpu/vma.hpp>
#include <svm/port/page_migration.hpp>

namespace svm::inline v0::mock {

/// One process's address space on the simulated machine: VMAs, a page table that points to frames, faults, notifiers,
/// and the part of memory management that migrates pages, which is `page_migration` with hooks.
///
/// Locks: `map_lock_` (mm) guards the VMAs and the advice; the page-table lock of the physical memory guards the page
/// tables of all processes; a migration holds its own lock of rank page, so that the order of ranks is checked.
template <lock Lock, std::size_t PageBytes = 4096>
class address_space : public port::page_migration<address_space<Lock, PageBytes>, physical_memory<Lock, PageBytes>,
                                                  typename Lock::template mutex<lock_rank::page>> {
  using migrations = port::page_migration<address_space, physical_memory<Lock, PageBytes>,
                                          typename Lock::template mutex<lock_rank::page>>;
  friend migrations;

 public:
  static constexpr byte_count page_size{PageBytes};
  using page = mock::page;
  using sink = run_sink<page>;
  using slot = migration_slot<page>;
  using migration = typename migrations::migration;
  using registration = typename notifiers<Lock>::registration;
  using frames_type = physical_memory<Lock, PageBytes>;
  using site = mapping_site<Lock, PageBytes>;

  explicit address_space(kernel<Lock, PageBytes>& shared);
  /// A copy of `parent`, as fork makes it; it has exited at once (`users() == 0`) when memory was short.
  ///
  /// \pre `parent` has not exited
  address_space(kernel<Lock, PageBytes>& shared, address_space& parent);
  address_space(address_space const&) = delete;
  address_space& operator=(address_space const&) = delete;
  ~address_space() {
    exclusive_guard const guard{frames_.lock()};
    kernel_.processes.remove(this);
  }

  // What the library asks for (concepts/mm.hpp).

  /// Frames that lie together are a run while they have lived as often.
  [[nodiscard]] static constexpr page page_at(page first, std::uint64_t n) noexcept {
    return {frame_behind(first, n), first.generation};
  }
  [[nodiscard]] bool get_user() noexcept {
    order_users();
    std::uint32_t seen = users_.load();
    while (seen != 0)
      if (users_.compare_exchange_weak(seen, seen + 1)) return true;
    return false;
  }
  void put_user() noexcept {
    order_users();
    drop_user();
  }
  [[nodiscard]] space_id id() const noexcept { return id_; }
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] result<vma_info> find_vma(cpu_va a) noexcept {
    map_lock_.assert_held_shared();
    return describe(vmas_.find(a));
  }
  [[nodiscard]] result<vma_info> find_first_vma(va_range span) noexcept {
    map_lock_.assert_held_shared();
    return describe(vmas_.first_overlap(span));
  }
  [[nodiscard]] errc fault_in(walk_request<registration> const& request, sink& found) noexcept;
  void snapshot(va_range span, sink& found) noexcept;
  [[nodiscard]] errc register_notifier(registration& r, va_range span, invalidation_target& target) noexcept {
    return notifiers_.insert(r, span, target);
  }
  void unregister_notifier(registration& r) noexcept { notifiers_.remove(r); }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept { return notifiers_.read_begin(r); }
  [[nodiscard]] bool read_retry(registration const& r, std::uint64_t seen) noexcept {
    return notifiers_.read_retry(r, seen);
  }
  void set_sequence(registration& r, std::uint64_t value) noexcept { notifiers_.set_sequence(r, value); }
  void write_protect(va_range span, std::span<page> pages) noexcept;
  void put_pages(std::span<page const> pages) noexcept;
  void clear_page(page first, page_order order) noexcept {
    for (std::uint64_t i = 0; i < order.pages().value; ++i) frames_.clear(frames_.after(first, i));
  }

  // System calls. Alignment is judged first.

  struct mapped {
    sys error;
    cpu_va at{};
  };
  [[nodiscard]] mapped mmap(byte_count size, protection, mapping_kind, std::optional<cpu_va> at);
  /// Maps the file or shared memory behind `other` once more, from a byte offset in it.
  [[nodiscard]] mapped mmap_same(cpu_va other, std::uint64_t offset, byte_count size, protection,
                                 std::optional<cpu_va> at);
  [[nodiscard]] sys munmap(cpu_va a, byte_count size);
  [[nodiscard]] sys mprotect(cpu_va a, byte_count size, protection);
  /// \errors einval, enomem, efault (the old span lies not in one VMA), eexist (`to` is occupied)
  [[nodiscard]] mapped mremap(cpu_va a, byte_count old_size, byte_count new_size, bool dont_unmap,
                              std::optional<cpu_va> to);
  /// \errors einval, enomem (a hole; for `collapse` also: no block of memory is free), eagain (`collapse` meets pages
  ///         that others hold)
  [[nodiscard]] sys madvise(cpu_va a, byte_count size, advice what);
  [[nodiscard]] sys madvise_dontneed(cpu_va a, byte_count size) { return madvise(a, size, advice::dontneed); }
  /// Makes a span present and keeps it from being swapped out.
  [[nodiscard]] sys mlock(cpu_va a, byte_count size);
  [[nodiscard]] sys munlock(cpu_va a, byte_count size);
  /// Ends the file behind `a` at a byte offset: what was mapped beyond is a bus error.
  [[nodiscard]] sys truncate(cpu_va a, std::uint64_t end);
  /// Frees a part of the file behind a span, which reads as zero again in every mapping.
  [[nodiscard]] sys punch_hole(cpu_va a, byte_count size);
  /// Ends the process: a release event, then everything is unmapped. Runs with the last user reference.
  void exit() {
    runs_.store(0);
    drop_user();
  }

  // What a program on the CPU does, inside one page.

  [[nodiscard]] sys load(cpu_va a, std::span<std::byte> into);
  [[nodiscard]] sys store(cpu_va a, std::span<std::byte const> from);

  // What the kernel's other parts, the oracle and the tests do.

  /// Replaces the physical block behind `a`, as compaction does; false when it has no system pages there that can move.
  bool replace_page(cpu_va a);
  /// Makes the huge page behind `a` small pages; false when it is none, or held.
  bool split_page(cpu_va a);
  /// Reclaims a span without blocking, but for reserved huge pages, which would free none; false, with no effect, if a
  /// notifier would wait.
  bool reap(va_range span);
  /// Replaces every page that a reset of its GPU lost by a mark that says so; the device memory is free again.
  void drop_lost();
  /// Writes the page behind `a` to the swap device; false when it has to stay.
  bool swap_out(cpu_va a);
  /// Runs an event over `span` and changes nothing.
  bool invalidate_only(invalidation const& event) {
    return notifiers_.invalidate(event, [] {});
  }
  /// Takes and drops an extra reference on the page behind `a`, as whoever looks at it for a moment does.
  void pin(cpu_va a, bool pinned);
  /// Pins the page behind `a` for long: it comes to system memory, and is no other process's, first.
  ///
  /// \errors no_vma (segmentation fault), no_access (bus error, or a device's registers), busy
  [[nodiscard]] result<page> pin_for_long(cpu_va a);
  void unpin(page p);
  [[nodiscard]] vma_table const& vmas() const { return vmas_; }
  [[nodiscard]] notifiers<Lock>& watchers() { return notifiers_; }
  [[nodiscard]] pte entry_at(cpu_va a);
  /// The same with the page-table lock held; which one that is, clang cannot follow.
  [[nodiscard]] pte entry_at_locked(cpu_va a) const { return table_.get(a); }
  /// Where page-table entries may have changed; under the page-table lock.
  [[nodiscard]] touched& changed() { return table_.changed(); }
  [[nodiscard]] std::uint32_t users() const { return users_.load(); }
  /// True once the process ended, or began to.
  [[nodiscard]] bool has_exited() const { return runs_.load() == 0; }
  [[nodiscard]] std::uint64_t cpu_faults() const { return cpu_faults_.load(); }
  /// Calls `visit(cpu_va, pte const&)` for each entry that is not none.
  template <class Visit>
  void for_each_entry(va_range span, Visit&& visit) {
    shared_guard const guard{frames_.lock()};
    table_.for_each(span, [&](cpu_va a, pte const& e) { visit(a, e); });
  }

 private:
  static constexpr page_order max_order = frames_type::max_order;
  static constexpr std::uint64_t huge_pages = max_order.pages().value;  ///< base pages in a huge page

  [[nodiscard]] static result<vma_info> describe(vma const* v) {
    if (v == nullptr) return errc::no_vma;
    return vma_info{v->extent, v->readable(), v->writable(), v->is_migratable()};
  }
  [[nodiscard]] static bool allows(vma const& v, access_kind want) {
    return want == access_kind::read ? v.readable() : v.writable();
  }
  [[nodiscard]] static bool is_page_aligned(cpu_va a, byte_count size) {
    return a.is_aligned(page_size) && size.value != 0 && size.value % PageBytes == 0;
  }
  [[nodiscard]] static va_range page_around(cpu_va a) { return aligned_block(a, page_size); }

  /// A step at which a user comes or goes. While the process runs nobody can be the last, and the order of users makes no
  /// difference; afterwards it does.
  void order_users() {
    if (runs_.load() == 0) runs_.store(0);
  }
  void drop_user() {
    if (users_.fetch_sub(1) == 1) run_exit();
  }

  /// How a try to make a page present ended.
  struct presence {
    errc error = errc::ok;
    time_point wait_until{};
    bool wait = false;
    bool in_use = false;  ///< somebody else has the page locked
  };
  // impl/fault.hpp
  [[nodiscard]] presence make_present(vma const& v, cpu_va a, access_kind want, page_owner owner);
  [[nodiscard, gnu::cold]] presence bring_back(vma const& v, cpu_va a, pte seen);
  [[nodiscard]] bool is_satisfied(cpu_va a, access_kind want, page_owner owner);
  [[nodiscard]] bool is_satisfied_locked(pte const& e, access_kind want, page_owner owner)
      SVM_REQUIRES_SHARED(frames_.lock());
  template <access_kind Want, class Move>
  [[nodiscard]] sys access_memory(cpu_va a, std::size_t size, Move&& move);
  template <class Move>
  void access_registers(vma const& v, cpu_va a, Move&& move);
  // impl/fill.hpp
  [[nodiscard]] presence fill_hole(vma const& v, cpu_va a, access_kind want);
  [[nodiscard]] presence fill_small(vma const& v, cpu_va a, access_kind want);
  [[nodiscard, gnu::cold]] bool fill_huge(cpu_va a, access_kind want);
  [[nodiscard, gnu::cold]] presence fill_reserved(cpu_va a);
  [[nodiscard, gnu::cold]] presence break_sharing(vma const& v, cpu_va a, pte seen);
  [[nodiscard, gnu::cold]] presence copy_block(cpu_va a, plain_list<page> const& fresh);
  [[nodiscard, gnu::cold]] result<page> cached_page(vma const& v, cpu_va a);
  [[nodiscard]] bool install_if_none(cpu_va a, pte e);
  [[nodiscard]] bool is_exclusive_locked(page p) SVM_REQUIRES_SHARED(frames_.lock());
  [[nodiscard]] bool uses_huge_pages(vma const& v, cpu_va a) const;
  template <class Test>
  [[nodiscard]] bool all_of_block_locked(cpu_va a, Test&& test) SVM_REQUIRES_SHARED(frames_.lock());
  void map_block_locked(cpu_va start, plain_list<page> const& pages, freed_list& freed) SVM_REQUIRES(frames_.lock());
  // impl/write_protect.hpp
  [[nodiscard]] bool may_protect_locked(cpu_va a) SVM_REQUIRES_SHARED(frames_.lock());
  [[gnu::cold]] void end_protection(cpu_va a);
  // impl/syscalls.hpp
  void drop_entry_locked(cpu_va a, pte& e, freed_list& freed) SVM_REQUIRES(frames_.lock());
  void zap_locked(va_range span, freed_list& freed) SVM_REQUIRES(frames_.lock());
  [[gnu::cold]] void drop_cache_locked(vma const& piece, freed_list& freed) SVM_REQUIRES(frames_.lock());
  [[gnu::cold]] void unmap(va_range span, invalidation_cause cause);
  template <class Visit>
  [[nodiscard]] bool for_each_piece(va_range span, Visit&& visit);
  [[nodiscard]] bool cuts_huge_page(va_range span) const;
  [[nodiscard, gnu::cold]] mapped insert(vma v, std::optional<cpu_va> at);
  [[gnu::cold]] void run_exit();
  // impl/advice.hpp, impl/remap.hpp, impl/fork.hpp, impl/file.hpp, impl/swap.hpp
  [[nodiscard]] sys collapse(va_range block);
  [[nodiscard]] std::optional<sys> grow_or_shrink(vma const& source, byte_count new_size);
  void move_to(vma const& source, byte_count new_size, cpu_va to, bool dont_unmap);
  [[nodiscard]] errc copy_from(address_space& parent);
  [[nodiscard]] std::size_t copy_entries_locked(address_space& parent, vma const& v, plain_list<page>& spare)
      SVM_REQUIRES(frames_.lock());
  [[nodiscard]] bool is_pinned_locked(vma const& v, cpu_va a) SVM_REQUIRES_SHARED(frames_.lock());
  [[nodiscard, gnu::cold]] presence swap_in(cpu_va a, pte seen);
  template <class Visit>
  void for_each_view(backing_ref const& object, std::uint64_t first, std::uint64_t end, Visit&& visit);
  // impl/migrate.hpp: the hooks of page_migration
  [[nodiscard]] frames_type& frames() { return frames_; }
  template <class Change>
  bool invalidate(invalidation const& event, Change&& change) {
    return notifiers_.invalidate(event, change);
  }
  void reached(port::migration_step s);
  [[nodiscard]] bool may_lock_locked(page p) {
    frames_.lock().assert_held();
    return !frames_.is_locked(p) && !kernel_.failures.strikes(failure::lock);
  }
  [[nodiscard]] port::page_mapping_view<page> view_locked(cpu_va a) const;
  [[nodiscard]] page_order hole_order_locked(cpu_va a, std::size_t most);
  void take_out_locked(cpu_va a) {
    pte& e = table_.at(a);
    e.what = pte::state::migrating;
    e.guarded = false;  // the migration's event came
  }
  [[nodiscard]] bool put_back_locked(cpu_va a, page from, page to);
  [[nodiscard]] bool fill_hole_locked(cpu_va a, page to);
  [[gnu::cold]] void withdraw(std::span<slot> slots);
  /// What an entry that maps a page is: the CPU reaches it, or faults.
  [[nodiscard]] pte::state mapped_state_locked(page p) const SVM_REQUIRES_SHARED(frames_.lock()) {
    return !frames_.is_device(p) || frames_.of(p).coherent ? pte::state::present : pte::state::device;
  }

  kernel<Lock, PageBytes>& kernel_;
  space_id id_;
  frames_type& frames_;
  virtual_clock& clock_;
  report& report_;
  steps& steps_;
  notifiers<Lock> notifiers_;
  typename Lock::template shared_mutex<lock_rank::mm> map_lock_;
  vma_table vmas_;
  advice_map advice_;
  page_table<PageBytes> table_;
  std::atomic<std::uint32_t> users_{1};
  typename Lock::template atomic<std::uint32_t> runs_{1};  // the process itself is a user
  std::atomic<std::uint64_t> cpu_faults_{0};
};

template <lock Lock, std::size_t PageBytes>
address_space<Lock, PageBytes>::address_space(kernel<Lock, PageBytes>& shared)
    : kernel_(shared),
      frames_(shared.frames),
      clock_(shared.clock),
      report_(shared.broken),
      steps_(shared.hooks),
      notifiers_(shared.failures, shared.broken, shared.hooks) {
  exclusive_guard const guard{frames_.lock()};
  id_ = {++kernel_.last_space_id};
  kernel_.processes.push_back(this);
}

}  // namespace svm::inline v0::mock

#include <svm/mock/cpu/impl/advice.hpp>
#include <svm/mock/cpu/impl/compact.hpp>
#include <svm/mock/cpu/impl/fault.hpp>
#include <svm/mock/cpu/impl/file.hpp>
#include <svm/mock/cpu/impl/fill.hpp>
#include <svm/mock/cpu/impl/fork.hpp>
#include <svm/mock/cpu/impl/lose.hpp>
#include <svm/mock/cpu/impl/migrate.hpp>
#include <svm/mock/cpu/impl/remap.hpp>
#include <svm/mock/cpu/impl/swap.hpp>
#include <svm/mock/cpu/impl/syscalls.hpp>
#include <svm/mock/cpu/impl/write_protect.hpp>
