// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/intrusive_list.hpp>
#include <svm/base/lock_rank.hpp>
#include <svm/base/refcount.hpp>
#include <svm/concepts/gpuvm_types.hpp>
#include <svm/concepts/reservation.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/vm_bo.hpp>

#include <cstdint>

namespace svm::inline v0 {

/// The types of a driver that lets the library keep its bos, see `gpuvm_objects`.
///
/// `object` derives from `gpuvm_object<T>`. It may have `get()` and `put()`: a bo then holds a reference on its object.
template <class T>
concept gpuvm_object_types = gpuvm_types<T> && reservation<typename T::reservation>;

template <class Types>
class gpuvm_objects;

/// What guards the lists of an object: its bos, and the mappings of each.
enum class list_guard : bool {
  reservation,  ///< the object's reservation, which the driver holds
  immediate,    ///< a mutex of the object that the library takes: for page tables that are updated when a job starts,
                ///< where no reservation may be taken
};

/// The base class of what backs mappings: it knows its reservation, and its bo in each space.
///
/// The reservation of an object may be that of a space: such an object is local to the space, and locked with it. Any
/// other is external.
template <class Types>
class gpuvm_object {
  using resv = typename Types::reservation;

 public:
  class shared_bo;

  /// \pre `lock` outlives the object
  gpuvm_object(resv& lock, list_guard guard) : reservation_(lock), guard_(guard) {}
  gpuvm_object(gpuvm_object const&) = delete;
  gpuvm_object& operator=(gpuvm_object const&) = delete;
  /// \pre no bo is left
  ~gpuvm_object() { SVM_ASSERT(bos_.empty()); }

  [[nodiscard]] resv& reservation() const { return reservation_; }
  [[nodiscard]] list_guard guard() const { return guard_; }
  /// Holds the guard of the lists for a scope, where that is the library's to take: for `gpuvm_bo::for_each` and
  /// `gpuvm_list::plan_object_unmap`. `gpuvm_objects` takes it by itself.
  ///
  /// Locks: in immediate mode `gpuvm_objects` is not asked about this object in the scope, and nothing is allocated: a
  /// list of operations is reserved before.
  /// \pre the reservation is held, if it is the guard
  class SVM_SCOPED_CAPABILITY lists_held {
   public:
    explicit lists_held(gpuvm_object const& o) SVM_NO_THREAD_SAFETY_ANALYSIS : object_(o) {
      if (o.guard_ == list_guard::immediate)
        o.mutex_.lock();
      else
        o.reservation_.assert_held();
    }
    ~lists_held() SVM_NO_THREAD_SAFETY_ANALYSIS {
      if (object_.guard_ == list_guard::immediate) object_.mutex_.unlock();
    }
    lists_held(lists_held const&) = delete;
    lists_held& operator=(lists_held const&) = delete;

   private:
    gpuvm_object const& object_;
  };
  void assert_mappings_locked() const {
    if (guard_ == list_guard::reservation)
      reservation_.assert_held();
    else
      mutex_.assert_held();
  }

 private:
  friend gpuvm_objects<Types>;

  using mutex = typename Types::lock::template mutex<lock_rank::leaf_page_table>;
  struct object_tag;
  struct external_tag;
  struct evicted_tag;
  struct deferred_tag;

  resv& reservation_;
  list_guard const guard_;
  mutable mutex mutex_;  // rank leaf_page_table: `bos_` and their mappings, in immediate mode
  intrusive_list<shared_bo, object_tag> bos_;
};

/// The counted bo of an object in a space, of which there is one at a time.
///
/// Whoever has a reference may use it. At zero it is a zombie: it may stand in lists until it is cleaned up, and
/// everyone passes over it.
template <class Types>
class gpuvm_object<Types>::shared_bo : public gpuvm_bo<Types>,
                                       public list_hook<object_tag>,
                                       public list_hook<external_tag>,
                                       public list_hook<evicted_tag>,
                                       public list_hook<deferred_tag> {
 public:
  /// True when the object has its own reservation, and not that of the space.
  [[nodiscard]] bool is_external() const { return external_; }

 private:
  friend gpuvm_objects<Types>;

  shared_bo(gpuvm_objects<Types>& owner, gpuvm<Types>& space, typename Types::object& backing, bool external)
      : gpuvm_bo<Types>(space, backing), owner_(owner), external_(external) {}

  gpuvm_objects<Types>& owner_;
  reference_count<typename Types::lock::template atomic<std::uint32_t>> count_;
  bool const external_;
};

}  // namespace svm::inline v0
