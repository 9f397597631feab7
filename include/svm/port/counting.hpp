// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include <svm/port/decorated.hpp>

namespace svm::inline v0::port {

/// Counts calls. Any thread may call and ask.
class call_counter {
 public:
  [[nodiscard]] std::uint64_t of(model_call c) const { return counts_[static_cast<std::size_t>(c)].load(); }
  void reset() {
    for (std::atomic<std::uint64_t>& n : counts_) n.store(0);
  }

  template <class Run>
  decltype(auto) around(model_call c, Run&& run) {
    counts_[static_cast<std::size_t>(c)].fetch_add(1);
    return std::forward<Run>(run)();
  }

 private:
  std::array<std::atomic<std::uint64_t>, model_calls> counts_{};
};

/// An mm, a device or a pagemap that counts the calls of each function: `model.tap().of(model_call::collect)`.
template <class Model>
using counting = decorated<Model, call_counter>;

}  // namespace svm::inline v0::port
