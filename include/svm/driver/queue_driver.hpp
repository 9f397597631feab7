// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <svm/base/scope_guard.hpp>
#include <svm/driver/driver_base.hpp>
#include <svm/driver/invalidation.hpp>
#include <svm/driver/kept_spans.hpp>
#include <svm/gpusvm/retry_budget.hpp>

namespace svm::inline v0 {

/// Policies whose device has queues that stop.
template <class P>
concept queue_policies = detail::complete_policies<P> && queue_device<typename P::device>;

/// Explains what a bundle lacks for a driver of queues, as `explain` does.
template <class P, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_queue_policies() {
  if constexpr (!explain<P, How>())
    return false;
  else if constexpr (!queue_device<typename P::device>)
    static_assert(How == on_missing::answer,
                  "svm: device needs `void stop_queues() noexcept` and `void resume_queues() noexcept`, for a "
                  "queue_driver");
  else
    return true;
  return false;
}

/// As `explained_policies`, with queues.
template <class P>
concept explained_queue_policies = (queue_policies<P> || explain_queue_policies<P>()) && detail::explain_parts<P>();

/// The driver of a GPU that cannot replay a faulting access: what its queues may reach is kept mapped, and they stand
/// still while any of it is not.
///
///     an event of the mm    stops the queues, then ends the mappings that it meets
///     restore               maps what is kept and is not mapped, then lets the queues run, unless they were stopped anew
///
/// A program keeps or prefetches what its queues will reach; what else they access fails as the hardware has it. The
/// driver's owner calls `restore` from a thread or a work item of its own: after `stop_queues` came to its device, and
/// when there is new memory in what is kept. The queues run at first, and stand still after `close`.
///
/// Every function may be called from any thread, several restores at a time too. Mappings that are attached to a range
/// are of devices that replay faults.
///
/// Invariants: 1. a thread that takes a mapping from the device has stopped the queues before, and counts as under way
/// until the mapping is gone. 2. a round of a restore begins when no thread is under way. 3. the queues resume only
/// when no stop came since a round began that found everything mapped.
/// Locks: `gate_` (queues) guards whether they are stopped, how often they were, and what is under way.
/// \source the queues of AMD's SVM without retry faults: evict, restore, resume; unlike it, the count is checked and the
///         queues resumed in one
template <explained_queue_policies P>
class queue_driver final : public driver_base<P> {
 public:
  /// \param from  the migrator of the GPU's memory; an environment for a GPU without
  /// \param env   the address space, and the GPU as it sees it
  queue_driver(typename detail::range_memory<P>::origin from, svm_environment<P> const& env, gpusvm_layout const& shape,
               driver_options const& options)
      : driver_base<P>(from, env, shape, options), kept_(env.memory) {}
  ~queue_driver() { close(); }

  /// Keeps a span of addresses mapped from the next restore on: the memory that is there, and what comes there.
  ///
  /// \param span  page-aligned
  /// \pre    no lock of the library held
  /// \errors misaligned, outside_window, gone, no_memory: nothing has changed
  /// \allocs a span, and nodes of an index
  [[nodiscard]] errc keep(va_range span);
  /// Keeps a span no longer; what is mapped of it stays until an event takes it.
  ///
  /// \errors misaligned, no_memory: nothing has changed
  /// \allocs a span, and nodes of an index
  [[nodiscard]] errc forget(va_range span);
  /// True when all of a span is kept.
  [[nodiscard]] bool keeps(va_range span) { return kept_.contains(span); }

  /// As `driver_base::prefetch`, and keeps the span from then on. When mappings go meanwhile, since it moves what is
  /// mapped or an event came, the queues stand still until the next restore.
  ///
  /// \pre    no lock of the library held
  /// \errors as there; misaligned, gone, no_memory: the span is not kept by this call
  [[nodiscard]] errc prefetch(va_range span, prefetch_place where, prefetch_report* report = nullptr,
                              cancellation const* cancel = nullptr);

