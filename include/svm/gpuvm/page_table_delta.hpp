// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/units.hpp>
#include <svm/gpuvm/mapping.hpp>
#include <svm/gpuvm/operation.hpp>

#include <cstdint>

namespace svm::inline v0 {

/// Tells which page-table entries a list of operations changes, when those that may be kept are kept.
///
///     old       |--a@0--|--b@7--|  |--a@6--|
///     request   |----------a@0-------------|
///     write             |----------|            what is not kept is written, old entries or not
///
/// What a list vacates and maps again is written and not cleared; what it only vacates is cleared.
/// \param begin, end  operations in the order of a `gpuvm_op_list`
/// \param clear       gets each `gpu_range` to clear
/// \param write       gets each `gpu_extent` to write
/// \allocs none
/// \complexity O(operations)
template <class Types, class Clear, class Write>
void page_table_delta(gpuvm_operation<Types> const* begin, gpuvm_operation<Types> const* end, Clear&& clear,
                      Write&& write) {
  struct vacated {
    bool any;
    bool keep;
    std::uint64_t first, last;
  };
  auto const vacated_by = [](gpuvm_operation<Types> const& op) -> vacated {
    if (auto const* const unmap = op.as_unmap())
      return {true, unmap->keep, unmap->old.start.value, unmap->old.last().value};
    if (auto const* const remap = op.as_remap())
      return {true, remap->keep, remap->hole().start().value, remap->hole().last().value};
    return {false, false, 0, 0};
  };

  for (auto const* op = begin; op != end;) {
    auto const* map = op;
    while (map != end && map->as_map() == nullptr) ++map;
    if (map == end) {
      for (; op != end; ++op)
        if (vacated const v = vacated_by(*op); v.any) clear(gpu_range{{v.first}, {v.last - v.first + 1}});
      return;
    }
    // The steps before a map vacate parts of it; `rest` is what is neither kept nor written so far.
    gpu_extent<Types> rest = map->as_map()->extent;
    for (; op != map; ++op) {
      vacated const v = vacated_by(*op);
      if (!v.any || !v.keep) continue;
      if (v.first > rest.start.value) write(rest.front({v.first - rest.start.value}));
      byte_count const left{rest.last().value - v.last};
      if (left.value == 0) {
        rest.size = left;
        break;
      }
      rest = rest.back(left);
    }
    if (rest.size.value != 0) write(rest);
    op = map + 1;
  }
}

}  // namespace svm::inline v0
