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
/// A model also promises (svm/conformance/ checks it; the numbers go on in interval_notifier.hpp and page_migration.hpp):
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
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * put_user: none; get_user: one of rank range. id: any;
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
