// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/base/construct.hpp>
#include <svm/base/page_mask.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mappable_memory.hpp>
#include <svm/concepts/page_wise.hpp>

namespace svm::inline v0 {

/// The mapping of a range for its gpusvm's device, of which pages come and go one by one: each is mapped by itself, so
/// that it can go without its neighbours.
///
///     range    [                                )
///     valid     ####    ########        ##            the device's page table points at these
///     mapped    ####    #########       ##            an event took one, whose DMA mapping is about to end
///
/// A range has either this or its `device_mapping`, never both.
///
/// Invariants: 1. valid lies in mapped. 2. a page of `writable` or `atomic` is valid.
///
/// Locks: as `device_mapping`: changed with the range lock and the notifier lock shared, or the notifier lock exclusive;
/// read with one of the two.
template <page_wise_policies P>
class partial_mapping {
 public:
  using page = typename P::mm::page;
  using run = page_run<page>;
  using memory = mappable_memory<page, typename P::device>;
  using lock_type = typename P::lock::template shared_mutex<lock_rank::notifier>;

  /// \param env  the device that uses the mapping, on the address space of the span
  partial_mapping(svm_environment<P>& env, va_range span)
      : env_(env), span_(span), addresses_(env.memory), owners_(env.memory) {}
  partial_mapping(partial_mapping const&) = delete;
  partial_mapping& operator=(partial_mapping const&) = delete;
  ~partial_mapping() { SVM_ASSERT(mapped_.none()); }

  /// Takes room for the addresses of all pages.
  ///
  /// \errors no_memory; unsupported: the span has more pages than a mask
  [[nodiscard]] errc reserve() {
    std::size_t const count = pages_in(span_.size(), P::mm::page_size).value;
    if (count > page_mask::pages) return errc::unsupported;
    return addresses_.reserve(count) && owners_.reserve(count) ? errc::ok : errc::no_memory;
  }

  [[nodiscard]] svm_environment<P>& env() const { return env_; }
  [[nodiscard]] va_range span() const { return span_; }
  [[nodiscard]] page_mask const& mapped() const { return mapped_; }
  /// The pages at which the device's page table points.
  [[nodiscard]] page_mask const& valid() const { return valid_; }
  /// The pages of `valid` that are good for an access.
  [[nodiscard]] page_mask const& serving(access_kind want) const {
    if (want == access_kind::read) return valid_;
    return want == access_kind::write ? writable_ : atomic_;
  }
  /// The address of a page, and the device memory behind it; null for system memory.
  ///
  /// \pre the page is mapped
  [[nodiscard]] device_address const& address_of(unsigned p) const { return addresses_[p]; }
  [[nodiscard]] memory* memory_of(unsigned p) const { return owners_[p]; }

  /// The pages of the mapping that `what` meets.
  [[nodiscard]] page_mask pages_of(va_range what) const {
    if (!what.overlaps(span_)) return {};
    va_range const part = what.intersection(span_);
    return page_mask{page_span{number(part.start()), number(part.last()) + 1}};
  }
  /// Where a run of pages lies.
  [[nodiscard]] va_range span_of(page_span pages) const {
    return {span_.start() + P::mm::page_size * pages.first, P::mm::page_size * pages.size()};
  }

  /// Maps what a page walk found from page `first` on, and points the device's page table at it. A page that is valid for
  /// all of `how` stays as it is.
  ///
  /// \param held   the notifier's lock
  /// \param found  runs, all present
  /// \pre    the device's `prepare`; `reserve`; the locks of the class comment
  /// \errors dma_map_failed, unsupported (device memory out of reach): what was not valid before is not mapped
  /// \allocs none
  [[nodiscard]] errc map_locked(lock_type& held, std::span<run const> found, unsigned first, mapping_access how)
      SVM_REQUIRES_SHARED(held) {
    held.assert_held_shared();
    unsigned end = first;
    for (run const& r : found) end += r.count;
    page_mask const asked = page_mask{page_span{first, end}} - good_for(how);
    drop(asked);
    unsigned at = first;
    for (run const& r : found) {
      for (unsigned n = 0; n < r.count; ++n, ++at) {
        if (!asked.test(at)) continue;
        if (errc const e = map_page(r, n, at, how); e != errc::ok) {
          unmap(asked);
          return e;
        }
      }
    }
    sync(asked, true);
    for (page_span part = asked.next_run(0); !part.empty(); part = asked.next_run(part.end)) {
      env_.device.commit(span_of(part), std::span{addresses_.data() + part.first, part.size()}, how);
    }
    valid_ |= asked;
    if (how != mapping_access::read_only) writable_ |= asked;
    if (how == mapping_access::read_write) atomic_ |= asked;
    return errc::ok;
  }

