// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/mock/machine/callback.hpp>

namespace svm::inline v0::mock {

/// Places where other parts of the machine may act in between.
enum class step : std::uint8_t {
  walked,       ///< fault_in has made everything present and returns; the map lock is held shared
  registering,  ///< a notifier is about to be registered
  collecting,   ///< a migration is about to lock pages
  withdrawing,  ///< a migration of device pages has looked where they are mapped, and is about to take them out there
  copying,      ///< the copy engine is about to move a job
  installing,   ///< a migration is about to move the mappings
  finalized,    ///< a migration has put every page back into place
  preparing,    ///< the GPU makes room in its page table, just before a bind
  forking,      ///< a process is about to be copied
  moving,       ///< mremap is about to look at what it moves
  swapping,     ///< the swap daemon is about to pick a page
  clearing,     ///< device memory is about to be cleared
  told,         ///< an event was told to all targets, and those that went on working are about to be waited for
};

/// Lets a test act at the machine's steps: re-enter the library, start an invalidation, park a thread.
///
/// While the hook runs on a thread it is not called again on that thread.
class steps {
 public:
  /// Set it before other threads start.
  callback<step> hook;

  void at(step s) {
    thread_local bool inside = false;
    if (!hook || inside) return;
    inside = true;
    hook(s);
    inside = false;
  }
};

}  // namespace svm::inline v0::mock
