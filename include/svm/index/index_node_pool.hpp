// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/lock_rank.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/config.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace svm::inline v0 {

/// Memory for index nodes, which is taken under the locks of the index and allocated outside them.
///
/// Before it locks, a caller earns the right to some nodes with `reserve`; under the lock, `take` and `put` only move
/// nodes between the pool and the index. Reserving moves no node: it raises a count.
///
///     owned  |== in indexes ==|=========== free ===========|
///                             |== reserved ==|== spare ====|
///
/// Nodes that a reservation did not take, and those that an erasure frees, stay as spare ones: a caller that reserves
/// and then fails leaves them to the next. Those above `trim_above` go back to the allocator, a batch at the end of each
/// reservation. All go back at once with `trim`, or at the end of the pool.
///
/// A pool of an index whose nodes differ has all `Nodes`, each counted for itself; nodes of one kind never become
/// another.
///
/// Invariants, for each kind: 1. reserved <= free. 2. the list of free nodes has `free` members. 3. free <= owned. 4.
/// the sum of the credits of all reservations is `reserved`. The pool locks itself with one mutex of rank
/// leaf_allocator, and never calls the allocator while it holds it. All indexes of the same nodes may share a pool; the
/// pool outlives them and every reservation.
template <class LockPolicy, class Allocator, class... Nodes>
class index_node_pool {
  static constexpr std::size_t kinds = sizeof...(Nodes);
  struct link {
    link* next;
  };
  static_assert(((sizeof(Nodes) >= sizeof(link) && alignof(Nodes) >= alignof(link)) && ...),
                "a free node holds the link of its list");

  template <class Node>
  static constexpr std::size_t kind_of = [] {
    std::size_t before = 0;
    static_cast<void>(((std::is_same_v<Node, Nodes> ? true : (++before, false)) || ...));
    return before;
  }();

 public:
  /// Spare nodes of a kind above this number go back to the allocator, `trim_batch` of them at the end of a
  /// reservation. So no caller pays for all that a large unmap freed.
  static constexpr std::size_t trim_above = 128;
  static constexpr std::size_t trim_batch = 16;

  /// A number of nodes of each kind, in the order of `Nodes`.
  struct counts {
    std::size_t of[kinds] = {};
  };

  /// The right to take some nodes; what is left of it is given back when it ends.
  ///
  /// A reservation belongs to one thread at a time.
  ///
  /// \pre at its end: no lock of rank notifier or later held, since surplus nodes may go back to the allocator then
  class [[nodiscard]] reserved_nodes {
   public:
    reserved_nodes() = default;
    reserved_nodes(reserved_nodes&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), credit_(std::exchange(other.credit_, counts{})) {}
    reserved_nodes& operator=(reserved_nodes other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(credit_, other.credit_);
      return *this;
    }
    ~reserved_nodes() {
      if (pool_ != nullptr) pool_->cancel(credit_);
    }

    /// The number of nodes of a kind, the first unless told, that can still be taken.
    template <std::size_t Kind = 0>
    [[nodiscard]] std::size_t credit() const {
      return credit_.of[Kind];
    }

   private:
    friend index_node_pool;

    index_node_pool* pool_ = nullptr;
    counts credit_;
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
    for (shelf& s : shelves_) {
      SVM_ASSERT_OP(s.reserved, ==, 0u);
      SVM_ASSERT_OP(s.free, ==, s.owned);
    }
    for (std::size_t kind = 0; kind < kinds; ++kind) deallocate(kind, shelves_[kind].list);
  }

  /// Promises nodes.
  ///
  /// \pre no lock of rank notifier or later held
  /// \errors no_memory; the promises made before stand
  /// \allocs what the pool lacks, one call a node
  [[nodiscard]] result<reserved_nodes> reserve(counts const& wanted) {
    reserved_nodes made;
    if (errc const e = replenish(made, wanted); e != errc::ok) return e;
    return result<reserved_nodes>{std::move(made)};
  }
  /// The same for a pool of one kind.
  [[nodiscard]] result<reserved_nodes> reserve(std::size_t nodes) requires(kinds == 1) {
    return reserve(counts{{nodes}});
  }

