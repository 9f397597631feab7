// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/clock.hpp>

namespace svm::inline v0 {

/// Whose device pages a call means: a number that a pagemap gives itself. `nobody` matches no pagemap.
struct page_owner {
  std::uint64_t cookie = 0;
  friend constexpr bool operator==(page_owner, page_owner) = default;
};
inline constexpr page_owner nobody{};

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

/// What an mm calls when mappings under a registered notifier change.
///
/// The callee stores `sequence` with `mm::set_sequence` under its own lock before it changes anything, and returns once
/// no device can reach a page of the span any more. It takes only locks of rank notifier and above, allocates nothing
/// and waits for nothing but the device. False, allowed only for an event that may not block, means that nothing was
/// done.
class invalidation_target {
 public:
  [[nodiscard]] virtual bool invalidate(invalidation const& event, std::uint64_t sequence) noexcept = 0;

 protected:
  ~invalidation_target() = default;
};

/// A CPU access that met a page in device memory.
template <class Page>
struct cpu_fault {
  cpu_va address;
  Page page;     ///< in device memory; the mm holds a reference on it and no lock
  va_range vma;  ///< the extent of the VMA around `address`
};

/// How a CPU fault on device memory ended.
struct cpu_fault_answer {
  enum class action : std::uint8_t {
    look_again,  ///< the page came back, or somebody else is moving it: walk the page table again
    wait,        ///< the device may keep it until `until`: wait, then fault again
    fail,        ///< it cannot come back now, for the reason in `error`
  };
  action next = action::look_again;
  time_point until{};
  errc error = errc::ok;
};

/// What stands behind the pages of one device memory allocation.
///
/// Both calls may come from any thread and with the map lock held shared. `page_freed` may come from the last put of a
/// page in any context: it takes leaf locks only and does not sleep.
template <class Page>
class device_page_owner {
 public:
  [[nodiscard]] virtual cpu_fault_answer page_faulted(cpu_fault<Page> const& fault) noexcept = 0;
  virtual void page_freed() noexcept = 0;

 protected:
  ~device_page_owner() = default;
};

}  // namespace svm::inline v0
