// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: device needs `errc sync_iova\(dma_addr, byte_count\) noexcept`, to be an iova_device
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_device : archetypes::full_device {
#ifndef FIXED
  void sync_iova(svm::dma_addr, svm::byte_count) noexcept;
#endif
};
struct my_policies : archetypes::policies {
  using device = my_device;
};

#include "named_policies.hpp"
