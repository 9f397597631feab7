// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/extern.hpp>

namespace support {

/// The simulated machine with one thread; who uses it instantiates it once.
using lock_policy = svm::mock::usual_lock;
using policies = svm::mock::usual_policies;
using machine = svm::mock::usual_machine;

}  // namespace support
