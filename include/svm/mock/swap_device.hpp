// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>

namespace svm::inline v0::mock {

/// Where pages go that the machine swaps out: numbered slots, each with a reference of every page-table entry that names
/// it.
///
/// Guarded by the page-table lock.
template <std::size_t PageBytes>
class swap_device {
 public:
  /// Writes a page to a slot without references.
  [[nodiscard]] std::uint32_t write(std::byte const* bytes) {
    slot& s = slots_[next_];
    s.bytes = std::make_unique<std::byte[]>(PageBytes);
    std::memcpy(s.bytes.get(), bytes, PageBytes);
    return next_++;
  }
  void read(std::uint32_t number, std::byte* bytes) const {
    std::memcpy(bytes, slots_.at(number).bytes.get(), PageBytes);
  }
  void get(std::uint32_t number) { ++slots_.at(number).references; }
  void put(std::uint32_t number) {
    if (--slots_.at(number).references == 0) slots_.erase(number);
  }
  [[nodiscard]] std::uint32_t references(std::uint32_t number) const {
    auto const found = slots_.find(number);
    return found == slots_.end() ? 0 : found->second.references;
  }
  [[nodiscard]] std::size_t used() const { return slots_.size(); }

 private:
  struct slot {
    std::uint32_t references = 0;
    std::unique_ptr<std::byte[]> bytes;
  };
  std::map<std::uint32_t, slot> slots_;
  std::uint32_t next_ = 1;
};

}  // namespace svm::inline v0::mock
