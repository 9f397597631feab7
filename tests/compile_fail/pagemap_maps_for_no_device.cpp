// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: p\.map\(device, page, count, direction\)|too many arguments
#include "../static/archetypes.hpp"

using archetypes::page;

struct my_memory : archetypes::pagemap {
#ifdef FIXED
  svm::result<svm::device_address> map(archetypes::device&, page, svm::page_count, svm::dma_direction) noexcept;
#else
  svm::result<svm::device_address> map(page, svm::page_count, svm::dma_direction) noexcept;
#endif
};
static_assert(svm::pagemap<my_memory, page, archetypes::device>);
