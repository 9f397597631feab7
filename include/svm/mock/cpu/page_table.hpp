// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <svm/base/interval.hpp>
#include <svm/mock/cpu/frame.hpp>
#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/touched.hpp>

namespace svm::inline v0::mock {

/// An entry of a CPU page table.
struct pte {
  enum class state : std::uint8_t {
    none,
    present,    ///< memory that the CPU reaches (or the zero page)
    device,     ///< device memory, which the CPU cannot reach
    migrating,  ///< a migration has the page; whoever needs it waits
    swapped,    ///< on the swap device; `target.frame` is the slot
    lost,       ///< it was in device memory, which lost it
  };
  page target{};
  state what = state::none;
  bool writable = false;  ///< a store needs no fault, as far as the VMA allows stores; never true of a shared page
  bool guarded = false;   ///< a store is told of before it is allowed: `write_protect` took the right to it

  friend bool operator==(pte const&, pte const&) = default;
  [[nodiscard]] bool is_none() const { return what == state::none; }
  /// True when `target` is a page that the entry has a reference on (the zero page counts none).
  [[nodiscard]] bool has_page() const { return what != state::none && what != state::swapped && what != state::lost; }
};

/// A CPU page table, sparse: a block of entries where something was ever present.
///
/// Guarded by the page-table lock.
template <std::size_t PageBytes = page_bytes>
class page_table {
 public:
  static constexpr std::uint64_t block_pages = 64;

  /// The entry of a page, which may be none.
  [[nodiscard]] pte get(cpu_va a) const {
    auto const block = blocks_.find(block_of(a));
    return block == blocks_.end() ? pte{} : block->second[index_of(a)];
  }
  /// The entry of a page, to be changed.
  [[nodiscard, gnu::noinline]] pte& at(cpu_va a) {
    changed_.note(aligned_block(a, byte_count{PageBytes}));
    return blocks_[block_of(a)][index_of(a)];
  }
  /// Calls `visit(cpu_va, pte const&)` for each entry in `span` that is not none, ascending.
  template <class Visit>
  void for_each(va_range span, Visit&& visit) const {
    walk(span, [&](cpu_va a, pte const& e) {
      visit(a, e);
      return true;
    });
  }
  /// The same, until `visit` returns false.
  template <class Visit>
  void for_each_until(va_range span, Visit&& visit) const {
    walk(span, visit);
  }
  /// Calls `visit(cpu_va, pte&)` in the same way, which may change the entry.
  template <class Visit>
  void change_each(va_range span, Visit&& visit) {
    walk(span, [&](cpu_va a, pte& e) {
      changed_.note({a, byte_count{PageBytes}});
      visit(a, e);
      return true;
    });
  }
  /// Whose entries may have changed.
  [[nodiscard]] touched& changed() { return changed_; }

 private:
  using block_type = std::array<pte, block_pages>;

  template <class Visit>
  void walk(va_range span, Visit&& visit) const {
    std::uint64_t const last_block = block_of(span.last());
    for (auto block = blocks_.lower_bound(block_of(span.start())); block != blocks_.end() && block->first <= last_block;
         ++block)
      for (std::uint64_t i = 0; i < block_pages; ++i)
        if (pte& e = block->second[i]; !e.is_none())
          if (cpu_va const a{(block->first * block_pages + i) * PageBytes}; span.contains(a) && !visit(a, e)) return;
  }
  [[nodiscard]] static std::uint64_t block_of(cpu_va a) { return a.value / PageBytes / block_pages; }
  [[nodiscard]] static std::uint64_t index_of(cpu_va a) { return a.value / PageBytes % block_pages; }

  number_map<block_type> blocks_;
  touched changed_;
};

}  // namespace svm::inline v0::mock
