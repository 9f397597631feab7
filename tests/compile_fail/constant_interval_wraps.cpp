// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: non-.constexpr. function|must be initialized by a constant
#include <svm/base/interval.hpp>

#ifdef FIXED
constexpr svm::byte_count size{1};
#else
constexpr svm::byte_count size{2};
#endif
constexpr svm::va_range at_the_top{svm::cpu_va{UINT64_MAX}, size};
