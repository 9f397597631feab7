// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: pagemap needs a `memory` that can be moved and assigned
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_memory {
  my_memory();
#ifdef FIXED
  my_memory(my_memory&&) noexcept;
  my_memory& operator=(my_memory&&) noexcept;
#else
  my_memory(my_memory const&) = delete;
  my_memory& operator=(my_memory const&) = delete;
#endif
};

/// A pagemap with this memory in all its functions.
struct my_pagemap : archetypes::pagemap {
  using memory = my_memory;
  svm::result<memory> allocate(svm::byte_count) noexcept;
  svm::errc pages(memory&, std::span<svm::device_page<archetypes::page>>) noexcept;
  void release(memory&) noexcept;
  svm::errc wait_cleared(memory&) noexcept;
};
struct my_policies : archetypes::policies {
  using pagemap = my_pagemap;
};

#include "named_policies.hpp"
