// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Uses `my_policies` in the way that a macro says.

#ifdef BY_ASSERTION
static_assert(svm::explain<my_policies>());
#else

/// Stands for every argument that a constructor takes by reference.
struct anything {
  template <class T>
  operator T&() const;
};

#ifdef BY_NAME
#include <svm/driver/svm_driver.hpp>
auto* const driver = new svm::svm_driver<my_policies>(anything{}, anything{}, anything{}, anything{});
#endif
#ifdef BY_NAME_WITH_QUEUES
#include <svm/driver/queue_driver.hpp>
auto* const driver = new svm::queue_driver<my_policies>(anything{}, anything{}, anything{}, anything{});
#endif

#endif
