// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

// Assertions are on unless NDEBUG says otherwise; define SVM_ASSERTIONS to 0 or 1 to decide by hand.
#ifndef SVM_ASSERTIONS
#ifdef NDEBUG
#define SVM_ASSERTIONS 0
#else
#define SVM_ASSERTIONS 1
#endif
#endif

// Clang's thread-safety analysis (-Wthread-safety); other compilers see nothing.
#if defined(__clang__)
#define SVM_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define SVM_THREAD_ANNOTATION(x)
#endif
#define SVM_CAPABILITY(name) SVM_THREAD_ANNOTATION(capability(name))
#define SVM_SCOPED_CAPABILITY SVM_THREAD_ANNOTATION(scoped_lockable)
#define SVM_GUARDED_BY(x) SVM_THREAD_ANNOTATION(guarded_by(x))
#define SVM_REQUIRES(...) SVM_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define SVM_REQUIRES_SHARED(...) SVM_THREAD_ANNOTATION(requires_shared_capability(__VA_ARGS__))
#define SVM_ACQUIRE(...) SVM_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define SVM_ACQUIRE_SHARED(...) SVM_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define SVM_RELEASE(...) SVM_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define SVM_RELEASE_SHARED(...) SVM_THREAD_ANNOTATION(release_shared_capability(__VA_ARGS__))
#define SVM_RELEASE_GENERIC(...) SVM_THREAD_ANNOTATION(release_generic_capability(__VA_ARGS__))
#define SVM_TRY_ACQUIRE(...) SVM_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define SVM_EXCLUDES(...) SVM_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define SVM_ASSERT_CAPABILITY(x) SVM_THREAD_ANNOTATION(assert_capability(x))
#define SVM_RETURN_CAPABILITY(x) SVM_THREAD_ANNOTATION(lock_returned(x))
#define SVM_NO_THREAD_SAFETY_ANALYSIS SVM_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace svm::inline v0 {

/// What a failed assertion knows: the two values are those that the assertion compared (0 where it compared none).
struct assertion_failure {
  char const* expression;
  char const* file;
  int line;
  std::uint64_t left;
  std::uint64_t right;
};

/// Called by a failed assertion before it traps; a program may install its own to print the values.
inline void (*assertion_handler)(assertion_failure const&) = nullptr;

/// Ends a failed assertion: hands it to the handler, then traps.
[[noreturn]] inline void fail_assertion(assertion_failure const& failure) {
  if (assertion_handler != nullptr) assertion_handler(failure);
  __builtin_trap();
}

}  // namespace svm::inline v0

#if SVM_ASSERTIONS
#define SVM_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::svm::fail_assertion({#condition, __FILE__, __LINE__, 0, 0}))
/// Asserts `left op right` and reports both values.
#define SVM_ASSERT_OP(left, op, right)                                                                            \
  (((left)op(right))                                                                                              \
       ? static_cast<void>(0)                                                                                     \
       : ::svm::fail_assertion({#left " " #op " " #right, __FILE__, __LINE__, static_cast<::std::uint64_t>(left), \
                                static_cast<::std::uint64_t>(right)}))
#else
#define SVM_ASSERT(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
#define SVM_ASSERT_OP(left, op, right) static_cast<void>(sizeof(((left)op(right)) ? 1 : 0))
#endif
