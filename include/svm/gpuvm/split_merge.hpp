// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/gpuvm/mapping.hpp>
#include <svm/gpuvm/operation.hpp>

#include <cstdint>

namespace svm::inline v0 {

/// Works out, in ascending order, what has to happen to one mapping that a request for [first, last] meets.
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
/// \param take     gets the `remap_step` or the `unmap_step` and returns an `errc`
template <class Types, class Take>
[[nodiscard]] errc split_one(typename Types::mapping& m, std::uint64_t first, std::uint64_t last,
                             gpu_extent<Types> const* request, Take&& take) {
  gpu_extent<Types> const old = m.extent();
  std::uint64_t const old_last = old.last().value;
  bool const keep = request != nullptr && old.object != nullptr && old.object == request->object &&
                    old.offset - old.start.value == request->offset - request->start.value;
  byte_count const prev{old.start.value < first ? first - old.start.value : 0};
  byte_count const next{old_last > last ? old_last - last : 0};
  if (prev.value == 0 && next.value == 0) {
    unmap_step<Types> step{&m, old, keep};
    return take(step);
  }
  remap_step<Types> step{&m, old, prev, next, keep};
  (prev.value != 0 ? step.prev : step.next) = &m;
  return take(step);
}

/// Works out the steps of a map request, or of an unmap request when `request` is null: one for each mapping in
/// [first, last], in ascending order, and for a map request the mapping itself at the end, always.
///
/// At most two steps are remaps, and two when the request cuts two mappings.
/// \source __drm_gpuvm_sm_map(), __drm_gpuvm_sm_unmap()
template <class Types, class Index, class Take>
[[nodiscard]] errc split_merge(Index& index, std::uint64_t first, std::uint64_t last, gpu_extent<Types> const* request,
                               Take&& take) {
  gpu_range const span{{first}, {last - first + 1}};
  errc const e = index.try_each_overlap(
      span, [&](typename Types::mapping& m) { return split_one<Types>(m, first, last, request, take); });
  if (e != errc::ok || request == nullptr) return e;
  map_step<Types> step{*request};
  return take(step);
}

/// Works out the steps that make mappings without an object begin and end where [first, last] does, and change nothing
/// else, so that an attribute can be set on just that part: a remap for a mapping that is cut, and then a map for the
/// part of it inside. Mappings with an object, and those that are inside as a whole, stay as they are.
///
/// There are two remaps and two maps at most.
/// \source drm_gpuvm_madvise_ops_create(), linux 7.0
template <class Types, class Index, class Take>
[[nodiscard]] errc split_only(Index& index, std::uint64_t first, std::uint64_t last, Take&& take) {
  gpu_range const span{{first}, {last - first + 1}};
  return index.try_each_overlap(span, [&](typename Types::mapping& m) {
    gpu_extent<Types> const old = m.extent();
    if (old.object != nullptr || (first <= old.start.value && old.last().value <= last)) return errc::ok;
    gpu_range inside = old.range();
    errc const e = split_one<Types>(m, first, last, static_cast<gpu_extent<Types> const*>(nullptr), [&](auto& step) {
      if constexpr (requires { step.hole(); }) inside = step.hole();
      return take(step);
    });
    if (e != errc::ok) return e;
    map_step<Types> step{{inside.start(), inside.size(), nullptr, 0, old.flags}};
    return take(step);
  });
}

}  // namespace svm::inline v0
