// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/mapping.hpp>

#include <concepts>
#include <cstdint>

namespace svm::inline v0 {

/// Map an extent. The driver names the mapping that is to stand for it.
template <class Types>
struct map_step {
  gpu_extent<Types> extent;
  typename Types::mapping* mapping = nullptr;
};

/// Take a mapping away.
///
/// `keep` says that the page-table entries could stay: the request that the step belongs to maps the same bytes of the
/// same object there. It is a hint.
template <class Types>
struct unmap_step {
  typename Types::mapping* mapping;
  gpu_extent<Types> old;  ///< what the mapping was when the step was made
  bool keep;
};

/// Take a mapping away and map again what sticks out of the request in front, behind, or on both sides.
///
///     old   |--------------------|
///     now   |--prev--|    |-next-|      `hole` is what lies between
///
/// The driver names the mappings for the two parts. Either may be the old one, which then changes in place, and is
/// what `prev` and `next` propose: the old one for the only part there is, or for `prev` when there are two.
template <class Types>
struct remap_step {
  typename Types::mapping* mapping;
  gpu_extent<Types> old;
  byte_count prev_size;  ///< 0: nothing sticks out in front
  byte_count next_size;  ///< 0: nothing sticks out behind
  bool keep;             ///< as in `unmap_step`
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
struct prefetch_step {
  typename Types::mapping* mapping;
};

/// What only the driver understands; the space does not change.
template <class Types>
struct driver_step {
  std::uint64_t code;
  std::uint64_t argument;
};

/// One operation of a list: one of the five steps.
///
/// \source struct drm_gpuva_op
template <class Types>
class gpuvm_operation {
 public:
  enum class kind : std::uint8_t { map, remap, unmap, prefetch, driver };

  gpuvm_operation(map_step<Types> const& step) : map_(step), kind_(kind::map) {}
  gpuvm_operation(remap_step<Types> const& step) : remap_(step), kind_(kind::remap) {}
  gpuvm_operation(unmap_step<Types> const& step) : unmap_(step), kind_(kind::unmap) {}
  gpuvm_operation(prefetch_step<Types> const& step) : prefetch_(step), kind_(kind::prefetch) {}
  gpuvm_operation(driver_step<Types> const& step) : driver_(step), kind_(kind::driver) {}

  [[nodiscard]] kind type() const { return kind_; }

  /// The step, or null when the operation is of another kind.
  [[nodiscard]] map_step<Types>* as_map() { return kind_ == kind::map ? &map_ : nullptr; }
  [[nodiscard]] map_step<Types> const* as_map() const { return kind_ == kind::map ? &map_ : nullptr; }
  [[nodiscard]] remap_step<Types>* as_remap() { return kind_ == kind::remap ? &remap_ : nullptr; }
  [[nodiscard]] remap_step<Types> const* as_remap() const { return kind_ == kind::remap ? &remap_ : nullptr; }
  [[nodiscard]] unmap_step<Types>* as_unmap() { return kind_ == kind::unmap ? &unmap_ : nullptr; }
  [[nodiscard]] unmap_step<Types> const* as_unmap() const { return kind_ == kind::unmap ? &unmap_ : nullptr; }
  [[nodiscard]] prefetch_step<Types>* as_prefetch() { return kind_ == kind::prefetch ? &prefetch_ : nullptr; }
  [[nodiscard]] prefetch_step<Types> const* as_prefetch() const {
    return kind_ == kind::prefetch ? &prefetch_ : nullptr;
  }
  [[nodiscard]] driver_step<Types>* as_driver() { return kind_ == kind::driver ? &driver_ : nullptr; }
  [[nodiscard]] driver_step<Types> const* as_driver() const { return kind_ == kind::driver ? &driver_ : nullptr; }

  /// The mapping that leaves the space when the operation is applied, so that the driver may free it then; or null.
  [[nodiscard]] typename Types::mapping* released() const {
    if (kind_ == kind::unmap) return unmap_.mapping;
    if (kind_ != kind::remap) return nullptr;
    return remap_.mapping == remap_.prev || remap_.mapping == remap_.next ? nullptr : remap_.mapping;
  }

  /// Calls the driver's function for the kind of step.
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
    map_step<Types> map_;
    remap_step<Types> remap_;
    unmap_step<Types> unmap_;
    prefetch_step<Types> prefetch_;
    driver_step<Types> driver_;
  };
  kind kind_;
};

/// Whoever takes the steps of an unmap request; see `gpuvm::sm_unmap` and `apply`.
///
/// A model also promises:
///  1. a step that returns an error has changed nothing of its own;
///  2. it asks for no other steps of the same space meanwhile.
template <class D, class Types>
concept unmap_driver = requires(D& d, remap_step<Types>& remap, unmap_step<Types>& unmap) {
  { d.remap(remap) } -> std::same_as<errc>;
  { d.unmap(unmap) } -> std::same_as<errc>;
};

/// Whoever takes the steps of any request.
template <class D, class Types>
concept map_driver = unmap_driver<D, Types> && requires(D& d, map_step<Types>& map) {
  { d.map(map) } -> std::same_as<errc>;
};

}  // namespace svm::inline v0
