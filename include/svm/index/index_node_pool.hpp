// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/lock_rank.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/config.hpp>

#include <cstddef>
#include <new>
#include <utility>

namespace svm::inline v0 {

/// Memory for index nodes of one size, which is taken under the locks of the index and allocated outside them.
///
/// Before it locks, a caller earns the right to some nodes with `reserve`; under the lock, `take` and `put` only move
/// nodes between the pool and the index. Reserving moves no node: it raises a count.
///
///     owned  |== in indexes ==|=========== free ===========|
///                             |== reserved ==|== spare ====|
///
/// Nodes that a reservation did not take, and those that an erasure frees, stay as spare ones: a caller that reserves and
/// then fails leaves them to the next. They go back to the allocator above `trim_above`, a batch at the end of each
/// reservation, and all at once with `trim` or at the end of the pool.
///
/// Invariants: 1. reserved <= free. 2. the list of free nodes has `free` members. 3. free <= owned. 4. the sum of the
/// credits of all reservations is `reserved`.
/// The pool locks itself with one mutex of rank leaf_allocator, and never calls the allocator while it holds it. All
/// indexes of the same node size may share a pool; the pool outlives them and every reservation.
template <class LockPolicy, class Allocator, std::size_t NodeSize, std::size_t NodeAlign>
class index_node_pool {
  struct link {
    link* next;
  };
  static_assert(NodeSize >= sizeof(link) && NodeAlign >= alignof(link), "a free node holds the link of its list");

 public:
  /// Spare nodes above this number go back to the allocator, `trim_batch` of them at the end of a reservation, so that
  /// no caller pays for all that a large unmap freed.
  static constexpr std::size_t trim_above = 128;
  static constexpr std::size_t trim_batch = 16;

  /// The right to take some nodes; what is left of it is given back when it ends.
  ///
  /// A reservation belongs to one thread at a time.
  ///
  /// \pre at its end: no lock of rank notifier or later held, since surplus nodes may go back to the allocator then
  class [[nodiscard]] reservation {
   public:
    reservation() = default;
    reservation(reservation&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), credit_(std::exchange(other.credit_, 0)) {}
    reservation& operator=(reservation other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(credit_, other.credit_);
      return *this;
    }
    ~reservation() {
      if (pool_ != nullptr) pool_->cancel(credit_);
    }

    /// The number of nodes that can still be taken.
    [[nodiscard]] std::size_t credit() const { return credit_; }

   private:
    friend index_node_pool;

    index_node_pool* pool_ = nullptr;
    std::size_t credit_ = 0;
  };

  /// How many nodes the pool has from the allocator, how many of those no index uses, and how many are promised.
  struct usage {
    std::size_t owned;
    std::size_t free;
    std::size_t reserved;
  };

  explicit index_node_pool(Allocator& memory) : memory_(memory) {}
  index_node_pool(index_node_pool const&) = delete;
  index_node_pool& operator=(index_node_pool const&) = delete;
  /// \pre no node is in an index, no reservation is left
  ~index_node_pool() {
    SVM_ASSERT_OP(reserved_, ==, 0u);
    SVM_ASSERT_OP(free_, ==, owned_);
    deallocate(list_);
  }

  /// Promises `nodes` nodes.
  ///
  /// \pre no lock of rank notifier or later held
  /// \errors no_memory; the promises made before stand
  /// \allocs what the pool lacks of `nodes`, one call a node
  [[nodiscard]] result<reservation> reserve(std::size_t nodes) {
    reservation made;
    if (errc const e = replenish(made, nodes); e != errc::ok) return e;
    return result<reservation>{std::move(made)};
  }

  /// Raises what a reservation of this pool, or an empty one, promises to `nodes` nodes.
  ///
  /// It does nothing, and takes no lock, while nothing was taken from the reservation: a loop of insertions that keeps
  /// one reservation is cheaper than one that makes a new one each time.
  /// \pre, \allocs as for `reserve`
  /// \errors no_memory; the reservation promises what it did
  [[nodiscard]] errc replenish(reservation& r, std::size_t nodes) {
    SVM_ASSERT(r.pool_ == nullptr || r.pool_ == this);
    if (r.credit_ >= nodes) return errc::ok;
    std::size_t const wanted = nodes - r.credit_;
    std::size_t found = 0;
    {
      exclusive_guard const guard{lock_};
      found = free_ - reserved_ < wanted ? free_ - reserved_ : wanted;
      reserved_ += found;
    }
    if (found != wanted && !grow(wanted - found)) {
      cancel(found);
      return errc::no_memory;
    }
    r.pool_ = this;
    r.credit_ = nodes;
    return errc::ok;
  }

