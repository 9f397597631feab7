// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

namespace svmsh {

/// Runs `svmsh replay` with the arguments behind the verb; returns the exit status.
int replay_main(std::span<char const* const> arguments);

}  // namespace svmsh
