// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: policies need a type `clock`
// each-with: BY_ASSERTION BY_NAME
#include "../static/archetypes.hpp"

struct my_policies : svm::default_policies {
  using mm = archetypes::mm;
  using device = archetypes::device;
  using pagemap = archetypes::pagemap;
  using lock = archetypes::lock;
  using allocator = archetypes::allocator;
#ifdef FIXED
  using clock = archetypes::clock;
#endif
};

#include "named_policies.hpp"
