// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mm.hpp>

namespace svm::inline v0::port {

/// What a page table has at an address, as far as a migration cares.
enum class mapping_state : std::uint8_t {
  none,       ///< nothing: a hole
  zero,       ///< the zero page: a hole too, but a device may have mapped it
  mapped,     ///< a page
  migrating,  ///< a page that a migration took out
  swapped,    ///< a page that is not in memory
};
/// What a page table says of one page.
template <class Page>
struct page_mapping_view {
  mapping_state state = mapping_state::none;
  Page page{};  ///< where there is one
};

/// Where a migration may let others act.
enum class migration_step : std::uint8_t {
  collecting,   ///< it is about to lock pages
  withdrawing,  ///< it knows where the pages are mapped, and is about to take them out there
  installing,   ///< it is about to move the mappings
  finalized,    ///< it has put every page back into place
};

/// What a session holds in place of a page lock where the order of locks is not checked.
struct no_page_lock {
  void lock() {}
  void unlock() {}
};

/// The migration half of `mm` for a port: blocks of any order, mapped by any number of address spaces.
///
/// The class has the slots, the order of steps and what undoes them. `Self`, the port's mm, derives from it and has:
///  * `find_vma` and `id`, which an mm has anyway;
///  * `frames()`, which returns the pages of the machine: a `frame_table`, or a class of the port that has the functions
///    marked there. Its lock guards pages and page tables; it is called F below;
///  * `invalidate(event, change)`, which runs an event as `notifier_list` does, then calls `change()` with F not held;
///  * `find_mapping(cpu_va)`, which returns the `page_mapping*` at an address or null, and `make_mapping(cpu_va)`, which
///    makes one or returns null when there is no memory; both with F held.
///
/// The hooks below have defaults. `Self` hides those that it does otherwise, and makes this class a friend where they
/// are private. A port without a `frame_table` hides the four that speak of mappings instead of the last two.
///
/// Nothing is allocated here. Any function may be called from any thread, if the hooks may.
///
/// \tparam PageLock  what a session holds from its collection to its end: a lock of rank page where ranks are checked
/// \source mm/migrate_device.c
template <class Self, class Frames, class PageLock = no_page_lock>
class page_migration {
 public:
  using page = typename Frames::page;
  using slot = migration_slot<page>;
  static constexpr byte_count page_size = Frames::page_size;
  static constexpr bool collects_masks = true;

  /// Pages that were taken out of the page tables; whatever happens, the destructor puts everything back into place.
  class migration {
   public:
    migration() = default;
    migration(migration const&) = delete;
    migration& operator=(migration const&) = delete;
    ~migration() {
      if (home_ != nullptr) home_->finalize(*this);
    }

   private:
    friend class page_migration;
    page_migration* home_ = nullptr;
    cpu_va start_{};          ///< of what `collect` collected, for the holes
    page_owner for_{};        ///< on whose behalf that was
    bool installed_ = false;  ///< what is collected and has a destination moves there
    std::span<slot> slots_;
    PageLock held_;
  };

  // Part of `mm`; concepts/page_migration.hpp has the promises.

  [[nodiscard]] errc collect(migration& session, va_range span, std::span<slot> slots, page_owner reach) noexcept
      SVM_NO_THREAD_SAFETY_ANALYSIS;  // the session keeps its lock until it is finalized
  void collect_pages(migration& session, std::span<slot> slots, page_scope const* within,
                     page faulting) noexcept SVM_NO_THREAD_SAFETY_ANALYSIS;
  void install(migration& session) noexcept;
  void finalize(migration& session) noexcept SVM_NO_THREAD_SAFETY_ANALYSIS;
  [[nodiscard]] result<page> allocate_page(page_order order) noexcept {
    result<page> const fresh = machine_frames().allocate_ram(order);
    if (!fresh) return fresh;
    exclusive_guard const guard{machine_frames().lock()};
    machine_frames().set_locked(*fresh, true);
    return fresh;
  }
  void adopt_device_page(page p, page_order order, device_page_owner<page>& owner, bool coherent) noexcept {
    exclusive_guard const guard{machine_frames().lock()};
    machine_frames().adopt_locked(p, order, owner, coherent);
  }
  void discard_page(page p) noexcept {
    {
      exclusive_guard const guard{machine_frames().lock()};
      machine_frames().set_locked(p, false);
    }
    machine_frames().put(p);
  }

 protected:
  using freed_list = typename Frames::freed_list;
  using view = page_mapping_view<page>;

  page_migration() = default;
  ~page_migration() = default;

  // Hooks, with F held where the name says so. Of `may_lock_locked`, `hole_around_locked`, `hole_order_locked`,
  // `view_locked`, `take_out_locked`, `put_back_locked` and `fill_hole_locked` clang cannot follow that the lock of
  // `self().frames()` is the one that is held: who needs it there asserts it.

