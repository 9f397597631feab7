// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <svm/base/augmented_tree.hpp>
#include <svm/base/construct.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/allocator.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0::port {

/// A handle of a page in a `frame_table`. A table uses no number twice, so the handle of a freed page is recognised.
struct frame_number {
  std::uint64_t value = 0;  ///< 0: no page
  friend constexpr bool operator==(frame_number, frame_number) = default;
};

/// An entry of a page table: where an address space maps a page. The port keeps it, and nothing else points to it but the
/// frame that it maps.
template <class Space>
struct page_mapping : list_hook<page_mapping<Space>> {
  page_mapping(Space& owner, cpu_va where) : space(&owner), at(where) {}
  Space* space;
  cpu_va at;
  frame_number target{};
  bool migrating = false;  ///< a migration took it out: it may not be used until the migration is finalized
};

/// The pages of a machine, for ports that have none of their own: references, locks, what stands behind device pages,
/// and where address spaces map them.
///
/// Frames form blocks of 2^order (folios). A block has one lock, and one count of references: one of each mapping of a
/// page of it, and one of each thread that works on it. What `page_migration` needs is marked with an M.
///
/// Memory of the system ends with its last reference. Memory of a device ends with `remove`; the last reference on a
/// block of it is told to its owner object.
///
/// Locks: `lock()` (leaf_page_table) guards everything but the content. A caller holds it around functions called
/// ..._locked, and around the questions about a page; the other functions take it.
/// Invariants: 1. a page of a block knows the first one, and the first one its order, lock and references. 2. a mapping
/// stands in the list of its target.
/// \tparam Space    whose page tables map the pages; has `space_id id() const noexcept`
/// \tparam Content  what a page holds, made without arguments
template <class Space, class Content, lock Lock, allocator Allocator, std::size_t PageBytes = 4096>
class frame_table {
  struct frame;
  struct group;

 public:
  using page = frame_number;
  using mapping = page_mapping<Space>;
  using lock_type = typename Lock::template mutex<lock_rank::leaf_page_table>;
  static constexpr byte_count page_size{PageBytes};

  /// What ended while the lock was held, for `tell` (M).
  class freed_list {
    friend class frame_table;
    frame* blocks = nullptr;  ///< of device memory
    group* groups = nullptr;
  };

  explicit frame_table(Allocator& memory) : memory_(memory) {}
  frame_table(frame_table const&) = delete;
  frame_table& operator=(frame_table const&) = delete;
  /// What is left ends with the table, and no owner object is told.
  ///
  /// \pre no mapping of a page is left
  ~frame_table() {
    freed_list all;
    {
      exclusive_guard const guard{lock_};
      while (group* const g = groups_.first()) drop_locked(*g, all);
    }
    tell(all);
  }

  [[nodiscard]] lock_type& lock() SVM_RETURN_CAPABILITY(lock_) { return lock_; }  // M
  /// Told when blocks were unlocked, moved or brought back; waited for under `lock()` (M).
  [[nodiscard]] typename Lock::event& changed() { return changed_; }

  /// Pages with consecutive numbers, aligned as the largest block that fits into them. None has a reference.
  ///
  /// \pre    no lock of rank notifier or later is held
  /// \errors no_memory
  /// \allocs the group of the pages
  [[nodiscard]] result<page> add(page_count count, bool is_device);
  /// Ends pages that one `add` made for a device.
  ///
  /// \pre none of them has a reference
  void remove(page first) {
    freed_list freed;
    {
      exclusive_guard const guard{lock_};
      group* const g = find_locked(first);
      SVM_ASSERT(g != nullptr && g->first == first.value);
      drop_locked(*g, freed);
    }
    tell(freed);
  }
  /// A block of system memory with one reference, not locked (M).
  ///
  /// \errors no_ram
  /// \allocs as `add`
  [[nodiscard]] result<page> allocate_ram(page_order order = {}) {
    result<page> const first = add(order.pages(), false);
    if (!first) return errc::no_ram;
    exclusive_guard const guard{lock_};
    find_locked(*first)->live = order.pages().value;
    join_locked(*first, order);
    return first;
  }
  /// Makes pages of device memory a block: locked, with one reference, and `owner` behind it (M).
  ///
  /// \pre they are aligned as the block, lie in one group, and have no reference
  void adopt_locked(page first, page_order order, device_page_owner<page>& owner, bool coherent) SVM_REQUIRES(lock_) {
    join_locked(first, order);
    head(first).locked = true;
    for (std::uint64_t i = 0; i < order.pages().value; ++i) {
      of(after(first, i)).owner_object = &owner;
      of(after(first, i)).coherent = coherent;
    }
  }
  /// Drops a reference on the block of a page (M).
  void put(page p) {
    freed_list freed;
    {
      exclusive_guard const guard{lock_};
      put_locked(p, freed);
    }
    tell(freed);
  }
  /// Ends what is in the list; told without a lock (M).
  void tell(freed_list& freed);

