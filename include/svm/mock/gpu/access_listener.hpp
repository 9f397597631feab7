// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/units.hpp>

namespace svm::inline v0::mock {

/// Who hears of a GPU's accesses over a link. Any thread; the GPU's lock is held.
class access_listener {
 public:
  virtual void count(cpu_va at) = 0;

 protected:
  ~access_listener() = default;
};

}  // namespace svm::inline v0::mock
