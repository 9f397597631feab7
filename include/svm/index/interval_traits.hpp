// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>

#include <concepts>

namespace svm::inline v0 {

/// What an index knows of the objects in it: their type, and the interval of each.
template <class T>
concept interval_traits = requires(typename T::entry const& e) {
  typename T::address;
  { T::interval_of(e) } -> std::same_as<interval<typename T::address>>;
};

}  // namespace svm::inline v0
