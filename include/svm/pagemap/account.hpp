// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/construct.hpp>
#include <svm/base/quota.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

/// How much device memory a user has, and may have: each allocation charges it for as long as it takes memory.
///
/// Counted, because an allocation may outlive the user. Every function may be called from any thread.
template <migrating_policies P>
class device_account {
 public:
  device_account(typename P::allocator& memory, byte_count limit) : memory_(memory), bytes_(limit.value) {}
  device_account(device_account const&) = delete;
  device_account& operator=(device_account const&) = delete;

  void get() { references_.get(); }
  void put() {
    if (references_.put()) detail::destroy(memory_, this);
  }

  /// Takes `size` bytes; false, and nothing is taken, when so much is not left.
  [[nodiscard]] bool charge(byte_count size) { return bytes_.charge(size.value); }
  void uncharge(byte_count size) { bytes_.uncharge(size.value); }

  [[nodiscard]] byte_count used() const { return {bytes_.used()}; }

 private:
  typename P::allocator& memory_;
  detail::quota<typename P::lock::template atomic<std::uint64_t>> bytes_;
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
};

/// A counted reference on an account.
template <migrating_policies P>
using device_account_ref = counted_ref<device_account<P>>;

}  // namespace svm::inline v0
