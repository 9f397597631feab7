// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <svm/driver/driver_base.hpp>
#include <svm/driver/fault_server.hpp>
#include <svm/driver/invalidation.hpp>

namespace svm::inline v0 {

/// The driver of a GPU that can replay a faulting access: fault handler, prefetch, invalidation, garbage collection.
///
/// Every function may be called from any thread.
/// \source drivers/gpu/drm/xe/xe_svm.c
template <explained_policies P>
class svm_driver final : public driver_base<P> {
 public:
  /// \param from  the migrator of the GPU's memory; an environment for a GPU without
  /// \param env   the address space, and the GPU as it sees it
  svm_driver(typename detail::range_memory<P>::origin from, svm_environment<P> const& env, gpusvm_layout const& shape,
             driver_options const& options)
      : driver_base<P>(from, env, shape, options) {}
  /// On the address space that the migrator knows, or that the environment names.
  svm_driver(typename detail::range_memory<P>::origin from, gpusvm_layout const& shape, driver_options const& options)
      : svm_driver(from, detail::range_memory<P>::environment_of(from), shape, options) {}
  ~svm_driver() { this->close(); }

  /// Serves a GPU fault: afterwards the GPU's page table allows the access, unless an event came in between.
  ///
  /// A fault that a block_service throttles waits.
  ///
  /// \param at  byte address in the CPU space
  /// \pre    no lock of the library held
  /// \errors read_only (also: the driver's `read_only`), outside_window, no_vma, no_access, not_migratable (migration
  ///         required), no_atomics (an atomic access to such memory, or with migration off): nothing was made, evicted
  ///         or removed, but for what the collector found. retry (suspended). After ten passes, or for want of memory,
  ///         the last error of a pass, or interrupted: the range stays, unmapped
  /// \source xe_svm_handle_pagefault(); every retry is bounded and no error is swallowed (errata 3.1.17, 3.4.2, 3.4.3)
  [[nodiscard]] errc fault(cpu_va at, access_kind want, cancellation const* cancel = nullptr);

  /// Has faults served by somebody else from now on, or again by this object; see block_service.
  ///
  /// \pre nobody faults meanwhile
  void set_server(detail::fault_server* server) requires page_wise_policies<P> {
    // clang++ 14 instantiates what is not to be called, where a class is instantiated by name.
    if constexpr (page_wise_policies<P>) slot_.server = server;
  }

  /// Serves many GPU faults: `results[i]` says how `requests[i]` ended, as `fault` says it.
  ///
  /// Up to `fault_block` are taken together. Those that are allowed already are found in one read section; the others are
  /// served in the order of their addresses. Where memory stays, new ranges of a notifier are inserted, mapped and bound
  /// in one hold of its lock, up to `new_ranges::most` of them. What is left is served one by one.
  ///
  /// \return how many were served
  /// \pre    no lock of the library held; as many results as requests
  /// \allocs as that many faults, and nothing for the batch
  [[nodiscard]] std::size_t fault_batch(std::span<fault_request const> requests, std::span<errc> results,
                                        cancellation const* cancel = nullptr);

  [[nodiscard]] invalidation_answer invalidate(notifier<P>& owner, invalidation const& event,
                                               invalidation_passes passes) noexcept override
      SVM_REQUIRES(owner.lock()) {
    return invalidate_ranges(owner, event, this->collector(), passes);
  }
  void finish_invalidation(notifier<P>& owner, invalidation const& event) noexcept override SVM_REQUIRES(owner.lock()) {
    finish_invalidating(owner, event, this->collector());
  }

 private:
  [[no_unique_address]] detail::server_slot<P> slot_;
};

template <explained_policies P>
errc svm_driver<P>::fault(cpu_va at, access_kind want, cancellation const* cancel) {
  if constexpr (page_wise_policies<P>)
    if (slot_.server != nullptr) {
      constexpr int tries = 1024;
      for (int n = 0; n != tries; ++n) {
        block_fault only{.at = at, .want = want};
        errc const e = slot_.server->serve_faults({&only, 1}, cancel);
        if (!only.is_throttled) return e;
        if (is_cancelled(cancel)) return errc::interrupted;
        this->svm().env().clock.wait_until(only.wait_until);
      }
      return errc::busy;
    }
  va_range const where = aligned_block(at, P::mm::page_size);
  auto& observer = this->svm().env().observer;
  observer.record({event_kind::gpu_fault, where});
  errc const e = this->serve(at, want, cancel);
  observer.record({event_kind::gpu_fault_end, where, {}, e});
  return e;
}

template <explained_policies P>
std::size_t svm_driver<P>::fault_batch(std::span<fault_request const> requests, std::span<errc> results,
                                       cancellation const* cancel) {
  SVM_ASSERT_OP(requests.size(), ==, results.size());
  auto& observer = this->svm().env().observer;
  std::size_t served = 0;
  for (std::size_t done = 0; done < requests.size();) {
    std::size_t const left = requests.size() - done;
    std::size_t const count = left < this->fault_block ? left : this->fault_block;
    auto const block = requests.subspan(done, count);
    auto const answers = results.subspan(done, count);
    for (fault_request const& r : block)
      observer.record({event_kind::gpu_fault, aligned_block(r.at, P::mm::page_size)});
    this->serve_block(block, answers, cancel);
    for (std::size_t i = 0; i < count; ++i) {
      observer.record({event_kind::gpu_fault_end, aligned_block(block[i].at, P::mm::page_size), {}, answers[i]});
      served += answers[i] == errc::ok ? 1 : 0;
    }
    done += count;
  }
  return served;
}

}  // namespace svm::inline v0
