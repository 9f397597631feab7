// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/page_run.hpp>
#include <svm/concepts/run_sink.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

enum class access_kind : std::uint8_t {
  read,
  write,
  atomic,  ///< a write that needs device memory, exclusively for a while; an mm sees it as `write`
};

/// A VMA as the library sees it.
struct vma_info {
  va_range extent;
  bool readable;
  bool writable;
  bool migratable;  ///< anonymous and not made of reserved huge pages
};

/// What became of one page of a migration.
enum class slot_state : std::uint8_t {
  untouched,  ///< not collected: nothing was there to look at, or the handle is of a page freed since
  collected,  ///< locked, referenced and out of every page table
  hole,       ///< collected; nothing is there, or the zero page: there are no bytes to copy
  resident,   ///< refused: in device memory, where system memory was asked for (or the reverse)
  locked,     ///< refused: somebody else has the page locked
  pinned,     ///< refused: somebody else holds a reference
  elsewhere,  ///< refused: not mapped inside the span that was asked for
  shared,     ///< refused: mapped by other address spaces too
  swapped,    ///< refused: it is on a swap device
  raced,      ///< it was collected, and `install` could not move it
};

/// One base page of a migration: `collect` fills all but the destination, the library the destination.
///
/// A folio that is collected as one block stands in neighbouring slots: the first has its order, the others `follow`.
/// A large hole does so too. A destination of the same order at the first slot, and none at the others, moves the block
/// whole. Otherwise the block is split when a slot of it has a destination, and each slot with one moves.
template <class Page>
struct migration_slot {
  Page source{};       ///< the base page
  Page destination{};  ///< the first page of a block
  slot_state state = slot_state::untouched;
  bool follows = false;                             ///< the block began at an earlier slot
  page_order order{};                               ///< of the block of sources that begins here
  page_order destination_order{};                   ///< of the block at `destination`
  device_page_owner<Page>* owner_object = nullptr;  ///< of a source in device memory that is collected

  [[nodiscard]] bool is_collected() const { return state == slot_state::collected || state == slot_state::hole; }
  /// True when others held the page, so that it may move once they let go.
  [[nodiscard]] bool is_in_use() const { return state == slot_state::locked || state == slot_state::pinned; }
};

/// What `fault_in` is to make present.
template <class Registration>
struct walk_request {
  va_range span;
  access_kind want;
  page_owner owner;            ///< device pages of those whom it reaches stay where they are, others come back
  Registration& registration;  ///< of a notifier that covers the span
  std::uint64_t sequence;      ///< from `read_begin`; when it is out of date the walk may stop with errc::busy
};

