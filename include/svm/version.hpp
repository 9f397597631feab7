// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

namespace svm::inline v0 {

/// The version of the library; the build reads it from here. Only the recipe for vcpkg says it too, as a test checks.
inline constexpr int version_major = 0;
/// The second part: while the first is 0, what it changes may break users.
inline constexpr int version_minor = 3;
/// The third part: what it changes breaks nobody.
inline constexpr int version_patch = 0;
/// The three with dots.
inline constexpr char version_string[] = "0.3.0";

}  // namespace svm::inline v0
