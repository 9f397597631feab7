// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/mock/cpu/page_content.hpp>
#include <svm/mock/machine/number_map.hpp>

namespace svm::inline v0::mock {

/// Where pages go that the machine swaps out: numbered slots, each with a reference of every page-table entry that names
/// it.
///
/// Guarded by the page-table lock.
template <std::size_t PageBytes>
class swap_device {
 public:
  /// Writes a page to a slot without references.
  [[nodiscard]] std::uint32_t write(page_content<PageBytes> const& from) {
    slot& s = slots_[next_];
    s.content.make();
    s.content.copy(from);
    return next_++;
  }
  void read(std::uint32_t number, page_content<PageBytes>& to) const { to.copy(slots_.find(number)->second.content); }
  void get(std::uint32_t number) { ++slots_.find(number)->second.references; }
  void put(std::uint32_t number) {
    auto const found = slots_.find(number);
    if (--found->second.references == 0) slots_.erase(found);
  }
  [[nodiscard]] std::uint32_t references(std::uint32_t number) const {
    auto const found = slots_.find(number);
    return found == slots_.end() ? 0 : found->second.references;
  }
  [[nodiscard]] std::size_t used() const { return slots_.size(); }

 private:
  struct slot {
    std::uint32_t references = 0;
    page_content<PageBytes> content;
  };
  number_map<slot> slots_;
  std::uint32_t next_ = 1;
};

}  // namespace svm::inline v0::mock
