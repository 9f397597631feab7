// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/config.hpp>
#include <svm/base/dump.hpp>
#include <svm/index/chunk_index.hpp>
#include <svm/index/section_readers.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/retire_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/gpusvm/range.hpp>
#include <svm/gpusvm/range_pool.hpp>

namespace svm::inline v0 {

/// Whether an invalidation may leave the waiting to its second pass.
enum class invalidation_passes : bool { one, two };

/// The driver's part of an invalidation: what happens to the ranges of a notifier.
///
/// For clang's thread-safety analysis its own functions say `SVM_REQUIRES(owner.lock())` too: that is not inherited.
template <svm_policies P>
class invalidation_client {
 public:
  /// Ends every device access to what `event` covers before it returns `done`; or, where two passes are allowed, starts
  /// to and returns `pending`, after `notifier::begin_pending_locked`.
  ///
  /// \pre `owner.lock()` is held exclusive, and the sequence is set. Allocates nothing; takes no lock before rank
  ///         device.
  [[nodiscard]] virtual invalidation_answer invalidate(notifier<P>& owner, invalidation const& event,
                                                       invalidation_passes passes) noexcept
      SVM_REQUIRES(owner.lock()) = 0;
  /// Waits for what `invalidate` left pending, and does the rest; under the same rules.
  virtual void finish_invalidation(notifier<P>& owner, invalidation const& event) noexcept
      SVM_REQUIRES(owner.lock()) = 0;

 protected:
  ~invalidation_client() = default;
};

/// A span of the address space that the mm watches for the GPU, and the index of the ranges in it.
///
///     notifier  [ aligned to the notifier size                                  )
///     ranges       [ 2M )[ 2M )     [64K)[4K)                        disjoint, each inside the notifier
///
/// Counted: by the gpusvm's index and by its ranges. Its lock is the one under which mappings are made and torn down;
/// other notifiers have their own.
///
/// Invariants: 1. ranges are disjoint and inside the span. 2. in the gpusvm's index => registered with the mm.
/// 3. retired => never again in the gpusvm's index, and without ranges.
/// \source struct drm_gpusvm_notifier; the lock is per notifier, which the reference names as future work
template <svm_policies P>
class notifier final : public invalidation_target, private retire_hook {
 public:
  struct range_traits {
    using entry = range<P>;
    using address = cpu_va;
    static va_range interval_of(range<P> const& r) { return r.interval(); }
  };
  using lock_type = typename P::lock::template shared_mutex<lock_rank::notifier>;
  using range_index = chunk_index<range_traits, typename P::lock, typename P::allocator, chunk_sparse::buckets,
                                  detail::sections_of<typename P::lock>>;
  using spare_ranges = detail::range_pools<typename P::lock, typename P::allocator, range<P>>;

  /// \param env  of the gpusvm, which outlives the notifier
  notifier(svm_environment<P>& env, invalidation_client<P>& client, va_range interval,
           typename range_index::pool& nodes, typename spare_ranges::pool& spare)
      : retire_hook(&notifier::leave_index),
        env_(env),
        client_(client),
        interval_(interval),
        ranges_(nodes, interval.start()),
        spare_(spare) {}
  notifier(notifier const&) = delete;
  notifier& operator=(notifier const&) = delete;

  [[nodiscard]] va_range interval() const { return interval_; }
  [[nodiscard]] svm_environment<P>& env() { return env_; }
  [[nodiscard]] lock_type& lock() SVM_RETURN_CAPABILITY(lock_) { return lock_; }

  /// How many references there are: the index's, one of each range, and those of users. Advisory.
  [[nodiscard]] std::uint32_t references() const { return references_.value(); }
  void get() { references_.get(); }
  /// \pre no lock of rank leaf_allocator or later held
  void put() {
    if (references_.put()) end();
  }

  /// The number of ranges.
  ///
  /// \pre `lock()` is held, or nothing is under way
  [[nodiscard]] std::size_t size() const SVM_NO_THREAD_SAFETY_ANALYSIS { return ranges_.size(); }

  /// Calls `visit(range&)` for each range that meets `span`, in ascending order.
  ///
  /// \pre `lock()` is held
  template <class Visit>
  void for_each_range_locked(va_range span, Visit&& visit) SVM_REQUIRES_SHARED(lock_) {
    lock_.assert_held_shared();
    ranges_.for_each_overlap(span, visit);
  }

  /// Calls `visit(device_mapping&)` for the mapping of a range for the gpusvm's device, then for those of other devices.
  ///
  /// \pre `lock()` is held
  template <class Visit>
  void for_each_mapping_locked(range<P>& r, Visit&& visit) SVM_REQUIRES_SHARED(lock_) {
    lock_.assert_held_shared();
    SVM_ASSERT(&r.owner() == this);
    visit(r.pages_);
    for_each_other_mapping_locked(r, visit);
  }
  /// The same in two parts: the mapping for the gpusvm's device, and those of other devices.
  [[nodiscard]] device_mapping<P>& own_mapping_locked(range<P>& r) SVM_REQUIRES_SHARED(lock_) { return r.pages_; }
  template <class Visit>
  void for_each_other_mapping_locked(range<P>& r, Visit&& visit) SVM_REQUIRES_SHARED(lock_) {
    for (device_mapping<P>* m = r.others_.front(); m != nullptr; m = r.others_.next(*m)) visit(*m);
  }

