// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <svm/base/lock_rank.hpp>
#include <svm/base/retire_list.hpp>
#include <svm/concepts/on_missing.hpp>

namespace svm::inline v0 {

/// A mutual-exclusion lock of one rank.
template <class M>
concept mutex_like = std::default_initializable<M> && requires(M& m) {
  m.lock();
  m.unlock();
  { m.try_lock() } -> std::same_as<bool>;
  m.assert_held();
};

/// A reader-writer lock of one rank; readers do not nest.
template <class M>
concept shared_mutex_like = mutex_like<M> && requires(M& m) {
  m.lock_shared();
  m.unlock_shared();
  { m.try_lock_shared() } -> std::same_as<bool>;
  m.assert_held_shared();
};

/// An atomic word.
template <class A, class T>
concept atomic_like = std::constructible_from<A, T> && requires(A& a, A const& constant, T v, T& expected) {
  { constant.load() } -> std::same_as<T>;
  a.store(v);
  { a.exchange(v) } -> std::same_as<T>;
  { a.fetch_add(v) } -> std::same_as<T>;
  { a.fetch_sub(v) } -> std::same_as<T>;
  { a.fetch_or(v) } -> std::same_as<T>;
  { a.fetch_and(v) } -> std::same_as<T>;
  { a.compare_exchange(expected, v) } -> std::same_as<bool>;
};

/// Read sections without a lock, and the objects that wait until no section can look at them any more. What `enter`
/// returns is given back to `leave`, by the same thread.
template <class D>
concept read_domain_like = std::default_initializable<D> &&
    requires(D& d, D const& constant, typename D::section& section, retire_hook& hook) {
  { d.enter() } -> std::same_as<typename D::section>;
  d.leave(section);
  d.retire(hook);
  d.synchronize();
  { constant.retired() } -> std::same_as<std::uint64_t>;
};

/// How many objects a `read_domain` may keep back, a thread that retires, while nobody reads and nobody synchronizes.
inline constexpr std::uint64_t max_idle_retired = 1024;

/// The family of synchronisation types that all parts of the library use; the library names no other.
///
/// A model also promises (svm/conformance/lock.hpp checks it):
///  1. a `mutex` is held by one thread at a time;
///  2. nobody else holds a `shared_mutex` that a writer holds;
///  3. any number of readers hold a `shared_mutex` at a time;
///  4. `try_lock` and `try_lock_shared` return at once;
///  5. they change nothing when they return false;
///  6. what a thread wrote before an unlock is seen by the thread that locks next;
///  7. `event::wait(m, ready)`, which is called with `m` held, returns with `ready()` true;
///  8. it returns with `m` held;
///  9. it gives `m` up while it waits;
/// 10. `notify_all` wakes every waiter;
/// 11. locks of different ranks taken in rising order of `lock_rank` never deadlock among themselves;
/// 12. no operation allocates;
/// 13. no operation throws;
/// 14. every operation of an `atomic` is sequentially consistent, so that a load returns what was stored last;
/// 15. `exchange` and `fetch_...` return the value before;
/// 16. `compare_exchange` stores where it finds what was expected, and else returns false and writes to `expected` what it
///     found;
/// 17. an object that was retired into a `read_domain` is released once;
/// 18. it is not released before every section that was entered before the retire is left;
/// 19. what a thread did before it left such a section is seen by the release;
/// 20. `synchronize` returns when each section that was entered before it is left;
/// 21. `synchronize` returns when each object that was retired before it is released;
/// 22. sections that are entered later, one after the other, do not hold `synchronize` up for ever;
/// 23. `enter`, `leave` and `retire` wait for no section;
/// 24. while nobody reads, `retire` releases by itself all but `max_idle_retired` objects a thread that retires;
/// 25. `retired` counts the objects that are not released yet. It is exact while nobody else retires or releases.
///
/// A section is short. A thread is in one at a time, of whatever domain; in it the thread waits for no lock, retires
/// nothing and synchronizes nothing. `synchronize` is called with no lock held. A release may run on any thread, in its
/// `leave`, `retire` or `synchronize`. It takes no lock but of rank `leaf_allocator` or later, which nobody holds in those
/// calls, and calls nothing of a domain. A domain is destroyed when nothing is retired and nobody is in a section.
///
/// A model for one thread may leave locks empty; its `event::wait` on something not ready is then a broken promise of
/// the caller, and must not return.
///
/// Under clang's thread-safety analysis, which the headers are written for, a model annotates every function of a lock,
/// `assert_held` and `assert_held_shared` too, or gets warnings; see std/std_lock.hpp.
template <class L>
concept lock = requires {
  requires mutex_like<typename L::template mutex<lock_rank::range>>;
  requires shared_mutex_like<typename L::template shared_mutex<lock_rank::notifier>>;
  requires std::default_initializable<typename L::event>;
  requires read_domain_like<typename L::read_domain>;
  requires atomic_like<typename L::template atomic<std::uint32_t>, std::uint32_t>;
  requires atomic_like<typename L::template atomic<std::uint64_t>, std::uint64_t>;
}
&&requires(typename L::event& e, typename L::template mutex<lock_rank::leaf_sequence>& m) {
  e.wait(
      m, +[] { return true; });
  e.notify_all();
};

// clang-format off
/// Explains what a type lacks to be a `mutex_like`.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_mutex() {
  if constexpr (!std::default_initializable<M>)
    static_assert(How == on_missing::answer,
                  "svm: lock needs a `mutex` and a `shared_mutex` that are made without arguments");
  else if constexpr (!requires(M& m) { m.lock(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void lock()` in `mutex` and in `shared_mutex`");
  else if constexpr (!requires(M& m) { m.unlock(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void unlock()` in `mutex` and in `shared_mutex`");
  else if constexpr (!requires(M& m) { { m.try_lock() } -> std::same_as<bool>; })
    static_assert(How == on_missing::answer, "svm: lock needs `bool try_lock()` in `mutex` and in `shared_mutex`");
  else if constexpr (!requires(M& m) { m.assert_held(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void assert_held()` in `mutex` and in `shared_mutex`");
  else
    return true;
  return false;
}

/// Explains what a type lacks to be a `shared_mutex_like`.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_shared_mutex() {
  if constexpr (!explain_mutex<M, How>())
    return false;
  else if constexpr (!requires(M& m) { m.lock_shared(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void lock_shared()` in `shared_mutex`");
  else if constexpr (!requires(M& m) { m.unlock_shared(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void unlock_shared()` in `shared_mutex`");
  else if constexpr (!requires(M& m) { { m.try_lock_shared() } -> std::same_as<bool>; })
    static_assert(How == on_missing::answer, "svm: lock needs `bool try_lock_shared()` in `shared_mutex`");
  else if constexpr (!requires(M& m) { m.assert_held_shared(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void assert_held_shared()` in `shared_mutex`");
  else
    return true;
  return false;
}

/// Explains what a type lacks to be an `atomic_like`.
template <class A, class T, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_atomic() {
  if constexpr (!std::constructible_from<A, T>)
    static_assert(How == on_missing::answer, "svm: lock needs an `atomic<T>` that is made of a `T`");
  else if constexpr (!requires(A const& a) { { a.load() } -> std::same_as<T>; })
    static_assert(How == on_missing::answer, "svm: lock needs `T load() const` in `atomic<T>`");
  else if constexpr (!requires(A& a, T v) { a.store(v); })
    static_assert(How == on_missing::answer, "svm: lock needs `void store(T)` in `atomic<T>`");
  else if constexpr (!requires(A& a, T v) { { a.exchange(v) } -> std::same_as<T>; })
    static_assert(How == on_missing::answer, "svm: lock needs `T exchange(T)` in `atomic<T>`");
  else if constexpr (!requires(A& a, T v) { { a.fetch_add(v) } -> std::same_as<T>; })
    static_assert(How == on_missing::answer, "svm: lock needs `T fetch_add(T)` in `atomic<T>`");
  else if constexpr (!requires(A& a, T v) { { a.fetch_sub(v) } -> std::same_as<T>; })
    static_assert(How == on_missing::answer, "svm: lock needs `T fetch_sub(T)` in `atomic<T>`");
  else if constexpr (!requires(A& a, T v) { { a.fetch_or(v) } -> std::same_as<T>; })
    static_assert(How == on_missing::answer, "svm: lock needs `T fetch_or(T)` in `atomic<T>`");
  else if constexpr (!requires(A& a, T v) { { a.fetch_and(v) } -> std::same_as<T>; })
    static_assert(How == on_missing::answer, "svm: lock needs `T fetch_and(T)` in `atomic<T>`");
  else if constexpr (!requires(A& a, T& expected, T v) { { a.compare_exchange(expected, v) } -> std::same_as<bool>; })
    static_assert(How == on_missing::answer, "svm: lock needs `bool compare_exchange(T&, T)` in `atomic<T>`");
  else
    return true;
  return false;
}

/// Explains what a type lacks to be a `read_domain_like`.
template <class D, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_read_domain() {
  if constexpr (!std::default_initializable<D>)
    static_assert(How == on_missing::answer, "svm: lock needs a `read_domain` that is made without arguments");
  else if constexpr (!requires { typename D::section; })
    static_assert(How == on_missing::answer, "svm: lock needs a type `section` in `read_domain`");
  else if constexpr (!requires(D& d) { { d.enter() } -> std::same_as<typename D::section>; })
    static_assert(How == on_missing::answer, "svm: lock needs `section enter()` in `read_domain`");
  else if constexpr (!requires(D& d, typename D::section& section) { d.leave(section); })
    static_assert(How == on_missing::answer, "svm: lock needs `void leave(section)` in `read_domain`");
  else if constexpr (!requires(D& d, retire_hook& hook) { d.retire(hook); })
    static_assert(How == on_missing::answer, "svm: lock needs `void retire(retire_hook&)` in `read_domain`");
  else if constexpr (!requires(D& d) { d.synchronize(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void synchronize()` in `read_domain`");
  else if constexpr (!requires(D const& d) { { d.retired() } -> std::same_as<std::uint64_t>; })
    static_assert(How == on_missing::answer, "svm: lock needs `std::uint64_t retired() const` in `read_domain`");
  else
    return true;
  return false;
}

/// Explains what a type lacks to be a lock.
template <class L, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_lock() {
  if constexpr (!requires { typename L::template mutex<lock_rank::range>; })
    static_assert(How == on_missing::answer, "svm: lock needs `template <lock_rank> class mutex`");
  else if constexpr (!explain_mutex<typename L::template mutex<lock_rank::range>, How>())
    return false;
  else if constexpr (!requires { typename L::template shared_mutex<lock_rank::notifier>; })
    static_assert(How == on_missing::answer, "svm: lock needs `template <lock_rank> class shared_mutex`");
  else if constexpr (!explain_shared_mutex<typename L::template shared_mutex<lock_rank::notifier>, How>())
    return false;
  else if constexpr (!requires { typename L::event; })
    static_assert(How == on_missing::answer, "svm: lock needs a type `event`");
  else if constexpr (!std::default_initializable<typename L::event>)
    static_assert(How == on_missing::answer, "svm: lock needs an `event` that is made without arguments");
  else if constexpr (!requires {
    typename L::template atomic<std::uint32_t>;
    typename L::template atomic<std::uint64_t>;
  })
    static_assert(How == on_missing::answer, "svm: lock needs `template <class T> class atomic`");
  else if constexpr (!explain_atomic<typename L::template atomic<std::uint32_t>, std::uint32_t, How>())
    return false;
  else if constexpr (!explain_atomic<typename L::template atomic<std::uint64_t>, std::uint64_t, How>())
    return false;
  else if constexpr (!requires(typename L::event& e, typename L::template mutex<lock_rank::leaf_sequence>& m) {
    e.wait(m, +[] { return true; });
  })
    static_assert(How == on_missing::answer,
                  "svm: lock needs `template <class Mutex, class Ready> void wait(Mutex&, Ready)` in `event`");
  else if constexpr (!requires(typename L::event& e) { e.notify_all(); })
    static_assert(How == on_missing::answer, "svm: lock needs `void notify_all()` in `event`");
  else if constexpr (!requires { typename L::read_domain; })
    static_assert(How == on_missing::answer, "svm: lock needs a type `read_domain`");
  else if constexpr (!explain_read_domain<typename L::read_domain, How>())
    return false;
  else
    return true;
  return false;
}
// clang-format on

}  // namespace svm::inline v0
