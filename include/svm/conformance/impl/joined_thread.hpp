// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <thread>
#include <utility>

namespace svm::inline v0::conformance {

/// A thread that its destructor waits for: std::jthread, which libc++ lacks before version 20.
class joined_thread {
 public:
  template <class Work, class... Arguments>
  explicit joined_thread(Work&& work, Arguments&&... arguments)
      : thread_(std::forward<Work>(work), std::forward<Arguments>(arguments)...) {}
  joined_thread(joined_thread const&) = delete;
  joined_thread& operator=(joined_thread const&) = delete;
  ~joined_thread() { join(); }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

}  // namespace svm::inline v0::conformance
