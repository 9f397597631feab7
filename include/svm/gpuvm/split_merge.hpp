// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/gpuvm/mapping.hpp>
#include <svm/gpuvm/operation.hpp>

#include <cstdint>

namespace svm::inline v0::detail {

/// Works out what has to happen to one mapping that a request for [first, last] meets.
///
///             first        last
///     request   |------------|
///     |-----------------------------|   remap: prev and next
///        |---------|                    remap: prev
///                  |----------------|   remap: next
///                 |------|              unmap
///
/// keep: the request maps the same bytes of the same object there. In modular arithmetic that is one comparison for all
/// four: offset - start is the same.
/// \param request  what the request maps, or null for an unmap request
/// \param take     gets the `remap_operation` or the `unmap_operation` and returns an `errc`
template <class Types, class Take>
[[nodiscard]] errc split_one(typename Types::mapping& m, std::uint64_t first, std::uint64_t last,
                             gpu_extent<Types> const* request, Take&& take) {
  gpu_extent<Types> const old = m.extent();
  std::uint64_t const old_last = old.last().value;
  // Without a branch: whether they are the same cannot be foreseen.
  bool const keep = request != nullptr && ((old.object != nullptr) & (old.object == request->object) &
                                           (old.offset - old.start.value == request->offset - request->start.value));
  byte_count const prev{old.start.value < first ? first - old.start.value : 0};
  byte_count const next{old_last > last ? old_last - last : 0};
  if (prev.value == 0 && next.value == 0) return take(unmap_operation<Types>{.mapping = &m, .old = old, .keep = keep});
  remap_operation<Types> remap{.mapping = &m, .old = old, .prev_size = prev, .next_size = next, .keep = keep};
  (prev.value != 0 ? remap.prev : remap.next) = &m;
  return take(remap);
}

/// Works out what a request has to do with the mappings in [first, last]: one remap or unmap for each, in ascending
/// order. Two are remaps at most, when the request cuts two mappings.
///
/// \source __drm_gpuvm_sm_unmap()
template <class Types, class Index, class Take>
[[nodiscard]] errc vacate(Index& index, std::uint64_t first, std::uint64_t last, gpu_extent<Types> const* request,
                          Take&& take) {
  gpu_range const span{{first}, {last - first + 1}};
  return index.try_each_overlap(
      span, [&](typename Types::mapping& m) { return split_one<Types>(m, first, last, request, take); });
}

/// Works out a whole map request: what `vacate` says, and then the map itself, always.
///
/// \source __drm_gpuvm_sm_map()
template <class Types, class Index, class Take>
[[nodiscard]] errc split_merge(Index& index, gpu_extent<Types> const& request, Take&& take) {
  errc const e = vacate<Types>(index, request.start.value, request.last().value, &request, take);
  return e == errc::ok ? take(map_operation<Types>{request}) : e;
}

/// Makes mappings without an object begin and end where [first, last] does, so that an attribute can be set on just
/// that part: a remap for a mapping that is cut, and then a map for the part of it inside.
///
/// Mappings with an object stay as they are, and so do those that lie inside as a whole. There are two remaps and two
/// maps at most.
/// \source drm_gpuvm_madvise_ops_create(), linux 7.0
template <class Types, class Index, class Take>
[[nodiscard]] errc split_only(Index& index, std::uint64_t first, std::uint64_t last, Take&& take) {
  gpu_range const span{{first}, {last - first + 1}};
  return index.try_each_overlap(span, [&](typename Types::mapping& m) {
    gpu_extent<Types> const old = m.extent();
    if (old.object != nullptr || (first <= old.start.value && old.last().value <= last)) return errc::ok;
    gpu_range inside = old.range();
    errc const e =
        split_one<Types>(m, first, last, static_cast<gpu_extent<Types> const*>(nullptr), [&](auto const& operation) {
          if constexpr (requires { operation.hole(); }) inside = operation.hole();
          return take(operation);
        });
    if (e != errc::ok) return e;
    gpu_extent<Types> const part{inside.start(), inside.size(), nullptr, 0, old.flags};
    return take(map_operation<Types>{part});
  });
}

}  // namespace svm::inline v0::detail
