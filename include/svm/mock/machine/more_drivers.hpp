// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/machine/machine_policies.hpp>

namespace svm::inline v0::mock {

/// The drivers that a GPU has for a process beside `svm_driver`: none. `all_drivers.hpp` has those of a full machine.
template <class P, drivers Drivers>
struct more_drivers {};

/// What is known of the memory that moves between the processors of a process: nothing.
template <class P, drivers Drivers>
struct watched_moves {};

}  // namespace svm::inline v0::mock
