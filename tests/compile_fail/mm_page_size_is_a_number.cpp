// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: address_space needs `static constexpr byte_count page_size`
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifdef FIXED
  static constexpr svm::byte_count page_size{4096};
#else
  static constexpr std::uint64_t page_size = 4096;
#endif
};
struct my_policies : archetypes::policies {
  using mm = my_mm;
};

#include "named_policies.hpp"