  /// Maps what is kept and is not mapped, as a prefetch that names no place would, and lets the queues run.
  ///
  /// Holes, memory that the CPU may not access, memory that may not migrate where migration is required, and what a
  /// reset lost stay unmapped. In a round after the first nothing moves to the device: spans that do not fit its memory
  /// together come to rest. Where migration is required they cannot: a round ends when it has mapped more than the
  /// memory holds.
  /// \pre    no lock of the library held
  /// \errors retry (suspended), gone (closed), mm_gone; busy (events came each time; or where migration is required, a round
  ///         mapped more than the device's memory holds); interrupted; those of a fault for want of memory. What was
  ///         mapped stays unless it gave way, and queues that were stopped stay so: another restore tries again
  /// \complexity O(ranges and VMAs of what is kept) a round, beside what is mapped; at most
  ///         retry_budget::event_rounds rounds, and a second before the last begins
  [[nodiscard]] errc restore(cancellation const* cancel = nullptr);
  /// True while the queues are stopped.
  [[nodiscard]] bool needs_restore() {
    exclusive_guard const guard{gate_};
    return stopped_;
  }

  void close() override {
    close_gate();
    driver_base<P>::close();
    kept_.clear();
  }

  [[nodiscard]] invalidation_answer invalidate(notifier<P>& owner, invalidation const& event,
                                               invalidation_passes passes) noexcept override
      SVM_REQUIRES(owner.lock()) {
    bool takes_a_mapping = false;
    owner.for_each_range_locked(event.span, [&](range<P> const& r) {
      takes_a_mapping = takes_a_mapping || r.mapping().has(page_flag::mapped);
    });
    if (takes_a_mapping) begin_unmapping();
    invalidation_answer const answer = invalidate_ranges(owner, event, this->collector(), passes);
    if (takes_a_mapping) end_unmapping();
    return answer;
  }
  void finish_invalidation(notifier<P>& owner, invalidation const& event) noexcept override SVM_REQUIRES(owner.lock()) {
    finish_invalidating(owner, event, this->collector());
  }

 private:
  /// How a step of a round ended: an error that ends the restore; or where it got to, and whether that is settled.
  struct step_result {
    errc error;
    va_range done;
    bool settled = true;
  };

  /// The condition that a waiting round checks under `gate_`: no mapping is being taken.
  struct is_quiet {
    queue_driver const& asked;
    [[nodiscard]] bool operator()() const SVM_NO_THREAD_SAFETY_ANALYSIS { return asked.unmappings_ == 0; }
  };

  void begin_unmapping() override;
  void end_unmapping() override;
  void close_gate();
  void stop_locked() SVM_REQUIRES(gate_);
  [[nodiscard]] std::uint64_t stops() {
    exclusive_guard const guard{gate_};
    return stops_;
  }
  [[nodiscard]] errc begin_round(std::uint64_t& round);
  [[nodiscard]] bool resume_after(std::uint64_t round);
  [[nodiscard]] errc restore_round(bool first, cancellation const* cancel, bool& settled);
  [[nodiscard]] step_result restore_next(va_range rest, bool first, cancellation const* cancel);
  [[nodiscard]] bool is_mapped(va_range rest, va_range& done);
  [[nodiscard]] byte_count placed_bytes(va_range rest, cpu_va last);
  [[nodiscard]] bool is_too_much(byte_count placed);
  [[nodiscard]] result<vma_info> first_vma(va_range within);
  [[nodiscard]] prefetch_place place_of(cpu_va at, bool first);

  detail::kept_spans<P> kept_;
  typename P::lock::template mutex<lock_rank::queues> gate_;
  typename P::lock::event unmapped_;  // nothing is under way any more
  std::uint64_t stops_ SVM_GUARDED_BY(gate_) = 0;
  std::uint32_t unmappings_ SVM_GUARDED_BY(gate_) = 0;  // under way
  bool stopped_ SVM_GUARDED_BY(gate_) = false;
  bool closed_ SVM_GUARDED_BY(gate_) = false;
};

}  // namespace svm::inline v0

#include <svm/driver/impl/restore.hpp>