/// One CPU address space.
///
/// A model also promises (svm/conformance/mm.hpp checks it):
///  1. `get_user()` is false once the address space has exited; while a user reference is held it does not exit. The
///     last `put_user()` may run the exit, so it comes with no lock of the library held. Everything below that looks at
///     VMAs or page tables is called only with a user reference held. `collect_pages`, `install`, `finalize`,
///     `allocate_page`, `adopt_device_page` and `discard_page` are about pages of the machine, whichever address spaces
///     map them, and need none. `id()` is the same from the beginning to the end, and no other address space has it;
///  2. `find_vma` and `find_first_vma` see one consistent state while the map lock is held shared;
///  3. `fault_in` makes every page of the span present and readable, and writable for `want == write`, or fails with
///     no_vma, no_access, read_only, busy, in_use (others keep a page locked or pinned) or no_ram; device pages that the request's owner reaches stay where they are, unless a
///     write needs a copy of its own (after a fork), others come back. busy for an event that it caused itself comes
///     only after every page was made present, so that the next walk finds them so. Then it adds what is there to the
///     sink, ascending, and stops with ok when that wants no more: it may be called again for the rest, with the map
///     lock dropped between. `snapshot` adds what is present likewise, and faults nothing in;
///  4. a registered target is called for every event that meets its span, before any page of the event is freed or
///     reused, and not any more once `unregister_notifier` has returned. An unmap's event comes after the VMA is gone
///     and before the addresses serve another one;
///  5. `read_begin` returns while no event is open over the notifier, with the value that was last stored by
///     `set_sequence`; `read_retry` tells whether an event came since. While a notifier's lock is held with
///     `read_retry` false, no page that a walk reported since then is freed;
///  6. `collect` takes each page of the span that is in system memory, in device memory that `reach` reaches, or a hole, out of
///     every page table after an event with cause migrate; `collect_pages` does so for the device pages named in the
///     slots that the address space `within->space` maps inside `within->span` (that any maps, when null), whichever
///     address space of the machine it is called on. `faulting` is the page of a CPU fault under way, on whose block
///     the mm holds one more reference; without a fault it is a default page, which no live page equals. A page that is
///     locked or pinned by others is refused, with the reason. Both look at physical memory first, so `collect_pages`
///     neither needs nor takes the map lock;
///  7. `install` moves the mappings of every collected slot that has a destination; `finalize` (which the destructor of
///     the migration calls too) points the page tables at the destination where that happened and at the source where
///     not, and unlocks and puts every other page of the slots, so that nothing stays locked. The page tables take over
///     the reference with which a destination came: nobody puts a destination that got a mapping;
///  8. `allocate_page` returns a locked block of 2^order contiguous system pages with one reference; `adopt_device_page`
///     makes a block of device memory so, with `owner` behind it until its last put; where it is `coherent` the CPU
///     reaches it without a fault. `discard_page` unlocks and puts such a block that no slot got;
///  9. handles of pages are plain values: copying one takes no reference, and one of a freed page is recognised.
///     `page_at(first, n)` is the handle of the n-th page of contiguous memory that begins with `first`; where there is no
///     such page, it is the handle of no page that is alive.
///
/// Which locks the library, or a driver through it, may hold around each (lock_rank.hpp); each may take later ones:
///  * put_user, unregister_notifier: none; get_user: one of rank range. id: any;
///  * register_notifier, read_begin: those of the ranks vm and range;
///  * find_vma, find_first_vma, snapshot, fault_in, collect: the same, and the map lock shared, which is always held;
///  * read_retry: those of find_vma but the map lock, and the notifier's. set_sequence: the notifier's, exclusive, and
///    whatever the mm holds around an event;
///  * collect_pages: those of the ranks range and eviction; during a CPU fault the map lock too;
///  * allocate_page, adopt_device_page, discard_page, install, finalize: those of the session's `collect` or
///    `collect_pages`, and what that took.
// clang-format off
template <class M>
concept mm = std::regular<typename M::page> && std::default_initializable<typename M::registration> &&
    std::default_initializable<typename M::migration> && std::same_as<decltype(M::page_size), byte_count const> &&
    std::bool_constant<M::page_size.is_power_of_two()>::value &&
    requires(M& m, cpu_va a, va_range span, typename M::registration& registration, invalidation_target& target,
             std::uint64_t sequence, typename M::migration& session, page_scope const* within, M const& seen,
             walk_request<typename M::registration> const& request, typename M::page page,
             run_sink<typename M::page>& sink, std::uint64_t n, std::span<migration_slot<typename M::page>> slots,
             device_page_owner<typename M::page>& owner, page_owner reach, page_order order, bool coherent) {
  { M::page_at(page, n) } noexcept -> std::same_as<typename M::page>;
  { m.get_user() } noexcept -> std::same_as<bool>;
  { m.put_user() } noexcept -> std::same_as<void>;
  { seen.id() } noexcept -> std::same_as<space_id>;
  requires std::is_lvalue_reference_v<decltype(m.map_lock())>;
  m.map_lock().lock_shared();
  m.map_lock().unlock_shared();
  { m.find_vma(a) } noexcept -> std::same_as<result<vma_info>>;
  { m.find_first_vma(span) } noexcept -> std::same_as<result<vma_info>>;
  { m.fault_in(request, sink) } noexcept -> std::same_as<errc>;
  { m.snapshot(span, sink) } noexcept -> std::same_as<void>;
  { m.register_notifier(registration, span, target) } noexcept -> std::same_as<errc>;
  { m.unregister_notifier(registration) } noexcept -> std::same_as<void>;
  { m.read_begin(registration) } noexcept -> std::same_as<std::uint64_t>;
  { m.read_retry(registration, sequence) } noexcept -> std::same_as<bool>;
  { m.set_sequence(registration, sequence) } noexcept -> std::same_as<void>;
  { m.collect(session, span, slots, reach) } noexcept -> std::same_as<errc>;
  { m.collect_pages(session, slots, within, page) } noexcept -> std::same_as<void>;
  { m.install(session) } noexcept -> std::same_as<void>;
  { m.finalize(session) } noexcept -> std::same_as<void>;
  { m.allocate_page(order) } noexcept -> std::same_as<result<typename M::page>>;
  { m.adopt_device_page(page, order, owner, coherent) } noexcept -> std::same_as<void>;
  { m.discard_page(page) } noexcept -> std::same_as<void>;
};

