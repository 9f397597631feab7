// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <utility>

#include <svm/concepts/allocator.hpp>

namespace support {

/// An allocator policy that keeps a ledger of what is out and fails where it is told to.
///
/// A deallocation that does not match an allocation in address, size and alignment counts in `mismatches`.
class ledger_allocator {
 public:
  std::uint64_t fail_at = 0;  ///< the allocation, counted from 1, that fails; 0: none
  std::uint64_t calls = 0;
  std::uint64_t mismatches = 0;

  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (++calls == fail_at) return nullptr;
    auto* const memory = static_cast<std::byte*>(::operator new (size, std::align_val_t{alignment}, std::nothrow));
    if (memory != nullptr) out_.emplace(memory, std::pair{size, alignment});
    return memory;
  }

  void deallocate(std::byte* memory, std::size_t size, std::size_t alignment) noexcept {
    auto const entry = out_.find(memory);
    if (entry == out_.end() || entry->second != std::pair{size, alignment}) {
      ++mismatches;
      return;
    }
    out_.erase(entry);
    ::operator delete (memory, std::align_val_t{alignment});
  }

  [[nodiscard]] std::size_t outstanding() const { return out_.size(); }

 private:
  std::map<std::byte*, std::pair<std::size_t, std::size_t>> out_;
};
static_assert(svm::allocator<ledger_allocator>);

}  // namespace support
