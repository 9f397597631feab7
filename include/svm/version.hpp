// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

namespace svm::inline v0 {

/// The version of the library; the build reads it from here. Only the recipe for vcpkg says it too, as a test checks.
inline constexpr int version_major = 0;
inline constexpr int version_minor = 2;
inline constexpr int version_patch = 0;
inline constexpr char version_string[] = "0.2.0";

}  // namespace svm::inline v0
