// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: return-type-requirement|.std::same_as<.*time_point>. (was not satisfied|evaluated to false)|type
// constraint .same_as<
#include <svm/gpusvm/retry_budget.hpp>

struct my_clock {
#ifdef FIXED
  svm::time_point now() noexcept;
#else
  std::uint64_t now() noexcept;
#endif
  void wait_until(svm::time_point) noexcept;
};
svm::detail::retry_budget<my_clock>* budget;
