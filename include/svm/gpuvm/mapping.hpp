// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/units.hpp>
#include <svm/config.hpp>

#include <cstdint>

namespace svm::inline v0 {

template <class Types>
class gpuvm;
template <class Types>
class gpuvm_bo;

/// A run of GPU addresses.
using gpu_range = interval<gpu_va>;

/// What is noted on a mapping; the library only hands it on to the parts of a mapping that is split.
enum class mapping_flags : std::uint32_t {
  none = 0,
  invalidated = 1,   ///< the page-table entries are gone though the mapping stands
  sparse = 2,        ///< reads give zeros, or whatever the driver promises, where nothing is bound
  first_user = 256,  ///< this bit and those above it belong to the driver
};
[[nodiscard]] constexpr mapping_flags operator|(mapping_flags a, mapping_flags b) {
  return static_cast<mapping_flags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr mapping_flags operator&(mapping_flags a, mapping_flags b) {
  return static_cast<mapping_flags>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr mapping_flags operator~(mapping_flags a) {
  return static_cast<mapping_flags>(~static_cast<std::uint32_t>(a));
}
/// True when every flag that is asked for is in the set.
[[nodiscard]] constexpr bool has_flags(mapping_flags set, mapping_flags asked) {
  return (set & asked) == asked;
}

/// A run of GPU addresses and what stands behind it: bytes `[offset, offset + size)` of an object, or no object.
///
/// Without an object the offset means nothing. The library advances it all the same when it cuts the front off.
template <class Types>
struct gpu_extent {
  gpu_va start;
  byte_count size;
  typename Types::object* object = nullptr;
  std::uint64_t offset = 0;
  mapping_flags flags = mapping_flags::none;

  /// The last address.
  ///
  /// \pre size > 0
  [[nodiscard]] constexpr gpu_va last() const { return {start.value + (size.value - 1)}; }
  [[nodiscard]] constexpr gpu_range range() const { return {start, size}; }

  /// The part of `bytes` bytes at the front.
  ///
  /// \pre 0 < bytes <= size
  [[nodiscard]] constexpr gpu_extent front(byte_count bytes) const { return {start, bytes, object, offset, flags}; }
  /// The part of `bytes` bytes at the back.
  ///
  /// \pre 0 < bytes <= size
  [[nodiscard]] constexpr gpu_extent back(byte_count bytes) const {
    return {start + (size - bytes), bytes, object, offset + (size - bytes).value, flags};
  }

  friend constexpr bool operator==(gpu_extent const&, gpu_extent const&) = default;
};

/// A mapping of a GPU VA space: the base class of the driver's own mapping type, which allocates and frees it.
///
/// The library writes the extent when it inserts, splits or moves a mapping. The base has 64 bytes: a driver's type
/// that is aligned to a cache line costs a request one miss a mapping, and not two.
/// Invariants: 1. while it is in a space its extent is a valid one of the space. 2. a linked mapping has the object of
/// its bo.
template <class Types>
class gpu_mapping : public list_hook<gpu_mapping<Types>> {
 public:
  gpu_mapping() = default;
  /// \pre neither in a space nor linked
  ~gpu_mapping() { SVM_ASSERT(!is_inserted()); }

  [[nodiscard]] gpu_va start() const { return start_; }
  [[nodiscard]] byte_count size() const { return size_; }
  /// The last address.
  ///
  /// \pre it was given an extent
  [[nodiscard]] gpu_va last() const { return {start_.value + (size_.value - 1)}; }
  [[nodiscard]] gpu_range range() const { return {start_, size_}; }
  /// What backs the mapping, or null.
  [[nodiscard]] typename Types::object* object() const { return object_; }
  /// Where in the object the mapping starts, in bytes.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] mapping_flags flags() const { return flags_; }
  void set_flags(mapping_flags flags) { flags_ = flags; }
  [[nodiscard]] gpu_extent<Types> extent() const { return {start_, size_, object_, offset_, flags_}; }

  /// True while the mapping is in a space.
  [[nodiscard]] bool is_inserted() const { return inserted_; }
  /// What ties the mapping to its object in its space, or null while it is not linked.
  [[nodiscard]] gpuvm_bo<Types>* bo() const { return bo_; }

  /// Says what the mapping is to map, before it is inserted.
  ///
  /// \pre not in a space
  void set_extent(gpu_extent<Types> const& extent) {
    SVM_ASSERT(!is_inserted());
    change_extent(extent);
  }

 private:
  friend gpuvm<Types>;
  friend gpuvm_bo<Types>;

  void change_extent(gpu_extent<Types> const& extent) {
    start_ = extent.start;
    size_ = extent.size;
    object_ = extent.object;
    offset_ = extent.offset;
    flags_ = extent.flags;
  }

  gpu_va start_;
  byte_count size_;
  typename Types::object* object_ = nullptr;
  std::uint64_t offset_ = 0;
  mapping_flags flags_ = mapping_flags::none;
  bool inserted_ = false;
  gpuvm_bo<Types>* bo_ = nullptr;
};

}  // namespace svm::inline v0
