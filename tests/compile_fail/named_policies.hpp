// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Uses `my_policies` in the way that a macro says.

#ifdef BY_ASSERTION
static_assert(svm::explain<my_policies>());
#elif defined(BY_ENVIRONMENT)
svm::environment<my_policies>* environment;
#elif defined(BY_MIGRATOR)
#include <svm/pagemap/migrator.hpp>
svm::migrator<my_policies>* migrator;
#elif defined(BY_GPUSVM)
#include <svm/gpusvm/gpusvm.hpp>
svm::gpusvm<my_policies>* gpusvm;
#else

#include <svm/driver/queue_driver.hpp>
#include <svm/driver/svm_driver.hpp>

/// Stands for every argument that a constructor takes by reference.
struct anything {
  template <class T>
  operator T&() const;
};

#ifdef BY_DRIVER
auto* const driver = new svm::svm_driver<my_policies>(anything{}, anything{}, anything{}, anything{});
#elif defined(BY_QUEUE_DRIVER)
auto* const driver = new svm::queue_driver<my_policies>(anything{}, anything{}, anything{}, anything{});
#endif

#endif
