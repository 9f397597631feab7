// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: pagemap needs `void release_pages\(memory&, page, page_order\) noexcept`, to be a piecewise_pagemap
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_pagemap : archetypes::pagemap {
#ifdef FIXED
  void release_pages(memory&, archetypes::page, svm::page_order) noexcept;
#else
  void release_pages(memory&, archetypes::page) noexcept;
#endif
};
struct my_policies : archetypes::policies {
  using pagemap = my_pagemap;
};

#include "named_policies.hpp"
