// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: policies need a type `clock`
// each-with: BY_ASSERTION BY_DRIVER BY_QUEUE_DRIVER BY_GPUSVM BY_MIGRATOR BY_ENVIRONMENT
#include "../static/archetypes.hpp"

struct my_policies : svm::default_policies {
  using mm = archetypes::mm;
  using device = archetypes::full_device;
  using pagemap = archetypes::full_pagemap;
  using lock = archetypes::lock;
  using allocator = archetypes::allocator;
#ifdef FIXED
  using clock = archetypes::clock;
#endif
};

#include "named_policies.hpp"
