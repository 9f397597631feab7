// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: address_space needs `==` for two of its `page`
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_page {
#ifdef FIXED
  friend bool operator==(my_page const&, my_page const&);
#endif
};

/// An mm with this page in all its functions, and what goes with it.
struct my_mm : archetypes::mm {
  using page = my_page;
  using slot = svm::migration_slot<page>;
  static page page_at(page, std::uint64_t) noexcept;
  svm::errc fault_in(svm::walk_request<registration> const&, svm::run_sink<page>&) noexcept;
  void snapshot(svm::va_range, svm::run_sink<page>&) noexcept;
  svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept;
  void collect_pages(migration&, std::span<slot>, svm::page_scope const*, page) noexcept;
  svm::result<page> allocate_page(svm::page_order) noexcept;
  void adopt_device_page(page, svm::page_order, svm::device_page_owner<page>&, bool) noexcept;
  void discard_page(page) noexcept;
};
struct my_device : archetypes::device {
  svm::result<svm::dma_addr> dma_map(my_page, svm::page_count, svm::dma_direction) noexcept;
};
struct my_pagemap : archetypes::pagemap {
  using job = std::span<svm::copy_block<my_page> const>;
  svm::errc pages(memory&, std::span<svm::device_page<my_page>>) noexcept;
  svm::errc copy_to_device(job) noexcept;
  svm::errc copy_to_system(job) noexcept;
  svm::result<svm::device_address> map(my_device&, my_page, svm::page_count, svm::dma_direction) noexcept;
  void unmap(my_device&, svm::device_address const&) noexcept;
};
struct my_policies : archetypes::policies {
  using mm = my_mm;
  using device = my_device;
  using pagemap = my_pagemap;
};

#include "named_policies.hpp"
