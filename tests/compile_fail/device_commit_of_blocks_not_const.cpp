// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: device needs `void commit\(va_range, std::span<device_address const>, mapping_access\) noexcept`
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_device : archetypes::device {
#ifdef FIXED
  void commit(svm::va_range, std::span<svm::device_address const>, svm::mapping_access) noexcept;
#else
  void commit(svm::va_range, std::span<svm::device_address>, svm::mapping_access) noexcept;
#endif
};
struct my_policies : archetypes::policies {
  using device = my_device;
};

#include "named_policies.hpp"