  /// Raises what a reservation of this pool, or an empty one, promises.
  ///
  /// It does nothing, and takes no lock, while nothing was taken from the reservation: a loop of insertions that keeps
  /// one reservation is cheaper than one that makes a new one each time.
  /// \pre, \allocs as for `reserve`
  /// \errors no_memory; the reservation promises what it did
  [[nodiscard]] errc replenish(reserved_nodes& r, counts const& wanted) {
    SVM_ASSERT(r.pool_ == nullptr || r.pool_ == this);
    counts missing;
    bool enough = true;
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      missing.of[kind] = wanted.of[kind] > r.credit_.of[kind] ? wanted.of[kind] - r.credit_.of[kind] : 0;
      enough = enough && missing.of[kind] == 0;
    }
    if (enough) return errc::ok;
    counts found;
    counts absent;
    enough = true;
    {
      exclusive_guard const guard{lock_};
      for (std::size_t kind = 0; kind < kinds; ++kind) {
        shelf& s = shelves_[kind];
        std::size_t const spare = s.free - s.reserved;
        found.of[kind] = spare < missing.of[kind] ? spare : missing.of[kind];
        absent.of[kind] = missing.of[kind] - found.of[kind];
        enough = enough && absent.of[kind] == 0;
        s.reserved += found.of[kind];
      }
    }
    if (!enough && !grow(absent)) {
      cancel(found);
      return errc::no_memory;
    }
    r.pool_ = this;
    for (std::size_t kind = 0; kind < kinds; ++kind) r.credit_.of[kind] += missing.of[kind];
    return errc::ok;
  }
  [[nodiscard]] errc replenish(reserved_nodes& r, std::size_t nodes) requires(kinds == 1) {
    return replenish(r, counts{{nodes}});
  }

  /// Takes a node that was promised; it cannot fail.
  ///
  /// \pre r.credit() > 0 of this kind; locks below leaf_allocator may be held
  /// \allocs none
  template <class Node>
  [[nodiscard]] std::byte* take(reserved_nodes& r) {
    constexpr std::size_t kind = kind_of<Node>;
    SVM_ASSERT(r.pool_ == this);
    SVM_ASSERT_OP(r.credit_.of[kind], >, 0u);
    --r.credit_.of[kind];
    exclusive_guard const guard{lock_};
    --shelves_[kind].reserved;
    return pop_locked(shelves_[kind]);
  }
  /// Takes a spare node, or nothing when there is none: for who can do without.
  ///
  /// \pre locks below leaf_allocator may be held
  /// \allocs none
  template <class Node>
  [[nodiscard]] std::byte* take_spare() {
    exclusive_guard const guard{lock_};
    shelf& s = shelves_[kind_of<Node>];
    return s.free == s.reserved ? nullptr : pop_locked(s);
  }

  /// Takes a node back; it stays in the pool.
  ///
  /// \pre locks below leaf_allocator may be held
  /// \allocs none, and frees nothing
  template <class Node>
  void put(std::byte* node) {
    exclusive_guard const guard{lock_};
    shelf& s = shelves_[kind_of<Node>];
    s.list = ::new (node) link{s.list};
    ++s.free;
  }

  /// Gives all spare nodes back to the allocator.
  ///
  /// \pre no lock of rank notifier or later held
  void trim() {
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      link* surplus = nullptr;
      {
        exclusive_guard const guard{lock_};
        surplus = detach_locked(shelves_[kind], shelves_[kind].free - shelves_[kind].reserved);
      }
      deallocate(kind, surplus);
    }
  }

  /// Of a kind, the first unless told.
  template <std::size_t Kind = 0>
  [[nodiscard]] usage in_use() const {
    exclusive_guard const guard{lock_};
    return {shelves_[Kind].owned, shelves_[Kind].free, shelves_[Kind].reserved};
  }

  /// True when invariants 1 to 3 hold.
  [[nodiscard]] bool check() const {
    exclusive_guard const guard{lock_};
    for (shelf const& s : shelves_) {
      std::size_t listed = 0;
      for (link const* node = s.list; node != nullptr && listed <= s.free; node = node->next) ++listed;
      if (s.reserved > s.free || listed != s.free || s.free > s.owned) return false;
    }
    return true;
  }

 private:
  using mutex = typename LockPolicy::template mutex<lock_rank::leaf_allocator>;

  /// The nodes of a kind.
  struct shelf {
    link* list = nullptr;
    std::size_t owned = 0;
    std::size_t free = 0;
    std::size_t reserved = 0;
  };

  [[nodiscard]] std::byte* pop_locked(shelf& s) SVM_REQUIRES(lock_) {
    link* const node = s.list;
    s.list = node->next;
    --s.free;
    return reinterpret_cast<std::byte*>(node);
  }

  /// Adds nodes that are reserved from the start; false, and nothing is added, when there is no memory.
  [[nodiscard]] bool grow(counts const& nodes) {
    link* fresh[kinds] = {};
    link* tails[kinds] = {};
    for (std::size_t kind = 0; kind < kinds; ++kind)
      for (std::size_t i = 0; i < nodes.of[kind]; ++i) {
        std::byte* const place = memory_.allocate(sizes[kind], alignments[kind]);
        if (place == nullptr) {
          for (std::size_t made = 0; made < kinds; ++made) deallocate(made, fresh[made]);
          return false;
        }
        fresh[kind] = ::new (place) link{fresh[kind]};
        if (tails[kind] == nullptr) tails[kind] = fresh[kind];
      }
    exclusive_guard const guard{lock_};
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      if (tails[kind] == nullptr) continue;
      shelf& s = shelves_[kind];
      tails[kind]->next = s.list;
      s.list = fresh[kind];
      s.owned += nodes.of[kind];
      s.free += nodes.of[kind];
      s.reserved += nodes.of[kind];
    }
    return true;
  }

  void cancel(counts const& credit) {
    link* surplus[kinds] = {};
    {
      exclusive_guard const guard{lock_};
      for (std::size_t kind = 0; kind < kinds; ++kind) {
        shelf& s = shelves_[kind];
        SVM_ASSERT_OP(credit.of[kind], <=, s.reserved);
        s.reserved -= credit.of[kind];
        if (s.free - s.reserved > trim_above) surplus[kind] = detach_locked(s, trim_batch);
      }
    }
    for (std::size_t kind = 0; kind < kinds; ++kind) deallocate(kind, surplus[kind]);
  }

  /// Takes `count` free nodes out of the books.
  [[nodiscard]] link* detach_locked(shelf& s, std::size_t count) SVM_REQUIRES(lock_) {
    SVM_ASSERT_OP(count, <=, s.free - s.reserved);
    if (count == 0) return nullptr;
    link* const first = s.list;
    link* last = first;
    for (std::size_t i = 1; i < count; ++i) last = last->next;
    s.list = std::exchange(last->next, nullptr);
    s.free -= count;
    s.owned -= count;
    return first;
  }

  void deallocate(std::size_t kind, link* list) {
    while (list != nullptr) {
      link* const node = std::exchange(list, list->next);
      memory_.deallocate(reinterpret_cast<std::byte*>(node), sizes[kind], alignments[kind]);
    }
  }

  static constexpr std::size_t sizes[] = {sizeof(Nodes)...};
  static constexpr std::size_t alignments[] = {alignof(Nodes)...};

  Allocator& memory_;
  mutable mutex lock_;  // rank leaf_allocator
  shelf shelves_[kinds] SVM_GUARDED_BY(lock_);
};

}  // namespace svm::inline v0
