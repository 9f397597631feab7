// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/construct.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/gpusvm/range.hpp>
#include <svm/pagemap/migrator.hpp>

namespace svm::inline v0::detail {

/// What moves the memory of a driver's ranges; of a GPU without memory of its own nothing moves.
///
/// `origin` is what a driver is made from: here an environment, below the migrator of the GPU's memory.
template <svm_policies P>
class range_memory {
 public:
  using origin = svm_environment<P> const&;
  struct options {};

  range_memory(origin, typename P::allocator&, byte_count) {}
  [[nodiscard]] static svm_environment<P> const& environment_of(origin from) { return from; }

  /// Brings device pages in the range's span back: there are none.
  ///
  /// \errors gone, mm_gone
  [[nodiscard]] errc evict(locked_range<P>& held, migration_cause, cancellation const* = nullptr) {
    if (held->has(range_flag::removed)) return errc::gone;
    return held.mm_alive() ? errc::ok : errc::mm_gone;
  }
  /// \errors not_migratable
  [[nodiscard]] errc migrate_to_device(locked_range<P>&, options) { return errc::not_migratable; }
  [[nodiscard]] errc open_account() { return errc::ok; }
  [[nodiscard]] typename P::lock::read_domain* readers() { return nullptr; }
};

/// The same for a GPU that has memory: a migrator, and the account that pays for what ranges have there.
///
/// Locks: `lock_` (vm) guards the account.
template <migrating_policies P>
class range_memory<P> {
 public:
  using origin = migrator<P>&;
  using options = migrate_options<P>;

  /// \param limit  the most bytes of device memory that the ranges may have
  range_memory(origin migrator, typename P::allocator& memory, byte_count limit = {UINT64_MAX})
      : migrator_(migrator), memory_(memory), limit_(limit) {}
  range_memory(range_memory const&) = delete;
  range_memory& operator=(range_memory const&) = delete;
  ~range_memory() {
    if (account_ != nullptr) account_->put();
  }

  [[nodiscard]] static environment<P> const& environment_of(origin from) { return from.env(); }
  [[nodiscard]] migrator<P>& mover() { return migrator_; }
  /// Whose sections device memory waits for.
  [[nodiscard]] typename P::lock::read_domain* readers() { return &migrator_.readers(); }

  /// Makes the account, where there is a limit and it is not there yet.
  ///
  /// \pre    no lock of the library held
  /// \errors no_memory
  [[nodiscard]] errc open_account() {
    if (limit_ == byte_count{UINT64_MAX}) return errc::ok;
    exclusive_guard const guard{lock_};
    if (account_ == nullptr) account_ = construct<device_account<P>>(memory_, memory_, limit_);
    return account_ == nullptr ? errc::no_memory : errc::ok;
  }
  /// The account; null before the first `open_account`, and where there is no limit.
  ///
  /// Locks: none for a caller that has a range of the driver, since the account was made before it.
  [[nodiscard]] device_account<P>* account() const SVM_NO_THREAD_SAFETY_ANALYSIS { return account_; }

  /// Moves the range's memory to the device.
  ///
  /// \errors not_migratable, gone, mm_gone, and those of migrator::migrate_to_device
  [[nodiscard]] errc migrate_to_device(locked_range<P>& held, options how) {
    if (held->has(range_flag::removed)) return errc::gone;
    if (!held.mm_alive()) return errc::mm_gone;
    if (!held->is_migratable()) return errc::not_migratable;
    if (how.account == nullptr) how.account = account();
    return migrator_.migrate_to_device(held.mm(), held->interval(), how);
  }

  /// Brings every device page in the range's span back to system memory; the range stays.
  ///
  /// \errors gone, mm_gone, and those of migrator::evict_span
  [[nodiscard]] errc evict(locked_range<P>& held, migration_cause why, cancellation const* cancel = nullptr) {
    if (held->has(range_flag::removed)) return errc::gone;
    if (!held.mm_alive()) return errc::mm_gone;
    return migrator_.evict_span(held.mm(), held->interval(), {.reason = {why}, .cancel = cancel});
  }

 private:
  migrator<P>& migrator_;
  typename P::allocator& memory_;
  byte_count const limit_;
  typename P::lock::template mutex<lock_rank::vm> lock_;
  device_account<P>* account_ SVM_GUARDED_BY(lock_) = nullptr;
};

}  // namespace svm::inline v0::detail
