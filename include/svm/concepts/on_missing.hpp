// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

namespace svm::inline v0 {

/// What an explanation does about the first thing that a type lacks.
///
/// Compilers tell which part of a concept failed in their own ways, and g++ 12 names no member at all. So each concept
/// of a policy has a function `explain_...` beside it, with a sentence for each of its requirements in their order. A
/// test holds that it answers as the concept does.
enum class on_missing : bool {
  error,   ///< a compile-time error, which begins with one sentence that names it
  answer,  ///< the answer false
};

}  // namespace svm::inline v0
