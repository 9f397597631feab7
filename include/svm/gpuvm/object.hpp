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

namespace detail {

/// The lock on the lists of an object, whichever guards them. Where that is the reservation, locking only asserts that
/// it is held.
template <class Types>
class SVM_CAPABILITY("lists of an object") gpuvm_list_lock {
  using resv = typename Types::reservation;

 public:
  gpuvm_list_lock(resv& lock, list_guard guard) : reservation_(lock), guard_(guard) {}

  void lock() SVM_ACQUIRE() SVM_NO_THREAD_SAFETY_ANALYSIS {
    if (guard_ == list_guard::immediate)
      mutex_.lock();
    else
      reservation_.assert_held();
  }
  void unlock() SVM_RELEASE() SVM_NO_THREAD_SAFETY_ANALYSIS {
    if (guard_ == list_guard::immediate) mutex_.unlock();
  }
  void assert_held() SVM_ASSERT_CAPABILITY(this) {
    if (guard_ == list_guard::immediate)
      mutex_.assert_held();
    else
      reservation_.assert_held();
  }

  [[nodiscard]] resv& reservation() const { return reservation_; }
  [[nodiscard]] list_guard guard() const { return guard_; }

 private:
  using mutex = typename Types::lock::template mutex<lock_rank::leaf_page_table>;

  resv& reservation_;
  list_guard const guard_;
  mutex mutex_;  // rank leaf_page_table; used in immediate mode
};

}  // namespace detail

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
  gpuvm_object(resv& lock, list_guard guard) : lists_(lock, guard) {}
  gpuvm_object(gpuvm_object const&) = delete;
  gpuvm_object& operator=(gpuvm_object const&) = delete;
  /// \pre no bo is left
  ~gpuvm_object() SVM_NO_THREAD_SAFETY_ANALYSIS { SVM_ASSERT(bos_.empty()); }

  [[nodiscard]] resv& reservation() const { return lists_.reservation(); }
  [[nodiscard]] list_guard guard() const { return lists_.guard(); }
  /// Holds the guard of the lists for a scope, where that is the library's to take: for `gpuvm_bo::for_each` and
  /// `gpuvm_op_list::plan_object_unmap`. `gpuvm_objects` takes it by itself.
  ///
  /// Locks: in immediate mode `gpuvm_objects` is not asked about this object in the scope, and nothing is allocated: a
  /// list of operations is reserved before.
  /// \pre the reservation is held, if it is the guard
  class SVM_SCOPED_CAPABILITY lists_held {
   public:
    explicit lists_held(gpuvm_object const& o) SVM_ACQUIRE(o.lists_) : lock_(o.lists_) { lock_.lock(); }
    ~lists_held() SVM_RELEASE() { lock_.unlock(); }
    lists_held(lists_held const&) = delete;
    lists_held& operator=(lists_held const&) = delete;

   private:
    detail::gpuvm_list_lock<Types>& lock_;
  };
  void assert_mappings_locked() const SVM_ASSERT_CAPABILITY(lists_) { lists_.assert_held(); }

 private:
  friend gpuvm_objects<Types>;

  struct object_tag;
  struct external_tag;
  struct evicted_tag;
  struct deferred_tag;

  mutable detail::gpuvm_list_lock<Types> lists_;  // of `bos_`, and of the mappings of each
  intrusive_list<shared_bo, object_tag> bos_ SVM_GUARDED_BY(lists_);
};

/// The counted bo of an object in a space, of which there is one at a time.
///
/// Whoever has a reference may use it. Without references it is a zombie: it stays in lists until it is cleaned up, and
/// nobody finds it there.
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
