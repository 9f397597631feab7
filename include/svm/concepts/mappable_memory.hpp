// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// Device memory that a `Device` can map: what a range asks of the object that stands behind a device page.
///
/// Ranges know nothing of pagemaps. A driver whose pages should be mapped derives its owner objects from this class;
/// pages of any other owner are out of reach.
///
/// The object lives while a page of it does. A mapping ends before the pages that it maps are freed. Everything here is
/// called while a mapping is there or is being made, with the notifier's lock held, but for `touch`: nothing may sleep or
/// allocate.
template <class Page, class Device>
class mappable_memory : public device_page_owner<Page> {
  using base = device_page_owner<Page>;

 public:
  /// Tells the classes that derive from this one apart, where there is no RTTI: each passes an object of its own.
  struct provider {};

  explicit constexpr mappable_memory(provider const& kind) : base(mappable), kind_(&kind) {}

  /// The mappable memory that an owner object is; null for one that is none.
  [[nodiscard]] static mappable_memory* of(base* object) {
    return object != nullptr && object->is_of(mappable) ? static_cast<mappable_memory*>(object) : nullptr;
  }
  [[nodiscard]] bool is_from(provider const& kind) const { return kind_ == &kind; }

  /// Makes a run of pages from `first` on reachable for a device.
  ///
  /// \errors those of `pagemap::map`; nothing is mapped
  [[nodiscard]] virtual result<device_address> map_run(Device& device, Page first, page_count count,
                                                       dma_direction direction) noexcept = 0;
  /// Ends what `map_run` made, of this object or of another one of the same pagemap.
  virtual void unmap_run(Device& device, device_address const& run) noexcept = 0;

  /// Keeps what is needed to end the mappings, until `put`.
  virtual void get() noexcept = 0;
  virtual void put() noexcept = 0;

  /// A device uses the memory now. It may come without a lock in a read section of a gpusvm that was given a domain: there
  /// the device's own memory outlives the sections that began before its last mapping ended.
  virtual void touch() noexcept = 0;

 protected:
  ~mappable_memory() = default;

 private:
  static constexpr typename base::family mappable{};
  provider const* kind_;
};

}  // namespace svm::inline v0