  /// A visible point: others may act here. No lock but those of the caller is held.
  static void reached(migration_step) {}
  /// True when a migration may lock the block of a page now.
  [[nodiscard]] bool may_lock_locked(page p) {
    machine_frames().lock().assert_held();
    return !machine_frames().is_locked(p);
  }
  /// The order of the block that may fill the hole around `a`: one that is aligned, all hole, and wanted as a block.
  [[nodiscard]] page_order hole_around_locked(cpu_va) { return {}; }
  /// The order of the block that a migration may put into the hole at `a`, of at most `most` pages.
  [[nodiscard]] page_order hole_order_locked(cpu_va a, std::size_t most) {
    page_order const order = self().hole_around_locked(a);
    return order.pages().value <= most && a.is_aligned(page_size * order.pages().value) ? order : page_order{};
  }
  [[nodiscard]] view view_locked(cpu_va a) {
    auto const* const m = self().find_mapping(a);
    if (m == nullptr) return {};
    return {m->migrating ? mapping_state::migrating : mapping_state::mapped, m->target};
  }
  /// The mapping at `a`, which is `mapped`, becomes `migrating`.
  void take_out_locked(cpu_va a) { self().find_mapping(a)->migrating = true; }
  /// If what is at `a` is `migrating` and has the page `from`, it maps `to` from now on, which may be the same page; else
  /// false, and nothing happened.
  [[nodiscard]] bool put_back_locked(cpu_va a, page from, page to) {
    static_cast<void>(to);  // the table of frames notes it
    auto* const m = self().find_mapping(a);
    if (m == nullptr || !m->migrating || m->target != from) return false;
    m->migrating = false;
    return true;
  }
  /// A hole at `a`, or a zero page whose end was told, becomes a mapping of `to` with a reference of its own; false, and
  /// nothing happened, when that cannot be.
  [[nodiscard]] bool fill_hole_locked(cpu_va a, page to) {
    machine_frames().lock().assert_held();
    auto* const m = self().make_mapping(a);
    if (m != nullptr) machine_frames().map_locked(*m, to);
    return m != nullptr;
  }
  /// Takes the collected pages of `slots` out of the page tables of every address space, an event for each run of
  /// neighbours. What it leaves mapped is refused afterwards.
  void withdraw(std::span<slot> slots);

  // What the fault handler of a port with a `frame_table` may use. Called with F not held.

  /// Fills the hole around `a` with system memory, a whole block where `hole_around_locked` says so and there is one;
  /// ok also when another thread came first.
  ///
  /// \pre    the map lock is held
  /// \errors no_ram
  /// \allocs a block
  [[nodiscard]] errc populate(cpu_va a);
  /// Asks the owner object of a page of device memory, which the CPU met at `a`, to bring it back. While others work on
  /// the page the answer is look_again, in_use.
  ///
  /// \pre the map lock is held
  [[nodiscard]] cpu_fault_answer bring_back(cpu_va a, page p, va_range vma);

 private:
  /// Which page of a destination each slot gets; asked for the slots in ascending order.
  class slot_targets {
   public:
    slot_targets(Frames& frames, std::span<slot> slots) : frames_(frames), slots_(slots) {}
    [[nodiscard]] bool has(std::size_t i) {
      if (slots_[i].destination != page{}) {
        first_ = i;
        end_ = i + slots_[i].destination_order.pages().value;
      }
      return i < end_ && slots_[i].is_collected();
    }
    /// The page for a slot, or no page.
    [[nodiscard]] page of(std::size_t i) {
      return has(i) ? frames_.after(slots_[first_].destination, i - first_) : page{};
    }

   private:
    Frames& frames_;
    std::span<slot> const slots_;
    std::size_t first_ = 0;
    std::size_t end_ = 0;
  };
  /// Neighbouring slots whose pages an address space maps at neighbouring addresses.
  struct mapped_run {
    Self* space = nullptr;
    va_range span{cpu_va{}, byte_count{1}};
    page_owner owner{};
    std::size_t count = 0;
  };

  [[nodiscard]] Self& self() { return static_cast<Self&>(*this); }
  [[nodiscard]] Frames& machine_frames() { return self().frames(); }

  void begin(migration& session, std::span<slot> slots) SVM_NO_THREAD_SAFETY_ANALYSIS {
    self().reached(migration_step::collecting);
    session.held_.lock();
    session.home_ = this;
    session.slots_ = slots;
  }
  [[nodiscard]] static std::size_t refuse(slot& s, slot_state why) {
    s.state = why;
    return 1;
  }
  [[nodiscard]] std::size_t collect_one_locked(migration const& session, std::span<slot> slots, std::size_t i,
                                               freed_list& freed) SVM_REQUIRES(machine_frames().lock());
  [[nodiscard]] std::size_t collect_hole_locked(std::span<slot> slots, std::size_t i, cpu_va a)
      SVM_REQUIRES(machine_frames().lock());
  [[nodiscard]] std::size_t pick_one_locked(std::span<slot> slots, std::size_t i, page_scope const* within,
                                            page faulting, freed_list& freed) SVM_REQUIRES(machine_frames().lock());
  [[nodiscard]] std::size_t take_locked(std::span<slot> slots, std::size_t i, page_order order)
      SVM_REQUIRES(machine_frames().lock());
  template <class Source>
  [[nodiscard]] bool is_whole_locked(std::span<slot> slots, std::size_t i, page_order order, Source&& source)
      SVM_REQUIRES(machine_frames().lock());
  [[nodiscard]] bool is_in_use_locked(std::span<slot const> block) SVM_REQUIRES(machine_frames().lock());
  [[nodiscard]] mapped_run next_run_locked(std::span<slot> slots, std::size_t i) SVM_REQUIRES(machine_frames().lock());
  void settle(std::span<slot> slots);
  void let_go_locked(std::span<slot> block, slot_state why, freed_list& freed) SVM_REQUIRES(machine_frames().lock());
  [[nodiscard]] errc populate_block(cpu_va a, page_order order);
  void split_for_targets(migration& session);
  void install_holes(migration& session, std::size_t first, std::size_t end, slot_targets to);
  void restore_locked(slot const& s, page to, freed_list& freed) SVM_REQUIRES(machine_frames().lock());
};

}  // namespace svm::inline v0::port

#include <svm/port/impl/collect.hpp>
#include <svm/port/impl/fault.hpp>
#include <svm/port/impl/install.hpp>
