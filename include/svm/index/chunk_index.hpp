// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/config.hpp>
#include <svm/index/chunk_layout.hpp>
#include <svm/index/chunk_node.hpp>
#include <svm/index/chunk_order.hpp>
#include <svm/index/index_node_pool.hpp>
#include <svm/index/interval_traits.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

namespace svm::inline v0 {

/// How an index keeps a few entries that are far from others: in buckets, which are small, or in tables, which are
/// fast.
enum class chunk_sparse : bool { buckets, tables };

/// How an insertion without a reservation of nodes ended.
enum class chunk_insertion : std::uint8_t { done, overlaps, takes_nodes };

/// The ordered set of objects that are chunks: their sizes are those of a `chunk_layout`, and each is aligned to its
/// size. It answers as an `interval_index` does, by tables that an address is the way through.
///
///     root     [ o | t | . | b ]          one slot for each part of the span; most often the whole way to an entry
///                    |       \            is one load from each table
///     table    [ o | . | o | t | ... ]     bucket: up to four entries of one slot
///                            |
///     table    [ o | o | o | o | ... ]     made where five entries are in one slot, of just the level where they part
///
/// It never owns, moves or changes an object. A slot holds whatever is alone in it, so tables exist where entries are
/// dense, and sparse memory is kept in buckets.
///
/// Invariants: 1. entries do not overlap; a slot holds all entries of its span. 2. a table has two slots in use at
/// least, its slots are smaller than the one that it is in. 3. a bucket has two to four entries, in order. 4. an entry
/// larger than a slot stands in each that it fills, and `used` has the first of them. 5. size() counts the entries.
///
/// Threads: as for `interval_index`: `const` functions need the user's lock shared, the others need it exclusive, and
/// `reserve` and `replenish` none. `find` may go without where `Sharing` allows it and the user can tell afterwards
/// that nothing changed: every word it reads is one load, and a table that it is in leads to nothing but what was in
/// its span.
/// \complexity O(levels of the layout) for every function, unless it says otherwise
template <interval_traits Traits, class LockPolicy, class Allocator, chunk_sparse Sparse = chunk_sparse::buckets,
          class Sharing = detail::readers_lock>
class chunk_index {
  using table = detail::chunk_table<Sharing>;
  using bucket = detail::chunk_bucket<Sharing>;
  using chunk_slot = detail::chunk_slot;
  using nodes_of = index_node_pool<LockPolicy, Allocator, table, bucket>;

 public:
  using entry = typename Traits::entry;
  using address = typename Traits::address;
  using reserved_nodes = typename nodes_of::reserved_nodes;

  /// The memory of indexes of one layout, and the layout.
  class pool : public nodes_of {
   public:
    /// \param readers  what `Sharing` keeps nodes back for
    template <class... Readers>
    pool(Allocator& memory, chunk_layout const& layout, Readers&... readers)
        : nodes_of(memory), layout_(layout), limbo_(*this, readers...) {}
    [[nodiscard]] chunk_layout const& layout() const { return layout_; }
    [[nodiscard]] auto& limbo() { return limbo_; }

   private:
    chunk_layout const layout_;
    [[no_unique_address]] typename Sharing::template limbo<nodes_of, table, bucket> limbo_;
  };

  /// The most nodes that an insertion takes: five entries of a slot become a table, of which two slots may have two.
  static constexpr unsigned nodes_per_insert = 3;

  /// \param somewhere  an address in the span of the index
  /// \pre `nodes` outlives the index
  chunk_index(pool& nodes, address somewhere) : root_(nodes.layout().base_of(somewhere.value)), pool_(nodes) {}
  chunk_index(chunk_index const&) = delete;
  chunk_index& operator=(chunk_index const&) = delete;
  /// \pre empty(); all nodes are in the pool then
  ~chunk_index() { SVM_ASSERT_OP(size_, ==, 0u); }

  /// Makes sure of the memory for one insertion into any index of this pool; see `interval_index::reserve`.
  ///
  /// \errors no_memory; nothing is changed
  /// \allocs at most a table and two buckets, none when the pool has them
  [[nodiscard]] result<reserved_nodes> reserve() const { return reserve(pool_); }
  [[nodiscard]] static result<reserved_nodes> reserve(pool& nodes) { return nodes.reserve(room); }
  /// Makes a reservation that was used, or an empty one, good for one insertion again.
  [[nodiscard]] errc replenish(reserved_nodes& nodes) const { return replenish(pool_, nodes); }
  /// \param insertions  that it is to be good for
  [[nodiscard]] static errc replenish(pool& from, reserved_nodes& nodes, std::size_t insertions = 1) {
    return from.replenish(nodes, {{room.of[0] * insertions, room.of[1] * insertions}});
  }

