// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: pagemap needs `errc copy_to_device\(std::span<copy_block<page> const>\) noexcept`
#include <svm/pagemap/migrator.hpp>

#include "../static/archetypes.hpp"

struct my_memory : archetypes::pagemap {
#ifdef FIXED
  svm::errc copy_to_device(job) noexcept;
#else
  svm::errc copy_to_device(job) noexcept = delete;
#endif
};
struct my_policies : archetypes::policies {
  using pagemap = my_memory;
};
svm::migrator<my_policies>* mover;
