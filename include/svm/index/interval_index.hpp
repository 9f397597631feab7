// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/config.hpp>
#include <svm/index/index_node.hpp>
#include <svm/index/index_node_pool.hpp>
#include <svm/index/index_tree.hpp>
#include <svm/index/index_way.hpp>
#include <svm/index/interval_traits.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace svm::inline v0 {

/// Whether an index remembers the leaf where it was changed last: of use where changes come close to each other.
enum class index_memory : bool { none, last_leaf };

/// The ordered set of objects whose intervals do not overlap, as a B+tree of pointers to them.
///
/// The index never owns, moves or changes an object; it reads intervals with `Traits::interval_of`, and keeps of each
/// object the start and the address: `Fanout` of them in a node.
///
/// Invariants: 1. the tree is sound (see `index_tree`). 2. a key of a leaf is the start of its entry. 3. an entry ends
/// before the next one starts.
///
/// Threads: `const` functions need the user's lock shared; the others need it exclusive; `reserve` and `replenish` need
/// none. `const` functions use nothing that is remembered, but close what `erase_later` left open: only who holds the
/// lock exclusive can meet that. No function but these two calls the allocator; nodes that an erasure
/// frees stay in the pool until a reservation ends or the pool is trimmed.
/// \complexity O(log size) for every function, unless it says otherwise
template <interval_traits Traits, class LockPolicy, class Allocator, unsigned Fanout = 16,
          index_memory Memory = index_memory::none>
class interval_index {
  using node = detail::index_node<Fanout>;
  static constexpr bool remembers = Memory == index_memory::last_leaf;

 public:
  using entry = typename Traits::entry;
  using address = typename Traits::address;
  using pool = index_node_pool<LockPolicy, Allocator, node>;
  using reserved_nodes = typename pool::reserved_nodes;

  /// The most nodes that an insertion takes: one a level of the highest tree of 2^48 entries.
  static constexpr unsigned nodes_per_insert = detail::index_tree<pool, Fanout>::max_height;

  /// The most nodes that it takes to insert one entry, and then `more` entries beside it, in rising or falling order.
  /// No other entry is between them.
  ///
  /// The first may split every level. After that a leaf has room for `Fanout` / 2 - 1 neighbours at least before it
  /// splits, and each level above splits as much more rarely.
  [[nodiscard]] static constexpr std::size_t nodes_for(std::size_t more) requires(Fanout > 4) {
    constexpr std::size_t room = Fanout / 2 - 1;
    return nodes_per_insert + more / (room - 1) + (more == 0 ? 0 : 1);
  }
  /// The most nodes of an index of `entries` entries: every node but the root is filled to `min_fill` at least.
  [[nodiscard]] static constexpr std::size_t nodes_of(std::size_t entries) {
    return entries / (detail::index_tree<pool, Fanout>::min_fill - 1) + nodes_per_insert;
  }

  /// \pre `nodes` outlives the index
  explicit interval_index(pool& nodes) : tree_(nodes), finger_(tree_) {}
  /// \pre empty()
  ~interval_index() = default;

  /// Makes sure of the memory for one insertion into any index of this pool, whatever other threads insert meanwhile.
  ///
  /// \pre no lock of rank notifier or later held, neither now nor when the reservation ends
  /// \errors no_memory; nothing is changed
  /// \allocs at most nodes_per_insert nodes, none when the pool has them
  /// \complexity O(1) when the pool has the nodes
  [[nodiscard]] result<reserved_nodes> reserve() const { return reserve(tree_.pool()); }
  /// The same for any index of the pool; needs no lock.
  [[nodiscard]] static result<reserved_nodes> reserve(pool& nodes) { return nodes.reserve(nodes_per_insert); }
  /// Makes a reservation that was used, or an empty one, good for one insertion again; see `reserve`.
  [[nodiscard]] errc replenish(reserved_nodes& nodes) const { return tree_.pool().replenish(nodes, nodes_per_insert); }