  /// Clears `valid` of every mapping of a range, so that nothing is bound from it any more.
  ///
  /// \pre `lock()` is held exclusive, or shared together with the range's lock
  void invalidate_pages_locked(range<P>& r) SVM_REQUIRES_SHARED(lock_) {
    for_each_mapping_locked(r, [](device_mapping<P>& p) { p.invalidate(); });
    if constexpr (page_wise_policies<P>)
      if (partial_mapping<P>* const p = r.partial()) p->invalidate(p->mapped());
  }

  /// Ends the DMA mappings of a range, for all its devices; of a partial mapping those of the pages that are invalid.
  ///
  /// \pre as `invalidate_pages_locked`, and the devices have forgotten the range
  /// \source drm_gpusvm_range_unmap_pages()
  void unmap_pages_locked(range<P>& r) SVM_REQUIRES_SHARED(lock_) { unmap_pages_locked(r, r.interval()); }
  /// The same, where the devices have forgotten no more of pages that are mapped one by one than those of `part`.
  void unmap_pages_locked(range<P>& r, [[maybe_unused]] va_range part) SVM_REQUIRES_SHARED(lock_) {
    for_each_mapping_locked(r, [](device_mapping<P>& p) { p.unmap(); });
    if constexpr (page_wise_policies<P>)
      if (partial_mapping<P>* const p = r.partial()) p->unmap_invalid(p->pages_of(part));
  }

  /// Remembers, for the second pass of an invalidation, that the device was told to forget `span`.
  ///
  /// \pre `lock()` is held exclusive, and nothing is pending
  void begin_pending_locked(va_range span) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    SVM_ASSERT(!pending_);
    pending_ = true;
    pending_span_ = span;
  }
  /// What `begin_pending_locked` was given, once.
  ///
  /// \pre `lock()` is held exclusive
  [[nodiscard]] va_range end_pending_locked() SVM_REQUIRES(lock_) {
    lock_.assert_held();
    SVM_ASSERT(pending_);
    pending_ = false;
    return pending_span_;
  }

  /// Marks a range that an unmap of the CPU touched; `event` says whether all of it.
  ///
  /// \pre `lock()` is held exclusive
  /// \source drm_gpusvm_range_set_unmapped(); sticky in the same way
  void set_unmapped_locked(range<P>& r, va_range event) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    r.set(range_flag::unmapped);
    if (!event.contains(r.interval())) r.set(range_flag::partial_unmap);
  }

  /// Prints the span, the sequence, each range and its mappings, as part of what `gpusvm::dump` prints.
  ///
  /// \pre    it stands in the index of the gpusvm, and stays there: as in `for_each_notifier`; the rest as `gpusvm::dump`
  /// \allocs none
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);

  [[nodiscard]] invalidation_answer invalidate(invalidation const& event, std::uint64_t sequence) noexcept override {
    if (event.may_block) {
      lock_.lock();
    } else if (!lock_.try_lock()) {
      return invalidation_answer::refused;  // before the sequence is set: nothing has happened
    }
    env_.mm.set_sequence(registration_, sequence);
    env_.observer.record({event_kind::invalidated, event.span});
    // A second pass takes the lock again, so it may have to wait; and there is room for one at a time.
    bool const two = event.may_block && !pending_;
    invalidation_answer const answer =
        client_.invalidate(*this, event, two ? invalidation_passes::two : invalidation_passes::one);
    lock_.unlock();
    return answer;
  }

  void finish_invalidation(invalidation const& event) noexcept override {
    exclusive_guard const guard{lock_};
    client_.finish_invalidation(*this, event);
  }

  /// The driver's own state; the library does not touch it.
  [[no_unique_address]] typename P::notifier_data data{};

 private:
  friend class gpusvm<P>;
  friend class new_ranges<P>;
  friend class range<P>;
  template <svm_policies Q>
  friend class faulted_in;
  template <page_wise_policies Q>
  friend class page_mapper;

  /// Adds a mapping of a range for another device, or takes it away.
  ///
  /// \pre `lock()` is held exclusive
  void attach_locked(range<P>& r, device_mapping<P>& other) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    r.others_.push_back(other);
  }
  void detach_locked(range<P>& r, device_mapping<P>& other) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    r.others_.erase(other);
  }

  template <class Out>
  void dump_locked(range<P>& r, detail::line_writer<Out>& line) SVM_REQUIRES(lock_);

  /// Drops the index's reference, once no reader without a lock can look at the notifier any more.
  static void leave_index(retire_hook& hook) noexcept { static_cast<notifier&>(hook).put(); }

  // Out of line: it is rare, and g++ 12 takes a second put of a plain count for a use after free when it sees both.
  [[gnu::noinline]] void end() { detail::destroy(env_.memory, this); }

  svm_environment<P>& env_;
  invalidation_client<P>& client_;
  va_range const interval_;
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
  bool retired_ SVM_GUARDED_BY(lock_) = false;
  bool pending_ SVM_GUARDED_BY(lock_) = false;  // an invalidation is between its passes
  lock_type lock_;
  range_index ranges_ SVM_GUARDED_BY(lock_);
  typename spare_ranges::pool& spare_;
  va_range pending_span_ SVM_GUARDED_BY(lock_){cpu_va{}, byte_count{1}};
  typename P::mm::registration registration_{};
};

/// A counted reference on a notifier.
template <svm_policies P>
using notifier_ref = counted_ref<notifier<P>>;

}  // namespace svm::inline v0