/// Explains what a type lacks to be an mm.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_mm() {
  if constexpr (!requires { typename M::page; })
    static_assert(How == on_missing::answer, "svm: mm needs a type `page`, the handle of a page");
  else if constexpr (!std::semiregular<typename M::page>)
    static_assert(How == on_missing::answer,
                  "svm: mm needs a `page` that is made without arguments, copied and assigned");
  else if constexpr (!std::equality_comparable<typename M::page>)
    static_assert(How == on_missing::answer, "svm: mm needs `==` for two of its `page`");
  else if constexpr (!requires { typename M::registration; })
    static_assert(How == on_missing::answer, "svm: mm needs a type `registration`, of a notifier");
  else if constexpr (!std::default_initializable<typename M::registration>)
    static_assert(How == on_missing::answer, "svm: mm needs a `registration` that is made without arguments");
  else if constexpr (!requires { typename M::migration; })
    static_assert(How == on_missing::answer, "svm: mm needs a type `migration`, the state of one");
  else if constexpr (!std::default_initializable<typename M::migration>)
    static_assert(How == on_missing::answer, "svm: mm needs a `migration` that is made without arguments");
  else if constexpr (!requires { requires std::same_as<decltype(M::page_size), byte_count const>; })
    static_assert(How == on_missing::answer, "svm: mm needs `static constexpr byte_count page_size`");
  else if constexpr (!requires { typename std::bool_constant<M::page_size.is_power_of_two()>; })
    static_assert(How == on_missing::answer, "svm: mm needs a `page_size` that is constexpr");
  else if constexpr (!std::bool_constant<M::page_size.is_power_of_two()>::value)
    static_assert(How == on_missing::answer, "svm: mm needs a `page_size` that is a power of two");
  else if constexpr (!requires(typename M::page page, std::uint64_t n) {
    { M::page_at(page, n) } noexcept -> std::same_as<typename M::page>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `static page page_at(page, std::uint64_t) noexcept`");
  else if constexpr (!requires(M& m) { { m.get_user() } noexcept -> std::same_as<bool>; })
    static_assert(How == on_missing::answer, "svm: mm needs `bool get_user() noexcept`");
  else if constexpr (!requires(M& m) { { m.put_user() } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: mm needs `void put_user() noexcept`");
  else if constexpr (!requires(M const& m) { { m.id() } noexcept -> std::same_as<space_id>; })
    static_assert(How == on_missing::answer, "svm: mm needs `space_id id() const noexcept`");
  else if constexpr (!requires(M& m) { requires std::is_lvalue_reference_v<decltype(m.map_lock())>; })
    static_assert(How == on_missing::answer, "svm: mm needs `map_lock()`, which returns a reference");
  else if constexpr (!requires(M& m) { m.map_lock().lock_shared(); })
    static_assert(How == on_missing::answer, "svm: mm needs `lock_shared()` in what `map_lock()` returns");
  else if constexpr (!requires(M& m) { m.map_lock().unlock_shared(); })
    static_assert(How == on_missing::answer, "svm: mm needs `unlock_shared()` in what `map_lock()` returns");
  else if constexpr (!requires(M& m, cpu_va a) { { m.find_vma(a) } noexcept -> std::same_as<result<vma_info>>; })
    static_assert(How == on_missing::answer, "svm: mm needs `result<vma_info> find_vma(cpu_va) noexcept`");
  else if constexpr (!requires(M& m, va_range span) {
    { m.find_first_vma(span) } noexcept -> std::same_as<result<vma_info>>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `result<vma_info> find_first_vma(va_range) noexcept`");
  else if constexpr (!requires(M& m, walk_request<typename M::registration> const& request,
                               run_sink<typename M::page>& sink) {
    { m.fault_in(request, sink) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `errc fault_in(walk_request<registration> const&, run_sink<page>&) noexcept`");
  else if constexpr (!requires(M& m, va_range span, run_sink<typename M::page>& sink) {
    { m.snapshot(span, sink) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `void snapshot(va_range, run_sink<page>&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration, va_range span,
                               invalidation_target& target) {
    { m.register_notifier(registration, span, target) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `errc register_notifier(registration&, va_range, invalidation_target&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration) {
    { m.unregister_notifier(registration) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `void unregister_notifier(registration&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration) {
    { m.read_begin(registration) } noexcept -> std::same_as<std::uint64_t>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `std::uint64_t read_begin(registration&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration, std::uint64_t sequence) {
    { m.read_retry(registration, sequence) } noexcept -> std::same_as<bool>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `bool read_retry(registration&, std::uint64_t) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration, std::uint64_t sequence) {
    { m.set_sequence(registration, sequence) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `void set_sequence(registration&, std::uint64_t) noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session, va_range span,
                               std::span<migration_slot<typename M::page>> slots, page_owner reach) {
    { m.collect(session, span, slots, reach) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `errc collect(migration&, va_range, std::span<migration_slot<page>>, page_owner) "
                  "noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session, std::span<migration_slot<typename M::page>> slots,
                               page_scope const* within, typename M::page page) {
    { m.collect_pages(session, slots, within, page) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `void collect_pages(migration&, std::span<migration_slot<page>>, page_scope const*, "
                  "page) noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session) {
    { m.install(session) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `void install(migration&) noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session) {
    { m.finalize(session) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `void finalize(migration&) noexcept`");
  else if constexpr (!requires(M& m, page_order order) {
    { m.allocate_page(order) } noexcept -> std::same_as<result<typename M::page>>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `result<page> allocate_page(page_order) noexcept`");
  else if constexpr (!requires(M& m, typename M::page page, page_order order,
                               device_page_owner<typename M::page>& owner, bool coherent) {
    { m.adopt_device_page(page, order, owner, coherent) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: mm needs `void adopt_device_page(page, page_order, device_page_owner<page>&, bool) noexcept`");
  else if constexpr (!requires(M& m, typename M::page page) {
    { m.discard_page(page) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: mm needs `void discard_page(page) noexcept`");
  else
    return true;
  return false;
}
// clang-format on

/// A user reference on an address space, or the knowledge that it has exited.
///
/// Declare it before any lock guard: dropping the last one may run the exit.
template <class Mm>
class [[nodiscard]] mm_user {
 public:
  explicit mm_user(Mm& mm) : mm_(mm), alive_(mm.get_user()) {}
  mm_user(mm_user const&) = delete;
  mm_user& operator=(mm_user const&) = delete;
  ~mm_user() {
    if (alive_) mm_.put_user();
  }
  [[nodiscard]] bool alive() const { return alive_; }

 private:
  Mm& mm_;
  bool alive_;
};

}  // namespace svm::inline v0
