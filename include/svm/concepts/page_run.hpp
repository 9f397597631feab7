// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/units.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// Where the memory of a page is.
enum class page_place : std::uint8_t { absent, system, device };

/// Neighbouring base pages of a page walk that are contiguous memory, with one place, permission and owner.
template <class Page>
struct page_run {
  Page page{};  ///< the first one; `page_at` names the others
  /// What stands behind a device page, so that pages of one allocation can be told from those of another; else null.
  /// It is alive as long as the page is known to be.
  device_page_owner<Page>* owner_object = nullptr;
  page_owner owner{};  ///< whose device pages they are
  std::uint32_t count = 1;
  page_place place = page_place::absent;
  bool writable = false;  ///< a store needs no fault

  [[nodiscard]] constexpr page_count pages() const { return {count}; }
  friend bool operator==(page_run const&, page_run const&) = default;
};

}  // namespace svm::inline v0
