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
/// Threads: `const` functions need the user's lock shared, and use nothing that is remembered; the others need it
/// exclusive; `reserve` and `replenish` need none. No function but these two calls the allocator; nodes that an erasure
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
  explicit interval_index(pool& nodes) : tree_(nodes) {}
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
    path way;
    tree_.locate(start.value, way);
    return tree_.nodes_for(way, entries);
  }
  /// As `insert`, with the nodes that `nodes_to_insert` counted under the same hold of the lock.
  [[nodiscard]] entry* insert_counted(reserved_nodes& nodes, entry& e) {
    interval<address> const span = Traits::interval_of(e);
    if (!empty()) {
      decltype(auto) way = begin_change();
      place const above = way.seek(tree_, span.start().value);
      if (entry* const other = object(lowest(above, span)); other != nullptr) return other;
      insert_at(nodes, way, span.start().value, e);
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
    if (empty()) return tree_.plant(nodes, key, detail::index_value{e});
    decltype(auto) way = begin_change();
    way.seek(tree_, key);
    insert_at(nodes, way, key, e);
  }

  /// Puts an object in the place of another, which leaves the index.
  ///
  /// \pre `old` is in the index; no other entry overlaps `fresh`, nor lies between the starts of the two; the user's
  ///      lock is held exclusive
  /// \allocs none, and takes no node
  void replace(entry& old, entry& fresh) {
    decltype(auto) way = begin_change();
    way.point_at(tree_, start_of(old), detail::index_value{old});
    place const p = way.places()[0];
    p.where->values[p.at] = detail::index_value{fresh};
    if (start_of(fresh) != start_of(old)) tree_.rekey(way.places(), start_of(fresh));
    ++changes_;
  }

  /// Takes an object out.
  ///
  /// \pre `e` is in the index; the user's lock is held exclusive
  /// \allocs none, and frees nothing: the pool keeps the nodes
  void erase(entry& e) {
    decltype(auto) way = begin_change();
    way.point_at(tree_, start_of(e), detail::index_value{e});
    bool const stays = way.places()[0].where->count > tree::min_fill;
    tree_.erase(way.places());
    if (!stays) way.forget();
    ++changes_;
  }

  /// Tells the index that the start of an object moved from `old_start` to where it is now.
  ///
  /// A change of the end alone needs no call.
  /// \pre `e` is in the index, and there is no other entry between its old place and the new one, nor in either; the
  ///         user's lock is held exclusive since before the change
  /// \allocs none
  void rekey(entry& e, address old_start) {
    decltype(auto) way = begin_change();
    way.point_at(tree_, old_start.value, detail::index_value{e});
    tree_.rekey(way.places(), start_of(e));  // the leaf keeps its pairs, so what is remembered of it stays true
  }

  /// The entry that contains an address, or null.
  [[nodiscard]] entry* find(address a) const {
    if (empty()) return nullptr;
    entry* const below = object(tree::before(tree_.locate(a.value)));
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
    place const behind = tree_.locate(a.value);
    return {object(tree::before(behind)), object(tree::at_or_after(behind))};
  }

  /// \complexity O(1)
  [[nodiscard]] entry* first() const { return object(tree_.first()); }
  /// \complexity O(1)
  [[nodiscard]] entry* last() const { return object(tree_.last()); }

  /// The entry behind `e`, or null at the end; other entries may come and go between two calls.
  ///
  /// \pre `e` is in the index
  [[nodiscard]] entry* next(entry const& e) const { return object(tree::at_or_after(tree_.locate(start_of(e)))); }
  /// The entry before `e`, or null at the beginning.
  ///
  /// \pre `e` is in the index
  [[nodiscard]] entry* previous(entry const& e) const {
    return object(tree::before(tree::before(tree_.locate(start_of(e)))));
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
    static_cast<void>(walk(*this, tree_.first(), UINT64_MAX, [&](entry& e) {
      function(e);
      return errc::ok;
    }));
  }

  [[nodiscard]] bool empty() const { return size() == 0; }
  /// \complexity O(1)
  [[nodiscard]] std::size_t size() const { return tree_.size(); }

  /// True when all invariants hold.
  ///
  /// \complexity O(size)
  [[nodiscard]] bool check() const {
    if (!tree_.check()) return false;
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
  using path = typename tree::path;
  struct nothing {};

  [[nodiscard]] static std::uint64_t start_of(entry const& e) { return Traits::interval_of(e).start().value; }
  [[nodiscard]] static entry* object(place p) {
    return p.where == nullptr ? nullptr : p.where->values[p.at].template as<entry>();
  }

  /// The way of a change: a new one, or what is remembered.
  [[nodiscard]] decltype(auto) begin_change() {
    if constexpr (remembers)
      return (finger_);
    else
      return detail::index_way<tree>{};
  }
  template <class Way>
  void insert_at(reserved_nodes& nodes, Way& way, std::uint64_t key, entry& e) {
    bool const fits = way.places()[0].where->count < Fanout;
    tree_.insert(nodes, way.places(), key, detail::index_value{e});
    if (!fits) way.forget();
  }

  template <class Self>
  [[nodiscard]] static place seek(Self& self, std::uint64_t key) {
    if constexpr (remembers && !std::is_const_v<Self>)
      return self.finger_.seek(self.tree_, key);
    else
      return self.tree_.locate(key);
  }

  /// The place of the lowest entry that overlaps `span`, or no place; `above` is where its start was located.
  [[nodiscard]] static place lowest(place above, interval<address> span) {
    // Who works close to where he did most likely goes on to the next; fetching it now overlaps two cache misses.
    if constexpr (remembers)
      if (above.at < above.where->count) __builtin_prefetch(above.where->values[above.at].template as<entry>());
    place const below = tree::before(above);
    if (below.where != nullptr && span.start() <= Traits::interval_of(*object(below)).last()) return below;
    place const behind = tree::at_or_after(above);
    return behind.where != nullptr && behind.where->keys[behind.at] <= span.last().value ? behind : place{};
  }
  template <class Self>
  [[nodiscard]] static entry* first_overlap(Self& self, interval<address> span) {
    return self.empty() ? nullptr : object(lowest(seek(self, span.start().value), span));
  }

  template <class Self, class Function>
  [[nodiscard]] static errc walk_overlap(Self& self, interval<address> span, Function& function) {
    if (self.empty()) return errc::ok;
    return walk(self, lowest(seek(self, span.start().value), span), span.last().value, function);
  }
  /// Visits the entries from `p` to the last that starts at or before `last`.
  template <class Self, class Function>
  [[nodiscard]] static errc walk(Self& self, place p, std::uint64_t last, Function&& function) {
    while (p.where != nullptr && p.where->keys[p.at] <= last) {
      entry& e = *object(p);
      std::uint64_t const end = Traits::interval_of(e).last().value;
      std::uint64_t const changes = self.changes_;
      if (errc const failed = function(e); failed != errc::ok) return failed;
      if (end >= last) break;
      if (self.changes_ == changes)
        p = tree::at_or_after({p.where, p.at + 1});
      else if (self.empty())
        break;
      else
        p = tree::at_or_after(seek(self, end));
    }
    return errc::ok;
  }

  tree tree_;
  std::uint64_t changes_ = 0;  // insertions, erasures and replacements: they end the validity of a place
  [[no_unique_address]] std::conditional_t<remembers, detail::index_finger<tree>, nothing> finger_;
};

}  // namespace svm::inline v0