  /// Takes a node that was promised; it cannot fail.
  ///
  /// \pre r.credit() > 0; locks below leaf_allocator may be held
  /// \allocs none
  [[nodiscard]] std::byte* take(reservation& r) {
    SVM_ASSERT(r.pool_ == this);
    SVM_ASSERT_OP(r.credit_, >, 0u);
    --r.credit_;
    exclusive_guard const guard{lock_};
    link* const node = list_;
    list_ = node->next;
    --free_;
    --reserved_;
    return reinterpret_cast<std::byte*>(node);
  }

  /// Takes a node back; it stays in the pool.
  ///
  /// \pre locks below leaf_allocator may be held
  /// \allocs none, and frees nothing
  void put(std::byte* node) {
    exclusive_guard const guard{lock_};
    list_ = ::new (node) link{list_};
    ++free_;
  }

  /// Gives all spare nodes back to the allocator.
  ///
  /// \pre no lock of rank notifier or later held
  void trim() {
    link* surplus = nullptr;
    {
      exclusive_guard const guard{lock_};
      surplus = detach_locked(free_ - reserved_);
    }
    deallocate(surplus);
  }

  [[nodiscard]] usage in_use() const {
    exclusive_guard const guard{lock_};
    return {owned_, free_, reserved_};
  }

  /// True when invariants 1 to 3 hold.
  [[nodiscard]] bool check() const {
    exclusive_guard const guard{lock_};
    std::size_t listed = 0;
    for (link const* node = list_; node != nullptr && listed <= free_; node = node->next) ++listed;
    return reserved_ <= free_ && listed == free_ && free_ <= owned_;
  }

 private:
  using mutex = typename LockPolicy::template mutex<lock_rank::leaf_allocator>;

  /// Adds `nodes` nodes that are reserved from the start; false, and nothing is added, when there is no memory.
  [[nodiscard]] bool grow(std::size_t nodes) {
    link* fresh = nullptr;
    link* tail = nullptr;
    for (std::size_t i = 0; i < nodes; ++i) {
      std::byte* const place = memory_.allocate(NodeSize, NodeAlign);
      if (place == nullptr) {
        deallocate(fresh);
        return false;
      }
      fresh = ::new (place) link{fresh};
      if (tail == nullptr) tail = fresh;
    }
    exclusive_guard const guard{lock_};
    tail->next = list_;
    list_ = fresh;
    owned_ += nodes;
    free_ += nodes;
    reserved_ += nodes;
    return true;
  }

  void cancel(std::size_t credit) {
    link* surplus = nullptr;
    {
      exclusive_guard const guard{lock_};
      SVM_ASSERT_OP(credit, <=, reserved_);
      reserved_ -= credit;
      if (free_ - reserved_ > trim_above) surplus = detach_locked(trim_batch);
    }
    deallocate(surplus);
  }

  /// Takes `count` free nodes out of the books.
  [[nodiscard]] link* detach_locked(std::size_t count) SVM_REQUIRES(lock_) {
    SVM_ASSERT_OP(count, <=, free_ - reserved_);
    if (count == 0) return nullptr;
    link* const first = list_;
    link* last = first;
    for (std::size_t i = 1; i < count; ++i) last = last->next;
    list_ = std::exchange(last->next, nullptr);
    free_ -= count;
    owned_ -= count;
    return first;
  }

  void deallocate(link* list) {
    while (list != nullptr) {
      link* const node = std::exchange(list, list->next);
      memory_.deallocate(reinterpret_cast<std::byte*>(node), NodeSize, NodeAlign);
    }
  }

  Allocator& memory_;
  mutable mutex lock_;  // rank leaf_allocator: the four below
  link* list_ SVM_GUARDED_BY(lock_) = nullptr;
  std::size_t owned_ SVM_GUARDED_BY(lock_) = 0;
  std::size_t free_ SVM_GUARDED_BY(lock_) = 0;
  std::size_t reserved_ SVM_GUARDED_BY(lock_) = 0;
};

}  // namespace svm::inline v0
