// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"

#include <span>
#include <vector>

namespace svmsh {

/// Its keys, for the manual.
[[nodiscard]] std::vector<manual_row> bind_rows();

/// `svmsh vm_bind` with the arguments that follow the verb; returns the exit status.
int vm_bind_main(std::span<char const* const> args);

}  // namespace svmsh
