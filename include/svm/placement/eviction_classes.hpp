// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include <svm/base/intrusive_list.hpp>

namespace svm::inline v0::placement {

/// What goes first: memory without pages, then what was discarded, then the block that was served longest ago.
enum class eviction_class : std::uint8_t { unused, discarded, used };

/// Names the list that what can be evicted stands in.
struct evictable_by_class;

/// What one block has in a device's memory, as eviction sees it.
class evictable : public list_hook<evictable_by_class> {
 public:
  [[nodiscard]] bool is_pinned() const { return pins_ != 0; }
  [[nodiscard]] bool is_in_eviction() const { return in_eviction_; }
  [[nodiscard]] eviction_class evicted_as() const { return class_; }

 private:
  template <class>
  friend class eviction_classes;

  unsigned pins_ = 0;  ///< operations in progress on it
  eviction_class class_ = eviction_class::used;
  bool in_eviction_ = false;
};

/// The order of victims by class, and in a class by recency of service (rules D2 and D3). `T` derives from `evictable`.
///
/// Invariant: a block stands in a list unless it is pinned, in eviction, or has no memory.
template <class T>
class eviction_classes {
 public:
  enum class shortage : std::uint8_t {
    none,
    wait,       ///< what is pinned or in eviction may come free: leave, and try again
    no_memory,  ///< nothing ever will
  };

  /// A service or migration to this device ended, or a fault found its page there: the block was used last of all.
  void served(T& block) { put(block, eviction_class::used); }
  /// The last page of the block left, and its memory stayed.
  void emptied(T& block) { put(block, eviction_class::unused); }
  void discarded(T& block) { put(block, eviction_class::discarded); }
  /// Takes a block without memory out of the order.
  void remove(T& block) {
    if (is_listed(block)) list_of(block).erase(block);
  }

  /// An operation begins to use the block's memory: it is no victim until as many unpins followed.
  void pin(T& block) {
    if (block.pins_++ == 0) {
      ++busy_;
      remove(block);
    }
  }
  /// The operation ends, and leaves the block used last of all.
  void unpin(T& block) {
    SVM_ASSERT(block.pins_ != 0);
    if (--block.pins_ != 0) return;
    --busy_;
    put(block, eviction_class::used);
  }

  /// The block that goes next and for which `may_go` is true, taken out of the order; null when there is none.
  template <class MayGo>
  [[nodiscard]] T* take_victim(MayGo&& may_go) {
    for (list& each : lists_)
      for (T* block = each.front(); block != nullptr; block = each.next(*block)) {
        if (!may_go(*block)) continue;
        each.erase(*block);
        block->in_eviction_ = true;
        ++busy_;
        return block;
      }
    return nullptr;
  }
  /// What it means that there was no victim.
  [[nodiscard]] shortage why_none() const { return busy_ != 0 ? shortage::wait : shortage::no_memory; }

  /// An eviction ended. Where it failed the block is used last of all, so that another is tried before it.
  void evicted(T& block, bool succeeded) {
    SVM_ASSERT(block.in_eviction_);
    block.in_eviction_ = false;
    --busy_;
    if (!succeeded) put(block, eviction_class::used);
  }

  [[nodiscard]] bool is_listed(T& block) const {
    return static_cast<list_hook<evictable_by_class>&>(block).is_linked();
  }
  [[nodiscard]] bool empty(eviction_class c) const { return lists_[static_cast<unsigned>(c)].empty(); }

 private:
  using list = intrusive_list<T, evictable_by_class>;

  list& list_of(T& block) { return lists_[static_cast<unsigned>(block.class_)]; }
  void put(T& block, eviction_class c) {
    if (block.pins_ != 0 || block.in_eviction_) return;
    remove(block);
    block.class_ = c;
    list_of(block).push_back(block);
  }

  std::array<list, 3> lists_;
  unsigned busy_ = 0;  ///< blocks that are pinned or in eviction
};

}  // namespace svm::inline v0::placement
