// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/base/dump.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/retire_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/gpusvm/device_mapping.hpp>
#include <svm/gpusvm/partial_mapping.hpp>

namespace svm::inline v0 {

template <svm_policies P>
class notifier;
template <explained_policies P>
class gpusvm;
template <explained_policies P>
class new_ranges;

/// What became of a range; sticky.
enum class range_flag : std::uint32_t {
  unmapped = 1,       ///< an unmap of the CPU touched it: it never gets pages again, and the collector removes it
  partial_unmap = 2,  ///< an unmap covered only part of it
  removed = 4,        ///< it is out of its notifier's index
};

/// A span of CPU memory that the GPU maps as one: a chunk of the table, aligned to its size, inside one notifier.
///
/// Counted; it keeps its notifier, which keeps nothing of the gpusvm but the policy objects. The extent, the notifier
/// and whether it may migrate never change.
///
/// Invariants: 1. not removed => it stands in the index of its notifier. 2. unmapped or removed => never mapped again.
/// Locks: `lock_` (range) covers getting, dropping and evicting its pages; the pages' own rule is in device_mapping.hpp; flags
/// are set with the notifier lock exclusive.
///
/// The reference's driver owns the pages of a range and may have several, one a device; here the range has those of the
/// gpusvm's device itself, and `gpusvm::attach` adds others.
/// \source struct drm_gpusvm_range
template <svm_policies P>
class range : public list_hook<range<P>>, private retire_hook {
 public:
  /// \param env  of the gpusvm; outlives the range
  range(svm_environment<P>& env, notifier<P>& owner, va_range interval, bool migratable)
      : retire_hook(&range::leave_index), owner_(owner), interval_(interval), pages_(env, migratable) {
    owner_.get();
  }

  [[nodiscard]] va_range interval() const { return interval_; }
  [[nodiscard]] notifier<P>& owner() const { return owner_; }
  /// True when its memory may go to a device; decided when it was made.
  [[nodiscard]] bool is_migratable() const { return pages_.is_migratable(); }

  [[nodiscard]] bool has(range_flag flag) const { return (flags_.load() & static_cast<std::uint32_t>(flag)) != 0; }
  /// The mapping for the device of the gpusvm.
  [[nodiscard]] device_mapping<P> const& mapping() const { return pages_; }
  /// The mapping of single pages, once the range was served page by page; else null.
  ///
  /// \pre the range's lock or its notifier's is held
  [[nodiscard]] auto partial() const requires page_wise_policies<P> {
    // clang++ 14 instantiates what is not to be called, where a class is instantiated by name.
    if constexpr (page_wise_policies<P>) return partial_.mapping;
  }

  /// Prints the span, the flags, and each mapping with its access and blocks, as part of what `gpusvm::dump` prints.
  ///
  /// \pre    no lock of rank notifier or later held; takes notifier (exclusive) around `out`, which may not wait for
  ///         memory or for an event
  /// \allocs none
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);

  /// How many references there are: the index's, the collector's queue's, and those of users. Advisory.
  [[nodiscard]] std::uint32_t references() const { return references_.value(); }
  void get() { references_.get(); }
  /// Drops a reference; the last one frees the range.
  ///
  /// \pre no lock of rank notifier or later held
  void put() {
    if (references_.put()) end();
  }

  /// The driver's own state; the library does not touch it.
  [[no_unique_address]] typename P::range_data data{};

 private:
  friend class notifier<P>;
  friend class gpusvm<P>;
  friend class new_ranges<P>;
  template <svm_policies Q>
  friend class locked_range;
  template <page_wise_policies Q>
  friend class page_mapper;

  [[gnu::noinline]] void end() {
    notifier<P>& owner = owner_;
    typename P::allocator& memory = owner.env().memory;
    this->~range();
    memory.deallocate(reinterpret_cast<std::byte*>(this), sizeof(range), alignof(range));
    owner.put();
  }
  /// Drops the index's reference, once no reader without a lock can look at the range any more: `gpusvm::close` has not
  /// ended yet.
  static void leave_index(retire_hook& hook) noexcept {
    range& r = static_cast<range&>(hook);
    auto& spare = r.owner_.spare_;
    if (!r.references_.put()) return spare.uncharge();
    notifier<P>& owner = r.owner_;
    r.~range();
    std::byte* const place = reinterpret_cast<std::byte*>(&r);
    if (!spare.uncharge_and_keep(place)) owner.env().memory.deallocate(place, sizeof(range), alignof(range));
    owner.put();
  }

  void set(range_flag flag) { flags_.fetch_or(static_cast<std::uint32_t>(flag)); }

  notifier<P>& owner_;
  typename P::lock::template atomic<std::uint32_t> flags_{0};
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
  // Side by side what a fault looks at that is served already: most often in one line of the cache.
  va_range const interval_;
  device_mapping<P> pages_;
  typename P::lock::template mutex<lock_rank::range> lock_;
  intrusive_list<device_mapping<P>> others_;  // under the notifier's lock, exclusive to change
  [[no_unique_address]] detail::partial_slot<P> partial_;
};

/// A counted reference on a range.
template <svm_policies P>
using range_ref = counted_ref<range<P>>;

/// The right to work on a range's pages: its lock, a reference on it, and a user reference on the mm.
///
/// Everything that must exclude each other on one range takes one of these as an argument, so it cannot be forgotten.
/// Moves; ends in the order lock, range reference, mm reference.
/// Since it moves, clang's thread-safety analysis does not know that it holds the lock.
template <svm_policies P>
class [[nodiscard]] locked_range {
 public:
  locked_range(typename P::mm& mm, range_ref<P> held) : mm_(&mm), alive_(mm.get_user()), range_(std::move(held)) {
    range_->lock_.lock();
  }
  locked_range(locked_range&& other) noexcept
      : mm_(std::exchange(other.mm_, nullptr)), alive_(other.alive_), range_(std::move(other.range_)) {}
  locked_range& operator=(locked_range&&) = delete;
  ~locked_range() {
    if (mm_ == nullptr) return;
    range_->lock_.unlock();
    range_ = {};
    if (alive_) mm_->put_user();
  }

  [[nodiscard]] range<P>& operator*() const { return *range_; }
  [[nodiscard]] range<P>* operator->() const { return range_.get(); }
  /// False when the address space had exited: the range can be unmapped and removed, and nothing else.
  [[nodiscard]] bool mm_alive() const { return alive_; }
  [[nodiscard]] typename P::mm& mm() const { return *mm_; }

 private:
  typename P::mm* mm_;
  bool alive_;
  range_ref<P> range_;
};

}  // namespace svm::inline v0