  /// Inserts an object, unless entries overlap it: then returns the lowest of those, and changes nothing.
  ///
  /// \pre `nodes` comes from `reserve` or `replenish`, with no insertion since; the user's lock is held exclusive
  /// \allocs none
  [[nodiscard]] entry* insert(reserved_nodes& nodes, entry& e) {
    SVM_ASSERT_OP(nodes.credit(), >=, nodes_per_insert);
    return insert_counted(nodes, e);
  }

  /// The most nodes that it takes to insert an entry at `start` as one of `entries` new ones that have no others
  /// between them; often none. For who may call the allocator with the user's lock held.
  ///
  /// \pre entries <= 2; the count holds while the index has no change but these insertions and `replace`
  [[nodiscard]] std::size_t nodes_to_insert(address start, unsigned entries) const {
    if (empty()) return 1;
    typename tree::path way;
    settled().locate(start.value, way);
    return tree_.nodes_for(way, entries);
  }
  /// As `insert`, with the nodes that `nodes_to_insert` counted under the same hold of the lock.
  [[nodiscard]] entry* insert_counted(reserved_nodes& nodes, entry& e) {
    interval<address> const span = Traits::interval_of(e);
    if (tree_.size() != 0) {
      decltype(auto) way = begin_change();
      way.seek(span.start().value);
      if (entry* const other = object(lowest(way.here(), way.behind(), span)); other != nullptr) return other;
      way.insert(nodes, span.start().value, detail::index_value{e});
    } else {
      tree_.plant(nodes, span.start().value, detail::index_value{e});
    }
    ++changes_;
    return nullptr;
  }
  /// As `insert_counted`, for who knows that no entry overlaps this one.
  void insert_apart(reserved_nodes& nodes, entry& e) {
    std::uint64_t const key = start_of(e);
    ++changes_;
    if (tree_.size() == 0) return tree_.plant(nodes, key, detail::index_value{e});
    decltype(auto) way = begin_change();
    way.seek(key);
    way.insert(nodes, key, detail::index_value{e});
  }
  /// As `insert_apart`, for who inserts another in front of it next: until then the place stays open as after
  /// `erase_later`.
  void insert_beyond(reserved_nodes& nodes, entry& e) requires remembers {
    std::uint64_t const key = start_of(e);
    ++changes_;
    if (tree_.size() == 0) return tree_.plant(nodes, key, detail::index_value{e});
    finger_.seek(key);
    finger_.insert_beyond(nodes, key, detail::index_value{e});
  }
  /// As `insert_apart`, where `first_overlap` has just found nothing in the interval of the entry.
  void insert_found(reserved_nodes& nodes, entry& e) requires remembers {
    std::uint64_t const key = start_of(e);
    ++changes_;
    if (tree_.size() == 0) return tree_.plant(nodes, key, detail::index_value{e});
    finger_.insert(nodes, key, detail::index_value{e});
  }

  /// Puts an object in the place of another, which leaves the index.
  ///
  /// \pre `old` is in the index; no other entry overlaps `fresh`, nor lies between the starts of the two; the user's
  ///      lock is held exclusive
  /// \allocs none, and takes no node
  void replace(entry& old, entry& fresh) {
    decltype(auto) way = begin_change();
    way.replace(start_of(old), detail::index_value{old}, start_of(fresh), detail::index_value{fresh});
    ++changes_;
  }

  /// Takes an object out.
  ///
  /// \pre `e` is in the index; the user's lock is held exclusive
  /// \allocs none, and frees nothing: the pool keeps the nodes
  void erase(entry& e) {
    decltype(auto) way = begin_change();
    way.erase(start_of(e), detail::index_value{e});
    ++changes_;
  }
  /// As `erase`, for who takes out neighbours in a row, or inserts another there next. Its place stays open until a
  /// change elsewhere, a `const` function or `settle` closes it.
  ///
  /// \pre as for `erase`; the user calls `settle` before another thread may look
  void erase_later(entry& e) requires remembers {
    finger_.erase_later(start_of(e), detail::index_value{e});
    ++changes_;
  }
  /// Closes what `erase_later` and `insert_beyond` left open.
  void settle() requires remembers { finger_.close_gap(); }

