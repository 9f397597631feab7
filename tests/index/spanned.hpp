// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/units.hpp>

/// How an index finds the interval of an object that has one as `span`.
template <class Object>
struct spanned {
  using entry = Object;
  using address = svm::cpu_va;
  static svm::va_range interval_of(Object const& o) { return o.span; }
};
