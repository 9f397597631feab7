// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

namespace svmsh {

extern char const vm_bind_help[];

/// `svmsh vm_bind` with the arguments that follow the verb; returns the exit status.
int vm_bind_main(std::span<char const* const> args);

}  // namespace svmsh
