// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: policies need a type `lock`
#include <svm/gpusvm/gpusvm.hpp>

#include "../static/archetypes.hpp"

struct my_policies : svm::default_policies {
  using mm = archetypes::mm;
  using device = archetypes::device;
  using pagemap = archetypes::pagemap;
  using clock = archetypes::clock;
  using allocator = archetypes::allocator;
#ifdef FIXED
  using lock = archetypes::lock;
#endif
};
svm::gpusvm<my_policies>* svm_of_my_gpu;