  /// The page `n` places behind `first` (M).
  [[nodiscard]] static constexpr page after(page first, std::uint64_t n) { return {first.value + n}; }
  /// The order of the largest aligned block that begins with `p` and has at most `most` pages.
  [[nodiscard]] static page_order block_at(page p, page_count most) {
    int const aligned = std::countr_zero(p.value);
    int const fits = static_cast<int>(std::bit_width(most.value)) - 1;
    return {static_cast<std::uint8_t>(aligned < fits ? aligned : fits)};
  }
  /// What a live page holds.
  [[nodiscard]] Content& content(page p) {
    exclusive_guard const guard{lock_};
    return of(p).content;
  }
  /// Gives the pages of a block what those of another one hold.
  void copy(page to, page from, page_count count) {
    for (std::uint64_t i = 0; i < count.value; ++i) content(after(to, i)) = content(after(from, i));
  }

  // With the lock held: about pages that are alive, but for the first.

  [[nodiscard]] bool is_alive(page p) {  // M
    lock_.assert_held();
    group* const g = find_locked(p);
    return g != nullptr && of(g->at(p).first).references != 0;
  }
  [[nodiscard]] bool is_device(page p) {  // M
    lock_.assert_held();
    return find_locked(p)->is_device;
  }
  [[nodiscard]] bool is_coherent(page p) { return of(p).coherent; }
  [[nodiscard]] bool is_locked(page p) SVM_REQUIRES(lock_) { return head(p).locked; }            // M
  [[nodiscard]] page first_of(page p) { return of(p).first; }                                    // M
  [[nodiscard]] page_order order_of(page p) { return head(p).order; }                            // M: of its block
  [[nodiscard]] device_page_owner<page>* owner_object_of(page p) { return of(p).owner_object; }  // M
  [[nodiscard]] page_owner owner_of(page p) {                                                    // M
    return of(p).owner_object == nullptr ? nobody : of(p).owner_object->owner();
  }
  /// How often the page is mapped (M).
  [[nodiscard]] std::size_t mappings_locked(page p) SVM_REQUIRES(lock_) { return of(p).mappings.count_slow(); }
  /// True when a page of its block is mapped (M).
  [[nodiscard]] bool is_mapped_locked(page p) SVM_REQUIRES(lock_) { return head(p).mapped != 0; }
  /// How many references of its block are no mapping's (M).
  [[nodiscard]] std::uint32_t others_locked(page p) SVM_REQUIRES(lock_) {
    frame const& block = head(p);
    return block.references - block.mapped;
  }
  /// True when one of these is a CPU fault's (M).
  [[nodiscard]] bool is_faulting_locked(page p) SVM_REQUIRES(lock_) { return head(p).faulting != page{}; }
  /// True when `test(mapping const&)` holds for a mapping of the page (M).
  template <class Test>
  [[nodiscard]] bool any_mapping_locked(page p, Test&& test) SVM_REQUIRES(lock_) {
    intrusive_list<mapping> const& all = of(p).mappings;
    for (mapping* m = all.front(); m != nullptr; m = all.next(*m))
      if (test(std::as_const(*m))) return true;
    return false;
  }

  void set_locked(page p, bool locked) SVM_REQUIRES(lock_) { head(p).locked = locked; }  // M
  void get_locked(page p) SVM_REQUIRES(lock_) { ++head(p).references; }
  void put_locked(page p, freed_list& freed) SVM_REQUIRES(lock_) {
    if (--head(p).references == 0) end_block_locked(of(p).first, freed);
  }
  /// Locks a block for a migration, which takes a reference; then gives both up (M).
  void hold_locked(page p) SVM_REQUIRES(lock_) {
    set_locked(p, true);
    get_locked(p);
  }
  void release_locked(page p, freed_list& freed) SVM_REQUIRES(lock_) {
    set_locked(p, false);
    put_locked(p, freed);
    trim_locked(p, freed);
  }
  /// Begins a CPU fault on a page, which takes a reference, so that what stands behind the page stays while it is asked.
  /// False when another thread works on the block.
  [[nodiscard]] bool begin_fault_locked(page p) SVM_REQUIRES(lock_) {
    if (is_locked(p) || is_faulting_locked(p)) return false;
    get_locked(p);
    head(p).faulting = p;
    return true;
  }
  void end_fault(page p);