  /// Inserts an object, unless entries overlap it: then returns the lowest of those, and changes nothing.
  ///
  /// \pre `e` is a chunk inside the span; `nodes` comes from `reserve` or `replenish`, with no insertion since; the
  ///      user's lock is held exclusive
  /// \allocs none
  [[nodiscard]] entry* insert(reserved_nodes& nodes, entry& e) {
    place p;
    entry* other = nullptr;
    switch (seek(e, p, other)) {
      case room_at::none:
        return other;
      case room_at::slot:
        p.put(e, Traits::interval_of(e).size().value - 1);
        break;
      case room_at::entries:
        join(nodes, p, p.load(), e);
        break;
      case room_at::table:
        part_above(nodes, p, p.load(), e);
        break;
    }
    added();
    return nullptr;
  }
  /// Inserts an object where that takes no node, as most often. Else nothing has changed.
  ///
  /// \pre as `insert`, without a reservation
  [[nodiscard]] [[gnu::always_inline]] chunk_insertion insert_in_place(entry& e) {
    place p;
    entry* other = nullptr;
    room_at const where = seek(e, p, other);
    if (where == room_at::none) return chunk_insertion::overlaps;
    if (where == room_at::slot)
      p.put(e, Traits::interval_of(e).size().value - 1);
    else if (where == room_at::table || !joins_bucket(p.load(), e))
      return chunk_insertion::takes_nodes;
    added();
    return chunk_insertion::done;
  }

  /// Takes an object out.
  ///
  /// \pre `e` is in the index; the user's lock is held exclusive
  /// \allocs none, and frees nothing: the pool keeps the nodes
  void erase(entry& e) {
    std::uint64_t const first = start_of(e);
    place above{};
    place p = way(first);
    chunk_slot s = p.load();
    while (s.is_table()) {
      above = p;
      p = way(s.template table<table>(), s.shift(), first);
      s = p.load();
    }
    if (s.is_bucket()) {
      bucket& b = s.template bucket<bucket>();
      b.close(b.rank(first) - 1);
      if (b.at(1).is_empty()) {
        p.store(b.at(0));
        retire(b);
      }
    } else {
      SVM_ASSERT(s == chunk_slot::of_entry(e));
      p.clear(Traits::interval_of(e).size().value - 1);
    }
    --size_;
    ++root_.changes;
    watch_.changed();
    if (above.slots != nullptr) shrink(above);
  }

  /// The entry that contains an address, or null.
  [[nodiscard]] entry* find(address a) const { return find(a, pool_.layout()); }
  /// The same for who has the layout of the pool at hand, and need not wait for the memory that knows it.
  [[nodiscard]] [[gnu::always_inline]] entry* find(address a, chunk_layout const& layout) const {
    chunk_slot s = root_.all.at(decltype(root_.all)::number(a.value, layout.root_shift()));
    while (s.is_table()) s = s.template table<table>().all.at(decltype(table::all)::number(a.value, s.shift()));
    if (Sparse == chunk_sparse::buckets && s.is_node()) {  // and no table
      bucket const& b = s.template bucket<bucket>();
      unsigned const rank = b.rank(a.value);
      if (rank == 0) return nullptr;
      s = b.at(rank - 1);
    }
    entry* const e = s.template entry<entry>();
    return e != nullptr && Traits::interval_of(*e).contains(a) ? e : nullptr;
  }
  /// The same for who reads without the user's lock: an entry that was there during the call, or null, which is right
  /// unless others changed the index meanwhile.
  [[nodiscard]] [[gnu::always_inline]] entry* find_unlocked(address a, chunk_layout const& layout) const {
    watch_.looked_at();
    return find(a, layout);
  }

  /// The lowest entry that overlaps an interval, or null.
  [[nodiscard]] entry* first_overlap(interval<address> span) const {
    entry* const e = in_order().at_or_above(span.start().value);
    return e != nullptr && start_of(*e) <= span.last().value ? e : nullptr;
  }

  [[nodiscard]] entry* first() const { return in_order().at_or_above(0); }
  [[nodiscard]] entry* last() const { return in_order().at_or_below(UINT64_MAX); }

  /// The entry behind `e`, or null at the end; other entries may come and go between two calls.
  ///
  /// \pre `e` is in the index
  [[nodiscard]] entry* next(entry const& e) const {
    std::uint64_t const last = last_of(e);
    return last == UINT64_MAX ? nullptr : in_order().at_or_above(last + 1);
  }
  /// The entry before `e`, or null at the beginning.
  ///
  /// \pre `e` is in the index
  [[nodiscard]] entry* previous(entry const& e) const {
    return start_of(e) == 0 ? nullptr : in_order().at_or_below(start_of(e) - 1);
  }

