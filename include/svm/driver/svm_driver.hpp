// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/driver/garbage_collector.hpp>
#include <svm/driver/invalidation.hpp>
#include <svm/gpusvm/gpusvm.hpp>

namespace svm::inline v0 {

/// Where a GPU fault wants the memory to be.
enum class migration_mode : std::uint8_t {
  where_possible,  ///< in device memory where it may go there; mapped where it is otherwise
  never,           ///< mapped where it is
  required,        ///< in device memory, or the fault fails
};

/// Where a prefetch wants the memory to be.
enum class prefetch_place : std::uint8_t { as_fault, system, device };

struct driver_options {
  migration_mode migrate = migration_mode::where_possible;
  byte_count check_pages_threshold{64 << 10};  ///< see lookup_options
  duration timeslice{};                        ///< how long a CPU fault leaves migrated memory to the device
  bool read_only = false;                      ///< the GPU never writes
};

/// What every driver of a GPU with SVM writes again: fault handler, prefetch, invalidation, garbage collection.
///
/// A fault is served in passes: collect, look up, migrate, get pages, bind; whatever the CPU changed meanwhile sends it
/// into the next pass, ten at most. Every function may be called from any thread.
/// \source drivers/gpu/drm/xe/xe_svm.c
template <policies P>
class svm_driver final : public invalidation_client<P> {
 public:
  static constexpr int max_passes = 10;
  static constexpr int required_migration_tries = 3;

  svm_driver(migrator<P>& migrator, geometry const& shape, driver_options const& options)
      : options_(options), migrator_(migrator), svm_(migrator, shape, *this), collector_(svm_) {}
  ~svm_driver() { close(); }
  svm_driver(svm_driver const&) = delete;
  svm_driver& operator=(svm_driver const&) = delete;

  [[nodiscard]] gpusvm<P>& svm() { return svm_; }
  [[nodiscard]] migrator<P>& memory() { return migrator_; }
  [[nodiscard]] driver_options const& options() const { return options_; }

  /// Serves a GPU fault: afterwards the GPU's page table allows the access, unless an event came in between.
  ///
  /// \param at  byte address in the CPU space
  /// \pre    no lock of the library held
  /// \errors read_only (also: the driver's `read_only`), outside_window, no_vma, no_access, not_migratable (migration
  ///         required): nothing was made, evicted or removed, but for what the collector found. After ten passes, or
  ///         for want of memory, the last error of a pass: the range stays, unmapped
  /// \source xe_svm_handle_pagefault(); every retry is bounded and no error is swallowed (errata 3.1.17, 3.4.2, 3.4.3)
  [[nodiscard]] errc fault(cpu_va at, access want);

  /// Maps every VMA's memory in `span` ahead of the GPU's accesses, moving it where it is wanted; holes are skipped.
  ///
  /// \param span  page-aligned
  /// \pre    no lock of the library held
  /// \errors outside_window (also in a hole), no_access, and those of `fault`; what came before the error stays
  /// \source xe_vm.c, prefetch of a CPU mirror VMA
  [[nodiscard]] errc prefetch(va_range span, prefetch_place where);

  /// Removes the ranges whose memory the CPU unmapped.
  ///
  /// \pre no lock of the library held
  void collect_garbage() { collector_.run(); }

  /// Removes everything; every later fault fails with `gone`.
  void close() {
    collector_.run();
    svm_.close();
    collector_.run();
  }

  void invalidate(notifier<P>& owner, invalidation const& event) noexcept override {
    invalidate_ranges(owner, event, collector_);
  }

 private:
  /// What one fault or one range of a prefetch asks for.
  struct demand {
    cpu_va at;
    access want;
    prefetch_place where;
    bool is_fault;
  };

  [[nodiscard]] bool requires_device(demand const& d) const {
    return options_.migrate == migration_mode::required && d.where != prefetch_place::system;
  }
  [[nodiscard]] errc serve(demand const& d, va_range& served);
  [[nodiscard]] result<lookup<P>> look_up(demand const& d);
  /// How one pass over a range ended, and whether another may do better.
  struct pass_result {
    errc error;
    bool try_again;
  };
  [[nodiscard]] pass_result serve_range(demand const& d, range_hold<P>& held, bool read_only);
  [[nodiscard]] bool is_placed(demand const& d, range_hold<P>& held);
  [[nodiscard]] errc place(demand const& d, range_hold<P>& held);
  [[nodiscard]] result<cpu_va> next_mapped(va_range rest);

  driver_options const options_;
  migrator<P>& migrator_;
  gpusvm<P> svm_;
  garbage_collector<P> collector_;
};

}  // namespace svm::inline v0

#include <svm/driver/fault.hpp>
#include <svm/driver/prefetch.hpp>
