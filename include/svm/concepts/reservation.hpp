// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>

#include <concepts>

namespace svm::inline v0 {

/// What a fence on a reservation is for; whoever waits for one kind waits for those above it too.
enum class fence_usage : unsigned char {
  kernel,       ///< moves of the memory itself: everyone waits
  write,        ///< writes by a user
  read,         ///< reads by a user
  bookkeeping,  ///< nobody waits but who frees the memory
};

/// The end of some device work.
///
/// A model also promises:
///  1. once `is_signaled()` is true it stays so;
///  2. a fence that a reservation was given lives until that reservation is done with it.
template <class F>
concept reservation_fence = requires(F const& f) {
  { f.is_signaled() } -> std::same_as<bool>;
};

/// A lock on an object's memory and the list of fences that go with it, of which one thread may hold many.
///
/// A `ticket` stands for one attempt to lock several; the tickets are ordered by age.
/// A model also promises:
///  1. `lock(t)` returns `ok` once `t` holds it; at once `exists` when `t` holds it already, and `would_block` when an
///     older ticket holds it. For a younger one, or an owner without a ticket, it waits;
///  2. `lock_slow(t)` waits for any owner. It is called only while `t` holds nothing else;
///  3. so a set of threads that all let go of everything on `would_block` never deadlocks, and the oldest gets through;
///  4. `reserve_fences(n)` makes sure that the next `n` calls of `add_fence` need no memory, or returns `no_memory`;
///  5. `reserve_fences`, `add_fence`, `assert_held` are called by the owner, and `unlock(t)` by the ticket that holds
///     it.
template <class R>
concept reservation = requires(R& r, typename R::ticket& t, typename R::fence& f, unsigned n) {
  requires reservation_fence<typename R::fence>;
  { r.lock(t) } -> std::same_as<errc>;
  { r.lock_slow(t) } -> std::same_as<errc>;
  r.unlock(t);
  { r.reserve_fences(n) } -> std::same_as<errc>;
  r.add_fence(f, fence_usage::read);
  r.assert_held();
};

}  // namespace svm::inline v0
