// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include <svm/base/time.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/driver/svm_driver.hpp>

namespace svm::inline v0 {

/// One fault of a batch, and how it ended.
struct block_fault {
  cpu_va at{};  ///< byte address in the CPU space
  access_kind want = access_kind::read;
  std::uint32_t requester = 0;  ///< who asks: an engine or a warp

  errc error = errc::ok;      ///< as svm_driver::fault
  time_point wait_until{};    ///< of a throttled one: when to ask again
  bool is_throttled = false;  ///< nothing was done for it, and nothing is wrong
};

/// What services did since the start; the README defines each word.
struct service_counts {
  std::uint64_t fault_services = 0;   ///< services that moved at least one page
  std::uint64_t faults_resident = 0;  ///< distinct pages of a batch that were in the GPU's memory when it began
  std::uint64_t duplicates = 0;       ///< later mentions of a page in the same batch
  std::uint64_t batches = 0;
  std::uint64_t pages_prefetched = 0;
  std::uint64_t refaults = 0;  ///< pages that faulted, and whose last way out of the GPU's memory was an eviction
  std::uint64_t pages_throttled = 0;
  std::uint64_t pages_pinned = 0;
};

/// Serves GPU faults page by page, block by block, as the bundle's placement policy says.
///
/// While it lives, `svm_driver::fault` comes here too: each fault is a batch of one. Without it the driver moves whole
/// ranges, as ever. The simulated machine has one a view, `view::blocks`, where `machine_options::placement` has options.
template <page_wise_policies P>
class block_service {
 public:
  using policy = typename P::placement;
  using options = typename policy::options;

  /// \param driver  outlives it; has no range yet
  block_service(svm_driver<P>& driver, options const& how);
  block_service(block_service const&) = delete;
  block_service& operator=(block_service const&) = delete;
  ~block_service();

  /// Serves a batch: merges faults on one page, and gives each block one service, in ascending order.
  ///
  /// Each fault that was neither throttled nor failed can be repeated now, unless an event came in between.
  /// \param batch  in any order; the answers are written into it
  /// \pre    no lock of the library held
  /// \errors the first one of a fault; the others are served all the same
  errc serve(std::span<block_fault> batch, cancellation const* cancel = nullptr);

  [[nodiscard]] service_counts counts() const;
  /// Calls `visit(cpu_va block, std::uint64_t services)` for each block that was ever served.
  template <class Visit>
  void for_each_block(Visit&& visit);
};

}  // namespace svm::inline v0
