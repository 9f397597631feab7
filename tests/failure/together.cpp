// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What fails at each step, in one compilation: these files use the same headers and name each other's functions, so that
// they take half of the time together, and cannot share a bundle.

#include "failure_loop.cpp"
#include "gpuvm_triples_test.cpp"
#include "stage.cpp"
#include "trace.cpp"
#include "triples_test.cpp"
