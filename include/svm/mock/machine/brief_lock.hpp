// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

#include <svm/config.hpp>

namespace svm::inline v0::mock {

/// A lock of the machine's own for a few instructions, which no policy sees. It spins: `<mutex>` alone would cost as much
/// to compile as the headers of the library's core.
class SVM_CAPABILITY("mutex") brief_lock {
 public:
  void lock() SVM_ACQUIRE() {
    while (held_.test_and_set(std::memory_order_acquire)) {
    }
  }
  void unlock() SVM_RELEASE() { held_.clear(std::memory_order_release); }

 private:
  std::atomic_flag held_;
};

}  // namespace svm::inline v0::mock
