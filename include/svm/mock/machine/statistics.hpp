// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <svm/concepts/observer.hpp>
#include <svm/mock/machine/callback.hpp>

namespace svm::inline v0::mock {

/// Counts the library's events, and passes them on to whoever listens.
class statistics {
 public:
  void record(event const& e) noexcept {
    std::size_t const kind = static_cast<std::size_t>(e.kind);
    ++counts_[kind];
    bytes_[kind] += e.bytes.value;
    if (e.kind == event_kind::copied) copied_[static_cast<std::size_t>(e.reason.cause)] += e.bytes.value;
    if (listener) listener(e);
  }

  [[nodiscard]] std::uint64_t count(event_kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] std::uint64_t bytes(event_kind kind) const { return bytes_[static_cast<std::size_t>(kind)]; }

  /// Bytes that were copied for a cause; those of all causes are all that copy engines moved.
  [[nodiscard]] std::uint64_t copied(migration_cause cause) const { return copied_[static_cast<std::size_t>(cause)]; }

  /// Called with every event, in the context of the event: see the promises of `observer`.
  callback<event const&> listener;

 private:
  static constexpr std::size_t kinds = static_cast<std::size_t>(event_kind::copied) + 1;
  std::array<std::atomic<std::uint64_t>, kinds> counts_{};
  std::array<std::atomic<std::uint64_t>, kinds> bytes_{};
  static constexpr std::size_t causes = static_cast<std::size_t>(migration_cause::fork) + 1;
  std::array<std::atomic<std::uint64_t>, causes> copied_{};
};
static_assert(observer<statistics>);

}  // namespace svm::inline v0::mock