  /// Tells the index that the start of an object moved from `old_start` to where it is now.
  ///
  /// A change of the end alone needs no call.
  /// \pre `e` is in the index, and there is no other entry between its old place and the new one, nor in either; the
  ///         user's lock is held exclusive since before the change
  /// \allocs none
  void rekey(entry& e, address old_start) {
    decltype(auto) way = begin_change();
    way.replace(old_start.value, detail::index_value{e}, start_of(e), detail::index_value{e});
  }

  /// The entry that contains an address, or null.
  [[nodiscard]] entry* find(address a) const {
    if (empty()) return nullptr;
    entry* const below = object(tree::before(settled().locate(a.value)));
    return below != nullptr && Traits::interval_of(*below).contains(a) ? below : nullptr;
  }

  /// The lowest entry that overlaps an interval, or null.
  [[nodiscard]] entry* first_overlap(interval<address> span) const { return first_overlap(*this, span); }
  /// The same for who may change the index.
  [[nodiscard]] entry* first_overlap(interval<address> span) requires remembers { return first_overlap(*this, span); }

  /// The entries next to an address: the highest that starts at or below it, which may hold it, and the lowest above.
  struct neighbours {
    entry* below;
    entry* above;
  };
  [[nodiscard]] neighbours around(address a) const {
    if (empty()) return {nullptr, nullptr};
    place const behind = settled().locate(a.value);
    return {object(tree::before(behind)), object(tree::at_or_after(behind))};
  }

  /// \complexity O(1)
  [[nodiscard]] entry* first() const { return object(settled().first()); }
  /// \complexity O(1)
  [[nodiscard]] entry* last() const { return object(settled().last()); }

  /// The entry behind `e`, or null at the end; other entries may come and go between two calls.
  ///
  /// \pre `e` is in the index
  [[nodiscard]] entry* next(entry const& e) const { return object(tree::at_or_after(settled().locate(start_of(e)))); }
  /// The entry before `e`, or null at the beginning.
  ///
  /// \pre `e` is in the index
  [[nodiscard]] entry* previous(entry const& e) const {
    return object(tree::before(tree::before(settled().locate(start_of(e)))));
  }

  /// Calls `function(entry&)` for every entry that overlaps an interval, in order.
  ///
  /// The function may erase its entry and even end its life, and may insert, erase and rekey others (with the user's
  /// lock held exclusive): the walk goes on with what then lies above the end that its entry had before the call.
  /// \complexity O(log size + entries visited), and O(log size) for a call that inserts or erases
  template <class Function>
  void for_each_overlap(interval<address> span, Function&& function) const {
    static_cast<void>(try_each_overlap(span, [&](entry& e) {
      function(e);
      return errc::ok;
    }));
  }
  /// The same with a function that returns an `errc`: the first error ends the walk, and is its result.
  template <class Function>
  [[nodiscard]] errc try_each_overlap(interval<address> span, Function&& function) const {
    return walk_overlap(*this, span, function);
  }
  template <class Function>
  [[nodiscard]] errc try_each_overlap(interval<address> span, Function&& function) requires remembers {
    return walk_overlap(*this, span, function);
  }

  /// Calls `function(entry&)` for every entry in order; see `for_each_overlap`.
  template <class Function>
  void for_each(Function&& function) const {
    static_cast<void>(walk(*this, settled().first(), UINT64_MAX, [&](entry& e) {
      function(e);
      return errc::ok;
    }));
  }

  [[nodiscard]] bool empty() const { return size() == 0; }
  /// \complexity O(1)
  [[nodiscard]] std::size_t size() const {
    if constexpr (remembers)
      return tree_.size() - finger_.gap();
    else
      return tree_.size();
  }

  /// True when all invariants hold.
  ///
  /// \complexity O(size)
  [[nodiscard]] bool check() const {
    if (!settled().check()) return false;
    place p = tree_.first();
    for (entry const* below = nullptr; p.where != nullptr; p = tree::at_or_after({p.where, p.at + 1})) {
      entry const* const e = object(p);
      if (p.where->keys[p.at] != start_of(*e)) return false;
      if (below != nullptr && start_of(*e) <= Traits::interval_of(*below).last().value) return false;
      below = e;
    }
    return true;
  }

