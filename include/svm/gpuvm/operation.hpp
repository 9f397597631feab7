// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/gpuvm/mapping.hpp>

#include <concepts>
#include <cstdint>

namespace svm::inline v0 {

/// Map an extent. The driver of a list names the mapping that is to stand for it.
template <class Types>
struct map_operation {
  gpu_extent<Types> extent;
  typename Types::mapping* mapping = nullptr;
};

/// Take a mapping away.
///
/// `keep` is a hint: the page-table entries could stay, since the request maps the same bytes of the same object there.
template <class Types>
struct unmap_operation {
  typename Types::mapping* mapping;
  gpu_extent<Types> old;  ///< what the mapping was when the request was worked out
  bool keep;
};

/// Take a mapping away and map again what sticks out of the request in front, behind, or on both sides.
///
///     old   |--------------------|
///     now   |--prev--|    |-next-|      `hole` is what lies between
///
/// Each part needs a mapping. One of the parts may have the old mapping, which then changes in place. `prev` and `next`
/// propose that: the old mapping is proposed for the only part, or for the front one of two.
template <class Types>
struct remap_operation {
  typename Types::mapping* mapping;
  gpu_extent<Types> old;
  byte_count prev_size;  ///< 0: nothing sticks out in front
  byte_count next_size;  ///< 0: nothing sticks out behind
  bool keep;             ///< as in `unmap_operation`
  typename Types::mapping* prev = nullptr;
  typename Types::mapping* next = nullptr;

  [[nodiscard]] bool has_prev() const { return prev_size.value != 0; }
  [[nodiscard]] bool has_next() const { return next_size.value != 0; }
  /// \pre has_prev()
  [[nodiscard]] gpu_extent<Types> prev_extent() const { return old.front(prev_size); }
  /// \pre has_next()
  [[nodiscard]] gpu_extent<Types> next_extent() const { return old.back(next_size); }
  /// The addresses that are vacated.
  ///
  /// \source drm_gpuva_op_remap_to_unmap_range()
  [[nodiscard]] gpu_range hole() const { return {old.start + prev_size, old.size - prev_size - next_size}; }
};

/// Make what a mapping maps ready for the GPU; the space does not change.
template <class Types>
struct prefetch_operation {
  typename Types::mapping* mapping;
};

/// What only the driver understands; the space does not change.
template <class Types>
struct driver_operation {
  std::uint64_t code;
  std::uint64_t argument;
};

/// One operation of a list: one of the five kinds.
///
/// \source struct drm_gpuva_op
template <class Types>
class gpuvm_operation {
 public:
  enum class kind : std::uint8_t { map, remap, unmap, prefetch, driver };

  gpuvm_operation(map_operation<Types> const& map) : map_(map), kind_(kind::map) {}
  gpuvm_operation(remap_operation<Types> const& remap) : remap_(remap), kind_(kind::remap) {}
  gpuvm_operation(unmap_operation<Types> const& unmap) : unmap_(unmap), kind_(kind::unmap) {}
  gpuvm_operation(prefetch_operation<Types> const& prefetch) : prefetch_(prefetch), kind_(kind::prefetch) {}
  gpuvm_operation(driver_operation<Types> const& own) : driver_(own), kind_(kind::driver) {}

  [[nodiscard]] kind type() const { return kind_; }

  /// What the operation is of that kind, or null when it is of another.
  [[nodiscard]] map_operation<Types>* as_map() { return kind_ == kind::map ? &map_ : nullptr; }
  [[nodiscard]] map_operation<Types> const* as_map() const { return kind_ == kind::map ? &map_ : nullptr; }
  [[nodiscard]] remap_operation<Types>* as_remap() { return kind_ == kind::remap ? &remap_ : nullptr; }
  [[nodiscard]] remap_operation<Types> const* as_remap() const { return kind_ == kind::remap ? &remap_ : nullptr; }
  [[nodiscard]] unmap_operation<Types>* as_unmap() { return kind_ == kind::unmap ? &unmap_ : nullptr; }
  [[nodiscard]] unmap_operation<Types> const* as_unmap() const { return kind_ == kind::unmap ? &unmap_ : nullptr; }
  [[nodiscard]] prefetch_operation<Types>* as_prefetch() { return kind_ == kind::prefetch ? &prefetch_ : nullptr; }
  [[nodiscard]] prefetch_operation<Types> const* as_prefetch() const {
    return kind_ == kind::prefetch ? &prefetch_ : nullptr;
  }
  [[nodiscard]] driver_operation<Types>* as_driver() { return kind_ == kind::driver ? &driver_ : nullptr; }
  [[nodiscard]] driver_operation<Types> const* as_driver() const { return kind_ == kind::driver ? &driver_ : nullptr; }

  /// True when each part that the space will have has a mapping: the driver named all that were to be named.
  [[nodiscard]] bool is_complete() const {
    if (kind_ == kind::map) return map_.mapping != nullptr;
    if (kind_ != kind::remap) return true;
    return (remap_.prev != nullptr) == remap_.has_prev() && (remap_.next != nullptr) == remap_.has_next();
  }
  /// The mapping that leaves the space when the operation is applied, so that the driver may free it then; or null.
  [[nodiscard]] typename Types::mapping* released() const {
    if (kind_ == kind::unmap) return unmap_.mapping;
    if (kind_ != kind::remap) return nullptr;
    return remap_.mapping == remap_.prev || remap_.mapping == remap_.next ? nullptr : remap_.mapping;
  }

  /// Calls the driver's function for the kind of operation.
  ///
  /// \errors unsupported (the driver has no function for a prefetch or for its own operations), what the driver returns
  template <class Driver>
  [[nodiscard]] errc dispatch(Driver& driver) {
    switch (kind_) {
      case kind::map:
        return driver.map(map_);
      case kind::remap:
        return driver.remap(remap_);
      case kind::unmap:
        return driver.unmap(unmap_);
      case kind::prefetch:
        if constexpr (requires { driver.prefetch(prefetch_); }) return driver.prefetch(prefetch_);
        break;
      case kind::driver:
        if constexpr (requires { driver.perform(driver_); }) return driver.perform(driver_);
        break;
    }
    return errc::unsupported;
  }

 private:
  union {
    map_operation<Types> map_;
    remap_operation<Types> remap_;
    unmap_operation<Types> unmap_;
    prefetch_operation<Types> prefetch_;
    driver_operation<Types> driver_;
  };
  kind kind_;
};

/// Whoever does a driver's part of a list; see `gpuvm_op_list::apply`.
///
/// It may also have `prefetch(prefetch_operation&)`, `perform(driver_operation&)` and `undo(gpuvm_operation&)`.
/// A model also promises:
///  1. an operation for which it returns an error has changed nothing of its own;
///  2. it changes nothing in the space meanwhile.
template <class D, class Types>
concept op_list_driver = requires(D& d, map_operation<Types>& map, remap_operation<Types>& remap,
                                  unmap_operation<Types>& unmap) {
  { d.map(map) } -> std::same_as<errc>;
  { d.remap(remap) } -> std::same_as<errc>;
  { d.unmap(unmap) } -> std::same_as<errc>;
};

}  // namespace svm::inline v0