  /// Makes pages invalid; the device may still have them.
  ///
  /// \return false when none of them is mapped
  bool invalidate(page_mask const& gone) {
    valid_ -= gone;
    writable_ -= gone;
    atomic_ -= gone;
    return gone.meets(mapped_);
  }
  /// Ends the DMA mappings of those pages that are not valid.
  ///
  /// \pre the device has forgotten them
  void unmap_invalid(page_mask const& gone) { unmap((gone & mapped_) - valid_); }
  /// Makes the device forget pages, and ends their DMA mappings.
  void drop(page_mask const& gone) {
    if (!invalidate(gone)) return;
    page_mask const had = gone & mapped_;
    for (page_span part = had.next_run(0); !part.empty(); part = had.next_run(part.end))
      env_.device.invalidate(span_of(part));
    unmap(had);
  }
  void drop_all() { drop(mapped_); }

  /// Makes what the system wrote to pages visible to the device, or the reverse, where that needs doing.
  ///
  /// \pre the pages are mapped; the range lock and the notifier lock shared
  void sync([[maybe_unused]] page_mask const& pages, [[maybe_unused]] bool to_device) {
    if constexpr (noncoherent_device<typename P::device>)
      for (unsigned p = pages.next(0); p != page_mask::pages; p = pages.next(p + 1))
        if (device_address const& a = addresses_[p]; a.path == interconnect::system)
          to_device ? env_.device.sync_for_device(a.address, a.pages(), a.direction)
                    : env_.device.sync_for_system(a.address, a.pages(), a.direction);
  }

 private:
  [[nodiscard]] unsigned number(cpu_va a) const {
    return static_cast<unsigned>((a.value - span_.start().value) / P::mm::page_size.value);
  }
  [[nodiscard]] page_mask const& good_for(mapping_access how) const {
    if (how == mapping_access::read_only) return valid_;
    return how == mapping_access::read_write ? atomic_ : writable_;
  }

  /// Maps the `n`-th page of a run, which is page `at` of the range.
  [[nodiscard]] errc map_page(run const& found, unsigned n, unsigned at, mapping_access how) {
    dma_direction const direction =
        how == mapping_access::read_only ? dma_direction::to_device : dma_direction::bidirectional;
    page const p = P::mm::page_at(found.page, n);
    if (found.place == page_place::device) {
      memory* const owner = memory::of(found.owner_object);
      if (owner == nullptr) return errc::unsupported;
      result<device_address> const mapped = owner->map_run(env_.device, p, page_count{1}, direction);
      if (!mapped) return mapped.error();
      owner->get();
      addresses_[at] = *mapped;
      owners_[at] = owner;
    } else {
      result<dma_addr> const mapped = env_.device.dma_map(p, page_count{1}, direction);
      if (!mapped) return mapped.error();
      addresses_[at] = {.address = *mapped, .path = interconnect::system, .direction = direction, .count = 1};
      owners_[at] = nullptr;
    }
    mapped_.set(at);
    return errc::ok;
  }

  void unmap(page_mask const& gone) {
    page_mask const had = gone & mapped_;
    for (unsigned p = had.next(0); p != page_mask::pages; p = had.next(p + 1)) {
      if (memory* const owner = std::exchange(owners_[p], nullptr); owner != nullptr) {
        owner->unmap_run(env_.device, addresses_[p]);
        owner->put();
      } else {
        env_.device.dma_unmap(addresses_[p].address, page_count{1}, addresses_[p].direction);
      }
    }
    mapped_ -= had;
  }

  svm_environment<P>& env_;
  va_range const span_;
  detail::scratch_array<device_address, typename P::allocator> addresses_;
  detail::scratch_array<memory*, typename P::allocator> owners_;
  page_mask mapped_;
  page_mask valid_;
  page_mask writable_;
  page_mask atomic_;
};

namespace detail {

/// What a range has of a partial mapping: nothing, without a policy that decides page by page.
template <svm_policies P>
struct partial_slot {};

/// With one, the mapping once the range was served.
template <page_wise_policies P>
struct partial_slot<P> {
  partial_slot() = default;
  partial_slot(partial_slot const&) = delete;
  partial_slot& operator=(partial_slot const&) = delete;
  ~partial_slot() {
    if (mapping != nullptr) destroy(mapping->env().memory, mapping);
  }

  partial_mapping<P>* mapping = nullptr;  // changes with the notifier's lock exclusive
};

}  // namespace detail

}  // namespace svm::inline v0
