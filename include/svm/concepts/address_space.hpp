// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/page_run.hpp>
#include <svm/concepts/run_sink.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// What an access does with memory.
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

/// What `fault_in` is to make present.
template <class Registration>
struct walk_request {
  va_range span;
  access_kind want;
  page_owner owner;            ///< device pages of those whom it reaches stay where they are, others come back
  Registration& registration;  ///< of a notifier that covers the span
  std::uint64_t sequence;      ///< from `read_begin`; when it is out of date the walk may stop with errc::busy
};

/// One CPU address space: its users, its VMAs and its page table.
///
/// `fault_in` and `snapshot` are its page walks. The library calls what looks at VMAs or page tables with a user
/// reference held. The last `put_user()` may run the exit.
///
/// A model also promises (svm/conformance/address_space.hpp checks it):
///  1. `get_user()` is false once the address space has exited, and it gives no reference then;
///  2. an address space exits with the last user reference, and not before;
///  3. `id()` is the same from the beginning to the end, after the exit too;
///  4. no other address space of the machine has this `id()`, and it is not the default;
///  5. `find_vma(a)` describes the VMA around `a`, or fails with no_vma where there is none;
///  6. `find_first_vma(span)` describes the lowest VMA that meets the span, or fails with no_vma where there is none;
///  7. no VMA changes while the map lock is held shared, so that all lookups see one state;
///  8. when `fault_in` succeeds, it has made every page of the span present and readable;
///  9. for a write, it has made every page writable too;
/// 10. when it cannot make a page present, it fails with the reason: no_vma, no_access, read_only, busy, in_use (others
///     keep a page locked or pinned) or no_ram;
/// 11. it leaves device pages in place that the request's owner reaches, unless a write needs a copy (after a fork);
/// 12. it brings all other device pages back to system memory;
/// 13. it fails with busy for an event of its own only after it made every page present, so that the next walk succeeds;
/// 14. `snapshot` makes no page present;
/// 15. a page walk adds every page of the span that is present to the sink, in ascending order;
/// 16. what a page walk says of a page is true: the page, its place, its owner and its owner object;
/// 17. page `n` of a run is `page_at(run.page, n)`;
/// 18. a page walk stops at once when the sink wants no more, and succeeds;
/// 19. a page walk that stopped can be called again for the rest of its span, and reports the rest as one walk would.
///     The map lock may be dropped between;
/// 20. `page_at(first, n)` is the handle of the n-th page of the contiguous memory that begins with `first`. Where there
///     is no such page, it is the handle of no page that is alive;
/// 21. each function works with the locks held that are listed below, and needs no other.
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * put_user: none; get_user: one of rank range; id, page_at: any;
///  * map_lock, taken shared: those of the ranks vm and range;
///  * find_vma, find_first_vma, snapshot, fault_in: those of the ranks vm and range, and the map lock shared, which is
///    always held.
// clang-format off
template <class M>
concept address_space = std::regular<typename M::page> && std::same_as<decltype(M::page_size), byte_count const> &&
    std::bool_constant<M::page_size.is_power_of_two()>::value &&
    requires(M& m, M const& seen, cpu_va a, va_range span, walk_request<typename M::registration> const& request,
             run_sink<typename M::page>& sink, typename M::page page, std::uint64_t n) {
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
};

/// Explains what a type lacks to be an address space.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_address_space() {
  if constexpr (!requires { typename M::page; })
    static_assert(How == on_missing::answer, "svm: address_space needs a type `page`, the handle of a page");
  else if constexpr (!std::semiregular<typename M::page>)
    static_assert(How == on_missing::answer,
                  "svm: address_space needs a `page` that is made without arguments, copied and assigned");
  else if constexpr (!std::equality_comparable<typename M::page>)
    static_assert(How == on_missing::answer, "svm: address_space needs `==` for two of its `page`");
  else if constexpr (!requires { typename M::registration; })
    static_assert(How == on_missing::answer, "svm: address_space needs a type `registration`, of a notifier");
  else if constexpr (!requires { requires std::same_as<decltype(M::page_size), byte_count const>; })
    static_assert(How == on_missing::answer, "svm: address_space needs `static constexpr byte_count page_size`");
  else if constexpr (!requires { typename std::bool_constant<M::page_size.is_power_of_two()>; })
    static_assert(How == on_missing::answer, "svm: address_space needs a `page_size` that is constexpr");
  else if constexpr (!std::bool_constant<M::page_size.is_power_of_two()>::value)
    static_assert(How == on_missing::answer, "svm: address_space needs a `page_size` that is a power of two");
  else if constexpr (!requires(typename M::page page, std::uint64_t n) {
    { M::page_at(page, n) } noexcept -> std::same_as<typename M::page>;
  })
    static_assert(How == on_missing::answer,
                  "svm: address_space needs `static page page_at(page, std::uint64_t) noexcept`");
  else if constexpr (!requires(M& m) { { m.get_user() } noexcept -> std::same_as<bool>; })
    static_assert(How == on_missing::answer, "svm: address_space needs `bool get_user() noexcept`");
  else if constexpr (!requires(M& m) { { m.put_user() } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: address_space needs `void put_user() noexcept`");
  else if constexpr (!requires(M const& m) { { m.id() } noexcept -> std::same_as<space_id>; })
    static_assert(How == on_missing::answer, "svm: address_space needs `space_id id() const noexcept`");
  else if constexpr (!requires(M& m) { requires std::is_lvalue_reference_v<decltype(m.map_lock())>; })
    static_assert(How == on_missing::answer, "svm: address_space needs `map_lock()`, which returns a reference");
  else if constexpr (!requires(M& m) { m.map_lock().lock_shared(); })
    static_assert(How == on_missing::answer, "svm: address_space needs `lock_shared()` in what `map_lock()` returns");
  else if constexpr (!requires(M& m) { m.map_lock().unlock_shared(); })
    static_assert(How == on_missing::answer, "svm: address_space needs `unlock_shared()` in what `map_lock()` returns");
  else if constexpr (!requires(M& m, cpu_va a) { { m.find_vma(a) } noexcept -> std::same_as<result<vma_info>>; })
    static_assert(How == on_missing::answer, "svm: address_space needs `result<vma_info> find_vma(cpu_va) noexcept`");
  else if constexpr (!requires(M& m, va_range span) {
    { m.find_first_vma(span) } noexcept -> std::same_as<result<vma_info>>;
  })
    static_assert(How == on_missing::answer, "svm: address_space needs `result<vma_info> find_first_vma(va_range) noexcept`");
  else if constexpr (!requires(M& m, walk_request<typename M::registration> const& request,
                               run_sink<typename M::page>& sink) {
    { m.fault_in(request, sink) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: address_space needs `errc fault_in(walk_request<registration> const&, run_sink<page>&) noexcept`");
  else if constexpr (!requires(M& m, va_range span, run_sink<typename M::page>& sink) {
    { m.snapshot(span, sink) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: address_space needs `void snapshot(va_range, run_sink<page>&) noexcept`");
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
