// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The one place where the library is instantiated with the simulated machine, every member function included: tests,
// svmsh and examples link it instead of compiling it again, and the thread-safety analysis sees it whole.

#include <svm/mock/instance.hpp>