 private:
  using tree = detail::index_tree<pool, Fanout>;
  using place = typename tree::place;
  struct nothing {
    explicit nothing(tree&) {}
  };

  [[nodiscard]] static std::uint64_t start_of(entry const& e) { return Traits::interval_of(e).start().value; }
  [[nodiscard]] static entry* object(place p) {
    return p.where == nullptr ? nullptr : p.where->values[p.at].template as<entry>();
  }

  /// The way of a change: a new one, or what is remembered.
  [[nodiscard]] decltype(auto) begin_change() {
    if constexpr (remembers)
      return (finger_);
    else
      return detail::index_way<tree>{tree_};
  }
  /// The tree for a look-up. Something is open only between two changes, where this thread is alone with the index.
  [[nodiscard]] tree const& settled() const {
    if constexpr (remembers) finger_.close_gap();
    return tree_;
  }

  /// Where a key belongs: behind the last place that is not above it, and before the first above.
  struct gap {
    place here;
    place behind;
  };
  template <class Self>
  [[nodiscard]] static gap seek(Self& self, std::uint64_t key) {
    if constexpr (remembers && !std::is_const_v<Self>) {
      self.finger_.seek(key);
      return {self.finger_.here(), self.finger_.behind()};
    } else {
      place const p = self.settled().locate(key);
      return {p, p};
    }
  }

  /// The place of the lowest entry that overlaps `span`, or no place; its start belongs between the two.
  [[nodiscard]] static place lowest(place here, place above, interval<address> span) {
    place const below = tree::before(here);
    if (below.where != nullptr && span.start() <= Traits::interval_of(*object(below)).last()) return below;
    place const behind = tree::at_or_after(above);
    return behind.where != nullptr && behind.where->keys[behind.at] <= span.last().value ? behind : place{};
  }
  /// Fetches an entry that a walk meets soon, so that it waits for several at once.
  static void fetch(place p, unsigned ahead) {
    if (p.at + ahead < p.where->count) __builtin_prefetch(p.where->values[p.at + ahead].template as<entry>());
  }
  template <class Self>
  [[nodiscard]] static entry* first_overlap(Self& self, interval<address> span) {
    if (self.empty()) return nullptr;
    gap const at = seek(self, span.start().value);
    return object(lowest(at.here, at.behind, span));
  }

  template <class Self, class Function>
  [[nodiscard]] static errc walk_overlap(Self& self, interval<address> span, Function& function) {
    if (self.empty()) return errc::ok;
    gap const at = seek(self, span.start().value);
    if constexpr (remembers && !std::is_const_v<Self>) {
      fetch(at.behind, 0);
      fetch(at.behind, 1);
    }
    return walk(self, lowest(at.here, at.behind, span), span.last().value, function);
  }
  /// Visits the entries from `p` to the last that starts at or before `last`.
  template <class Self, class Function>
  [[nodiscard]] static errc walk(Self& self, place p, std::uint64_t last, Function&& function) {
    while (p.where != nullptr && p.where->keys[p.at] <= last) {
      entry& e = *object(p);
      if constexpr (remembers && !std::is_const_v<Self>) fetch(p, 2);
      std::uint64_t const end = Traits::interval_of(e).last().value;
      std::uint64_t const changes = self.changes_;
      if (errc const failed = function(e); failed != errc::ok) return failed;
      if (end >= last) break;
      if (self.changes_ == changes)
        p = tree::at_or_after({p.where, p.at + 1});
      else if (self.empty())
        break;
      else
        p = tree::at_or_after(seek(self, end).behind);
    }
    return errc::ok;
  }

  tree tree_;
  std::uint64_t changes_ = 0;  // insertions, erasures and replacements: they end the validity of a place
  [[no_unique_address]] mutable std::conditional_t<remembers, detail::index_finger<tree>, nothing> finger_;
};

}  // namespace svm::inline v0
