// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

namespace svmsh {

/// `svmsh run` with the arguments that follow the verb; returns the exit status.
int run_main(std::span<char const* const> args);

}  // namespace svmsh
