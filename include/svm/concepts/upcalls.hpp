// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/time_source.hpp>

namespace svm::inline v0 {

/// Whose device pages are meant: a pagemap, as the member of the group of pagemaps whose devices reach each other's
/// memory. It never changes. `nobody` is in no group.
struct page_owner {
  std::uint32_t group = 0;
  std::uint32_t member = 0;
  friend constexpr bool operator==(page_owner, page_owner) = default;
  /// True when the device of the one reaches the memory of the other.
  [[nodiscard]] constexpr bool reaches(page_owner other) const { return group != 0 && group == other.group; }
};
/// Owns no page, and reaches none.
inline constexpr page_owner nobody{};

/// Names one address space of the machine. It never changes, and no other address space gets it while anybody may still
/// have it; a number that only grows will do. The default names none.
struct space_id {
  std::uint64_t value = 0;
  friend constexpr bool operator==(space_id, space_id) = default;
};

/// The pages that one address space maps in a span.
struct page_scope {
  space_id space;
  va_range span;
};

/// Why the CPU's mappings change.
enum class invalidation_cause : std::uint8_t {
  unmap,       ///< the VMA is gone; the addresses may soon mean something else
  clear,       ///< entries are dropped and the VMA stays (advice, a page replaced)
  protection,  ///< the permission changes
  migrate,     ///< the pages move; `owner` says on whose behalf
  release,     ///< the process exits
};

/// An event that ends the validity of what a device knows about `span`.
struct invalidation {
  va_range span;
  invalidation_cause cause;
  page_owner owner = nobody;
  bool may_block = true;
};

/// How a target answered to an event.
enum class invalidation_answer : std::uint8_t {
  refused,  ///< only for an event that may not block: nothing was done, and nothing will be
  done,     ///< no device can reach a page of the span any more
  pending,  ///< nothing new can be mapped, and the device was told; `finish_invalidation` does the rest
};

/// What an mm calls when mappings under a registered notifier change, in two passes, so that several devices work at
/// the same time: first `invalidate` of every target that the event meets, then `finish_invalidation` of each that
/// answered `pending`. That comes in the same order and exactly once, also when a later target refused. Only then do the
/// pages go.
///
/// The callee stores `sequence` with `mm::set_sequence` under its own lock before it changes anything. Both calls take
/// only locks of rank notifier and above, allocate nothing and wait for nothing but the device.
class invalidation_target {
 public:
  [[nodiscard]] virtual invalidation_answer invalidate(invalidation const& event, std::uint64_t sequence) noexcept = 0;
  virtual void finish_invalidation(invalidation const& event) noexcept = 0;

 protected:
  ~invalidation_target() = default;
};

/// A CPU access that met a page in device memory.
template <class Page>
struct cpu_fault {
  space_id space;  ///< whose access it was
  cpu_va address;
  Page page;     ///< the base page, in device memory; the mm holds a reference on its block and no lock
  va_range vma;  ///< the extent of the VMA around `address`
};

/// How a CPU fault on device memory ended.
struct cpu_fault_answer {
  enum class action : std::uint8_t {
    look_again,  ///< walk the page table again: the page came back, or (`error` is in_use) somebody else is moving it
    wait,        ///< the device may keep it until `until`: wait, then fault again
    fail,        ///< it cannot come back now, for the reason in `error`
  };
  action next = action::look_again;
  time_point until{};
  errc error = errc::ok;
};

/// What stands behind the pages of one device memory allocation.
///
/// `page_faulted` may come from any thread and with the map lock held shared. `page_freed` may come from the last put of
/// a page in any context, `page_split` with page-table locks held: both take leaf locks only and do not sleep.
template <class Page>
class device_page_owner {
 public:
  /// Tells the classes that derive from this one apart, where there is no RTTI: each passes an object of its own.
  struct family {};

  explicit constexpr device_page_owner(family const& kind) : kind_(&kind) {}
  [[nodiscard]] bool is_of(family const& kind) const { return kind_ == &kind; }

  /// The pagemap that the pages belong to; the same for the whole life of the pages.
  [[nodiscard]] virtual page_owner owner() const noexcept = 0;
  [[nodiscard]] virtual cpu_fault_answer page_faulted(cpu_fault<Page> const& fault) noexcept = 0;
  /// The last reference on the block of 2^order pages from `first` on is gone.
  virtual void page_freed(Page first, page_order order) noexcept = 0;
  /// The block of 2^from pages from `first` on became blocks of 2^to pages, each with its own references from now on.
  virtual void page_split(Page first, page_order from, page_order to) noexcept = 0;

 protected:
  ~device_page_owner() = default;

 private:
  family const* kind_;
};

}  // namespace svm::inline v0
