// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/machine/failure.hpp>

namespace support {

/// Where the environment names a file in SVM_FAILURE_TRACE, lets the plan write down the calls that are on the stack at
/// each failure; tests/tools/failure_triples.py reads them. Elsewhere it does nothing.
void trace_failures(svm::mock::failure_plan& plan);

}  // namespace support
