// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/lock_rank.hpp>
#include <svm/base/retire_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/config.hpp>
#include <svm/index/chunk_node.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace svm::inline v0::detail {

/// Says nothing of who reads or changes an index: what `readers_lock` has too.
template <class LockPolicy>
struct index_watch : readers_lock::watch {};

/// For a lock policy of programs whose orders of steps are searched: it is told.
template <class LockPolicy>
requires requires {
  typename LockPolicy::structure;
}
struct index_watch<LockPolicy> : LockPolicy::structure {};

/// The words of a `chunk_index` that is read in sections of a `read_domain`, and where its nodes wait for those.
///
/// A reader may see some words from before a change and some from after it. Each is nothing, or leads to a node or an entry
/// that was in the index after the section began: who takes one out retires it. So a reader finds what was there, or
/// finds nothing, and then asks again with the lock. It needs no sequence.
///
/// Why acquire and release are enough: the only order that a reader relies on is that what a word leads to was made before.
/// That an entry is there no more is told by its own word, which is sequentially consistent.
template <class LockPolicy>
struct section_readers {
  using watch = index_watch<LockPolicy>;
  using domain = typename LockPolicy::read_domain;

  template <class T>
  class word {
    static constexpr bool is_told = requires { typename LockPolicy::structure; };  // so that its words need not be seen
    using storage = std::conditional_t<is_told, readers_lock::word<T>, typename LockPolicy::template atomic<T>>;

   public:
    word() = default;
    explicit word(T value) : value_(value) {}
    [[nodiscard]] T load() const {
      if constexpr (requires(storage const& s) { s.load_acquire(); })
        return value_.load_acquire();
      else
        return value_.load();
    }
    void store(T value) {
      if constexpr (requires(storage & s) { s.store_release(value); })
        value_.store_release(value);
      else
        value_.store(value);
    }

   private:
    storage value_{};
  };

  /// The nodes of a pool that wait for readers. Those that come while some wait make the next batch.
  ///
  /// Any thread may call any function. Nodes are added under the user's lock, where nothing may be freed; so the batch
  /// begins to wait when the user says so with `flush`, without a lock.
  template <class Pool, class Table, class Bucket>
  class limbo : private retire_hook {
   public:
    limbo(Pool& pool, domain& readers) : retire_hook(&limbo::end_wait), pool_(pool), readers_(readers) {}

    /// \pre locks below leaf_allocator may be held
    void add(Table& node) { add(node, &batch::tables); }
    void add(Bucket& node) { add(node, &batch::buckets); }
    /// Lets what came last begin to wait, unless others do; false where it does not.
    ///
    /// \pre        no lock of rank notifier or later held
    /// \complexity one load where no node was added since, or others wait
    bool flush() {
      if (is_due_.load() == 0) return false;
      {
        exclusive_guard const guard{lock_};
        if (is_due_.load() == 0) return false;
        is_due_.store(0);
        is_waiting_ = true;
        waiting_ = std::exchange(fresh_, {});
      }
      readers_.retire(*this);
      return true;
    }

   private:
    struct batch {
      Table* tables = nullptr;
      Bucket* buckets = nullptr;
      [[nodiscard]] bool is_empty() const { return tables == nullptr && buckets == nullptr; }
    };

    template <class Node>
    void add(Node& node, Node* batch::*list) {
      exclusive_guard const guard{lock_};
      node.wait_before(fresh_.*list);
      if (fresh_.is_empty() && !is_waiting_) is_due_.store(1);
      fresh_.*list = &node;
    }
    static void end_wait(retire_hook& hook) noexcept {
      limbo& self = static_cast<limbo&>(hook);
      batch over;
      {
        exclusive_guard const guard{self.lock_};
        over = std::exchange(self.waiting_, {});
        self.is_waiting_ = false;
        if (!self.fresh_.is_empty()) self.is_due_.store(1);
      }
      self.give_back(over.tables);
      self.give_back(over.buckets);
    }
    template <class Node>
    void give_back(Node* node) {
      while (node != nullptr) {
        Node* const next = node->waits_before();
        pool_.template put<Node>(reinterpret_cast<std::byte*>(node));
        node = next;
      }
    }

    Pool& pool_;
    domain& readers_;
    typename LockPolicy::template mutex<lock_rank::leaf_allocator> lock_;
    batch fresh_ SVM_GUARDED_BY(lock_);
    batch waiting_ SVM_GUARDED_BY(lock_);
    bool is_waiting_ SVM_GUARDED_BY(lock_) = false;
    // That some came and none wait; changes under the lock, and is read without.
    typename LockPolicy::template atomic<std::uint32_t> is_due_{0};
  };

  template <class Node, class Pool>
  static void retire(Pool& pool, Node& node) {
    pool.limbo().add(node);
  }
};

/// How an index is read in sections: where the domain has no state there is one thread, and nothing can wait.
template <class LockPolicy>
using sections_of =
    std::conditional_t<std::is_empty_v<typename LockPolicy::read_domain>, readers_lock, section_readers<LockPolicy>>;

}  // namespace svm::inline v0::detail
