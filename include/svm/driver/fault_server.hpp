// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include <svm/base/result.hpp>
#include <svm/base/time.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/concepts/page_wise.hpp>

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

namespace detail {

/// Who serves the faults of a driver in its place.
class fault_server {
 public:
  [[nodiscard]] virtual errc serve_faults(std::span<block_fault> batch, cancellation const* cancel) noexcept = 0;

 protected:
  ~fault_server() = default;
};

/// What a driver has of a fault server: nothing, without a policy that decides page by page.
template <svm_policies P>
struct server_slot {};

/// With one, a server if somebody made one.
template <page_wise_policies P>
struct server_slot<P> {
  fault_server* server = nullptr;
};

}  // namespace detail

}  // namespace svm::inline v0
