// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <svm/config.hpp>
#include <svm/base/construct.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/pagemap/migrator.hpp>

namespace svm::inline v0 {

template <migrating_policies P>
class migrator_cache;

/// The caches of idle migrators, which give up what they keep when memory is short.
///
/// Locks: `lock_` (vm) guards the list of caches.
/// \source struct drm_pagemap_shrinker
template <migrating_policies P>
class migrator_shrinker {
 public:
  migrator_shrinker() = default;
  migrator_shrinker(migrator_shrinker const&) = delete;
  migrator_shrinker& operator=(migrator_shrinker const&) = delete;

  /// Destroys at most `most` idle migrators; returns the number.
  ///
  /// \pre no lock of the library held
  /// \complexity O(caches) for each
  std::size_t shrink(std::size_t most) {
    std::size_t ended = 0;
    while (ended < most) {
      auto const [parked, memory] = take_parked();
      if (parked == nullptr) break;
      detail::destroy(*memory, parked);  // which waits for readers, with no lock held
      ++ended;
    }
    return ended;
  }

 private:
  friend class migrator_cache<P>;

  /// A migrator without users, and where its memory comes from: the cache that had it may end meanwhile.
  struct idle_migrator {
    migrator<P>* parked = nullptr;
    typename P::allocator* memory = nullptr;
  };
  [[nodiscard]] idle_migrator take_parked() {
    exclusive_guard const guard{lock_};
    for (migrator_cache<P>* c = caches_.front(); c != nullptr; c = caches_.next(*c))
      if (migrator<P>* const parked = c->take_parked()) return {parked, &c->env_.memory};
    return {};
  }

  void add(migrator_cache<P>& cache) {
    exclusive_guard const guard{lock_};
    caches_.push_back(cache);
  }
  void drop(migrator_cache<P>& cache) {
    exclusive_guard const guard{lock_};
    caches_.erase(cache);
  }

  typename P::lock::template mutex<lock_rank::vm> lock_;
  intrusive_list<migrator_cache<P>> caches_ SVM_GUARDED_BY(lock_);
};

/// The one migrator of a device: made with the first `get`, and kept without users until memory is short.
///
/// Any function may be called from any thread. It outlives every reference that it hands out.
///
/// Invariants: 1. there is at most one migrator, whichever calls race. 2. it ends only while it is parked: no reference
/// to it is left, and every `on_last_put` that was due has come.
/// Locks: `lock_` (leaf_device_memory).
/// \source struct drm_pagemap_cache; a shrink that meets a lookup cannot erase what that has just made (erratum 3.2.15)
template <migrating_policies P>
class migrator_cache final : public migrator_owner<P>, public list_hook<migrator_cache<P>> {
 public:
  migrator_cache(environment<P> const& env, migrator_shrinker<P>& shrinker, migrator_options const& options = {})
      : env_(env), shrinker_(shrinker), options_(options) {
    shrinker_.add(*this);
  }
  migrator_cache(migrator_cache const&) = delete;
  migrator_cache& operator=(migrator_cache const&) = delete;
  /// \pre no reference is left
  ~migrator_cache() {
    shrinker_.drop(*this);
    static_cast<void>(shrink());
    SVM_ASSERT(current_ == nullptr);
  }

  /// The migrator: the one in use, the one that was kept, or a new one.
  ///
  /// \pre    no lock of rank notifier or later held
  /// \errors no_memory
  /// \allocs at most one migrator
  /// \complexity one try more for each other thread that asks at the same time
  [[nodiscard]] result<migrator_ref<P>> get() {
    if (migrator<P>* const known = find()) return migrator_ref<P>::adopt(*known);
    migrator<P>* made = detail::construct<migrator<P>>(env_.memory, env_, this, options_);
    if (made == nullptr) return errc::no_memory;
    migrator<P>* const before = find_or_keep(*made);
    if (before == made) return migrator_ref<P>::adopt(*made);
    detail::destroy(env_.memory, made);  // another thread was first
    return migrator_ref<P>::adopt(*before);
  }

  /// Destroys the migrator if it has no user; true when it did.
  ///
  /// \pre no lock of the library held
  [[nodiscard]] bool shrink() {
    migrator<P>* const parked = take_parked();
    if (parked != nullptr) detail::destroy(env_.memory, parked);
    return parked != nullptr;
  }

  [[nodiscard]] bool is_parked() {
    exclusive_guard const guard{lock_};
    return parked_;
  }

  void on_last_put(migrator<P>&) noexcept override {
    exclusive_guard const guard{lock_};
    if (late_ != 0)
      --late_;  // it was taken up again before this call came
    else
      parked_ = true;
  }

 private:
  friend class migrator_shrinker<P>;

  [[nodiscard]] migrator<P>* take_parked() {
    exclusive_guard const guard{lock_};
    if (!std::exchange(parked_, false)) return nullptr;
    return std::exchange(current_, nullptr);
  }
  [[nodiscard]] migrator<P>* find() {
    exclusive_guard const guard{lock_};
    return current_ == nullptr ? nullptr : take_locked();
  }
  [[nodiscard]] migrator<P>* find_or_keep(migrator<P>& made) {
    exclusive_guard const guard{lock_};
    if (current_ != nullptr) return take_locked();
    current_ = &made;
    return current_;
  }
  [[nodiscard]] migrator<P>* take_locked() SVM_REQUIRES(lock_) {
    lock_.assert_held();
    if (current_->try_get()) return current_;
    if (!std::exchange(parked_, false)) ++late_;
    current_->revive();
    return current_;
  }

  environment<P> env_;
  migrator_shrinker<P>& shrinker_;
  migrator_options const options_;
  typename P::lock::template mutex<lock_rank::leaf_device_memory> lock_;
  migrator<P>* current_ SVM_GUARDED_BY(lock_) = nullptr;
  bool parked_ SVM_GUARDED_BY(lock_) = false;     // no reference to it is left: it may end
  std::uint32_t late_ SVM_GUARDED_BY(lock_) = 0;  // calls of on_last_put() that are due and mean nothing any more
};

}  // namespace svm::inline v0