  /// Calls `function(entry&)` for every entry that overlaps an interval, in order, with one load from a table each.
  ///
  /// The function may erase its entry and even end its life, and may insert and erase others (with the user's lock held
  /// exclusive): the walk goes on with what then lies above the end that its entry had before the call.
  /// \complexity O(levels + entries visited), and O(levels) for a call that inserts or erases
  template <class Function>
  void for_each_overlap(interval<address> span, Function&& function) const {
    in_order().walk(span.start().value, span.last().value, function);
  }
  /// Calls `function(entry&)` for every entry in order; see `for_each_overlap`.
  template <class Function>
  void for_each(Function&& function) const {
    in_order().walk(0, UINT64_MAX, function);
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// \complexity O(1)
  [[nodiscard]] std::size_t size() const { return size_; }

  /// True when all invariants hold.
  ///
  /// \complexity O(size)
  [[nodiscard]] bool check() const { return in_order().check(size_); }

 private:
  static constexpr typename nodes_of::counts room{{1, nodes_per_insert - 1}};

  using word = typename Sharing::template word<std::uint64_t>;
  using order = detail::chunk_order<Traits, Sharing>;

  /// A slot that may change, and what it is one of.
  struct place {
    word* slots = nullptr;
    std::uint32_t* used = nullptr;
    unsigned at = 0;
    unsigned shift = 0;

    [[nodiscard]] chunk_slot load() const { return chunk_slot{slots[at].load()}; }
    void store(chunk_slot s) const { slots[at].store(s.word()); }
    /// Fills the slots of an entry that begins here and reaches `reach` further.
    void put(entry& e, std::uint64_t reach) const { fill(chunk_slot::of_entry(e), reach, *used | 1u << at); }
    void clear(std::uint64_t reach) const { fill({}, reach, *used & ~(1u << at)); }

   private:
    void fill(chunk_slot s, std::uint64_t reach, std::uint32_t now_used) const {
      for (std::uint64_t i = 0; i <= reach >> shift; ++i) slots[at + i].store(s.word());
      *used = now_used;
    }
  };

  [[nodiscard]] static std::uint64_t start_of(entry const& e) { return order::start_of(e); }
  [[nodiscard]] static std::uint64_t last_of(entry const& e) { return order::last_of(e); }
  [[nodiscard]] order in_order() const { return {root_, pool_.layout()}; }

  [[nodiscard]] place way(std::uint64_t a) {
    unsigned const shift = pool_.layout().root_shift();
    return {root_.all.slots, &root_.used, decltype(root_.all)::number(a, shift), shift};
  }
  [[nodiscard]] static place way(table& t, unsigned shift, std::uint64_t a) {
    return {t.all.slots, &t.used, decltype(t.all)::number(a, shift), shift};
  }

  /// What is where an entry is to go: others that overlap it, a free slot, entries beside it, or a table that does not
  /// span it.
  enum class room_at : std::uint8_t { none, slot, entries, table };

  /// Finds the place of a new entry; or in `other` the lowest that overlaps it.
  [[nodiscard]] [[gnu::always_inline]] room_at seek(entry const& e, place& p, entry*& other) {
    std::uint64_t const first = start_of(e);
    std::uint64_t const reach = Traits::interval_of(e).size().value - 1;
    for (p = way(first);;) {
      chunk_slot const s = p.load();
      if (s.is_table()) {
        table& below = s.template table<table>();
        if (((below.base ^ first) & ~(reach | below.reach)) != 0) return room_at::table;
        if (reach >= below.reach) {
          other = order::lowest(s);
          return room_at::none;
        }
        p = way(below, s.shift(), first);
      } else if (reach >> p.shift != 0) {
        other = first_overlap(Traits::interval_of(e));
        return other == nullptr ? room_at::slot : room_at::none;
      } else if (s.is_empty()) {
        return room_at::slot;
      } else {
        other = beside(s, first, reach);
        return other == nullptr ? room_at::entries : room_at::none;
      }
    }
  }
  void added() {
    ++size_;
    ++root_.changes;
    watch_.changed();
  }

  // Making and ending nodes: impl/chunk_nodes.hpp.
  [[nodiscard]] table& make_table(reserved_nodes& nodes, std::uint64_t a, unsigned shift);
  [[nodiscard]] static bucket& make_bucket(std::byte* node, entry& a, entry& b);
  void part_above(reserved_nodes& nodes, place const& p, chunk_slot below, entry& e);
  [[nodiscard]] entry* beside(chunk_slot s, std::uint64_t first, std::uint64_t reach) const;
  [[nodiscard]] static entry* meets(entry* other, std::uint64_t first, std::uint64_t reach);
  [[nodiscard]] static bool joins_bucket(chunk_slot s, entry& e);
  void join(reserved_nodes& nodes, place const& p, chunk_slot s, entry& e);
  template <class Node>
  void retire(Node& node);
  void add(reserved_nodes& nodes, table& t, unsigned shift, entry& e);
  void shrink(place const& p);
  [[nodiscard]] chunk_slot shrunk(chunk_slot a, chunk_slot b, chunk_slot c);

  detail::chunk_root<Sharing> root_;
  pool& pool_;
  std::size_t size_ = 0;
  [[no_unique_address]] typename Sharing::watch watch_;
};

}  // namespace svm::inline v0

#include <svm/index/impl/chunk_nodes.hpp>