  /// A mapping that maps nothing maps a page, with a reference of its own.
  void map_locked(mapping& m, page p) SVM_REQUIRES(lock_) {
    m.target = p;
    of(p).mappings.push_back(m);
    ++head(p).mapped;
    get_locked(p);
  }
  /// A mapping maps its page no longer.
  void unmap_locked(mapping& m, freed_list& freed) SVM_REQUIRES(lock_) {
    page const p = std::exchange(m.target, {});
    of(p).mappings.erase(m);
    --head(p).mapped;
    put_locked(p, freed);
    trim_locked(p, freed);
  }
  /// The page table of a mapping ends with the machine: no owner object is told.
  void abandon_locked(mapping& m) SVM_REQUIRES(lock_) { of(m.target).mappings.erase(m); }
  /// Calls `restores(mapping const&)` for each mapping of a page; those for which it is true map `to` from now on (M).
  template <class Restores>
  void move_mappings_locked(page from, page to, Restores&& restores, freed_list& freed) SVM_REQUIRES(lock_) {
    intrusive_list<mapping> const& all = of(from).mappings;
    mapping* following = nullptr;
    for (mapping* m = all.front(); m != nullptr; m = following) {
      following = all.next(*m);
      if (!restores(std::as_const(*m)) || from == to) continue;
      unmap_locked(*m, freed);
      map_locked(*m, to);
    }
  }
  /// Makes a block single pages. Each has the references of its own mappings, that of the CPU fault on it, and one of
  /// each holder, since `holders` mean every page. False, and nothing happened, when others hold the block (M).
  [[nodiscard]] bool split_locked(page p, std::uint32_t holders, freed_list& freed) SVM_REQUIRES(lock_);
  /// Splits a block of which some pages are mapped nowhere, so that these end; not while a thread works on the block.
  void trim_locked(page p, freed_list& freed) SVM_REQUIRES(lock_);

 private:
  struct frame {
    page first{};  ///< of its block
    bool coherent = false;
    device_page_owner<page>* owner_object = nullptr;
    intrusive_list<mapping> mappings;
    Content content{};

    // Of a first page.
    page_order order{};
    bool locked = false;
    page faulting{};               ///< of which a CPU fault holds a reference on the block
    std::uint32_t references = 0;  ///< 0: it has ended, or was never used
    std::uint32_t mapped = 0;      ///< mappings of pages of the block, among the references
    frame* next_ended = nullptr;
  };
  /// The pages that one `add` made.
  struct group : tree_hook<group> {
    group(page first_page, std::uint64_t pages, bool device, frame* place)
        : first(first_page.value), count(pages), is_device(device), frames(place) {}
    [[nodiscard]] std::uint64_t key() const { return first; }
    [[nodiscard]] std::uint64_t weight() const { return first + count - 1; }
    [[nodiscard]] frame& at(page p) const { return frames[p.value - first]; }

    std::uint64_t first;
    std::uint64_t count;
    std::uint64_t live = 0;  ///< pages of the system that have not ended
    bool is_device;
    frame* frames;
    group* next_ended = nullptr;
  };

  [[nodiscard]] group* find_locked(page p) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    group* const g = groups_.first_reaching(p.value);
    return g == nullptr || g->first > p.value ? nullptr : g;
  }
  [[nodiscard]] frame& of(page p) {
    lock_.assert_held();
    group* const g = find_locked(p);
    SVM_ASSERT(g != nullptr);
    return g->at(p);
  }
  [[nodiscard]] frame& head(page p) { return of(of(p).first); }
  void join_locked(page first, page_order order) SVM_REQUIRES(lock_);
  void end_block_locked(page first, freed_list& freed) SVM_REQUIRES(lock_);
  void drop_locked(group& g, freed_list& freed) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    groups_.erase(g);
    g.next_ended = std::exchange(freed.groups, &g);
  }
  void destroy_frames(frame* frames, std::uint64_t count);

  Allocator& memory_;
  lock_type lock_;
  typename Lock::event changed_;
  augmented_tree<group> groups_ SVM_GUARDED_BY(lock_);  // by number
  std::uint64_t next_ SVM_GUARDED_BY(lock_) = 1;
};

}  // namespace svm::inline v0::port

#include <svm/port/impl/frame_table.hpp>
