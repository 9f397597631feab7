// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/intrusive_list.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/mapping.hpp>

namespace svm::inline v0 {

/// Ties one object to one space: it lists the mappings of the object there.
///
/// Linking is apart from inserting, because the two have different locks: the space's lock guards what is in the space,
/// the object's lock guards these lists. An object type that has `assert_mappings_locked()` is asked whenever a list is
/// used.
/// Invariants: 1. a linked mapping has the object of the bo, and says so with `mapping::bo()`.
/// Threads: the object's lock. A bo does not move.
/// \source struct drm_gpuvm_bo
template <class Types>
class gpuvm_bo {
 public:
  using mapping = typename Types::mapping;
  using object = typename Types::object;

  gpuvm_bo(gpuvm<Types>& space, object& backing) : space_(space), object_(backing) {}
  gpuvm_bo(gpuvm_bo const&) = delete;
  gpuvm_bo& operator=(gpuvm_bo const&) = delete;
  /// \pre no mapping is linked
  ~gpuvm_bo() { SVM_ASSERT(mappings_.empty()); }

  [[nodiscard]] gpuvm<Types>& space() const { return space_; }
  [[nodiscard]] object& backing() const { return object_; }
  [[nodiscard]] bool has_mappings() const { return !mappings_.empty(); }

  /// Adds a mapping to the list of its object; one without an object has none.
  ///
  /// \pre not linked; `bo` is that of the mapping's object, or null when it has none
  static void link(mapping& m, gpuvm_bo* bo) {
    SVM_ASSERT(m.object() == (bo == nullptr ? nullptr : &bo->object_));
    if (bo == nullptr) return;
    bo->assert_locked();
    bo->mappings_.push_back(m);
    m.bo_ = bo;
  }
  /// Takes a mapping out of the list of its object, if it is in one.
  static void unlink(mapping& m) {
    if (m.bo_ == nullptr) return;
    m.bo_->assert_locked();
    m.bo_->mappings_.erase(m);
    m.bo_ = nullptr;
  }

  /// Calls `function(mapping&)` for every linked mapping, the oldest first. The function may unlink its mapping.
  ///
  /// \complexity O(mappings)
  template <class Function>
  void for_each(Function&& function) {
    assert_locked();
    for (gpu_mapping<Types>* m = mappings_.front(); m != nullptr;) {
      gpu_mapping<Types>* const next = mappings_.next(*m);
      function(static_cast<mapping&>(*m));
      m = next;
    }
  }

 private:
  void assert_locked() const {
    if constexpr (requires { object_.assert_mappings_locked(); }) object_.assert_mappings_locked();
  }

  gpuvm<Types>& space_;
  object& object_;
  intrusive_list<gpu_mapping<Types>> mappings_;
};

}  // namespace svm::inline v0
