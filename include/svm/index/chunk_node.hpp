// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/config.hpp>
#include <svm/index/chunk_layout.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::detail {

/// How the words of a `chunk_index` are read and written, and where nodes go that it has no use for any more: this is
/// for an index whose readers have the user's lock.
///
/// An index that is read without it has atomic words. It retires a node to a list, where the node stays until no reader
/// can see it any more; the pool gets it from there. See section_readers.hpp.
struct readers_lock {
  /// What says that somebody reads or changes an index, to who watches that.
  struct watch {
    void looked_at() const {}
    void changed() const {}
  };
  template <class T>
  class word {
   public:
    word() = default;
    explicit word(T value) : value_(value) {}
    [[nodiscard]] T load() const { return value_; }
    void store(T value) { value_ = value; }

   private:
    T value_{};
  };

  /// Where the nodes of a pool wait.
  template <class Pool, class... Nodes>
  class limbo {
   public:
    template <class... Readers>
    explicit limbo(Pool&, Readers&...) {}
    bool flush() { return false; }
  };

  template <class Node, class Pool>
  static void retire(Pool& pool, Node& node) {
    pool.template put<Node>(reinterpret_cast<std::byte*>(&node));
  }
};

/// What a slot holds: nothing, an entry, a bucket, or a table and how far its slots are apart. In one word, so that a
/// reader gets all of it at once.
class chunk_slot {
 public:
  constexpr chunk_slot() = default;
  explicit constexpr chunk_slot(std::uint64_t word) : word_(word) {}
  template <class Entry>
  [[nodiscard]] static chunk_slot of_entry(Entry& e) {
    static_assert(alignof(Entry) >= 4, "the low bits of a pointer tell what it points to");
    return chunk_slot{address_of(e)};
  }
  template <class Bucket>
  [[nodiscard]] static chunk_slot of_bucket(Bucket& b) {
    return chunk_slot{address_of(b) | 2};
  }
  template <class Table>
  [[nodiscard]] static chunk_slot of_table(Table& t, unsigned shift) {
    static_assert(alignof(Table) >= 128);
    return chunk_slot{address_of(t) | shift << 1 | 1};
  }

  [[nodiscard]] std::uint64_t word() const { return word_; }
  [[nodiscard]] bool is_empty() const { return word_ == 0; }
  [[nodiscard]] bool is_table() const { return (word_ & 1) != 0; }
  [[nodiscard]] bool is_bucket() const { return (word_ & 3) == 2; }
  [[nodiscard]] bool is_node() const { return (word_ & 3) != 0; }
  [[nodiscard]] bool is_entry() const { return !is_node() && !is_empty(); }
  /// True for a table of slots of 2^`shift` addresses.
  [[nodiscard]] bool is_table(unsigned shift) const { return (word_ & 127) == (shift << 1 | 1); }
  /// \pre is_table()
  [[nodiscard]] unsigned shift() const { return static_cast<unsigned>(word_ >> 1) & 63; }
  template <class Entry>
  [[nodiscard]] Entry* entry() const {
    return pointer<Entry>(word_);
  }
  template <class Bucket>
  [[nodiscard]] Bucket& bucket() const {
    return *pointer<Bucket>(word_ - 2);
  }
  template <class Table>
  [[nodiscard]] Table& table() const {
    return *pointer<Table>(word_ & ~std::uint64_t{127});
  }
  /// Fetches what it leads to.
  void prefetch() const { __builtin_prefetch(pointer<std::byte>(word_)); }
  friend bool operator==(chunk_slot, chunk_slot) = default;

 private:
  template <class T>
  [[nodiscard]] static std::uint64_t address_of(T& object) {
    return reinterpret_cast<std::uintptr_t>(&object);
  }
  template <class T>
  [[nodiscard]] static T* pointer(std::uint64_t word) {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(word));  // NOLINT(performance-no-int-to-ptr)
  }

  std::uint64_t word_ = 0;
};

/// Slots side by side, each for 2^shift addresses.
template <class Sharing, unsigned Bits>
struct chunk_slots {
  using word = typename Sharing::template word<std::uint64_t>;
  static constexpr unsigned count = 1u << Bits;
  word slots[count];

  /// Which slot an address is in.
  [[nodiscard]] static unsigned number(std::uint64_t a, unsigned shift) {
    return static_cast<unsigned>(a >> shift) % count;
  }
  /// Where a slot begins; `a` is in any of them.
  [[nodiscard]] static std::uint64_t begin(std::uint64_t a, unsigned shift, unsigned number) {
    return ((a >> shift & ~std::uint64_t{count - 1}) + number) << shift;
  }
  [[nodiscard]] chunk_slot at(unsigned number) const { return chunk_slot{slots[number].load()}; }
};

/// The root of an index: what its span begins at, and where it may change. `used` has the slots in which something
/// begins.
template <class Sharing>
struct chunk_root {
  chunk_slots<Sharing, chunk_layout::root_bits> all;
  std::uint64_t const base;
  std::uint32_t used = 0;
  std::uint32_t changes = 0;  // insertions and erasures: they end a walk through nodes

  explicit chunk_root(std::uint64_t begin) : base(begin) {}
};

/// A table: it begins at `base`, which is aligned to all that it spans, and has two slots in use at least.
template <class Sharing>
struct alignas(128) chunk_table {
  std::uint64_t base;
  std::uint64_t const reach;  ///< how far the last address that it spans is from the base
  std::uint32_t used = 0;
  alignas(64) chunk_slots<Sharing, chunk_layout::table_bits> all;

  chunk_table(std::uint64_t begin, std::uint64_t length) : base(begin), reach(length) {}

  // The list of tables that wait for readers, who do not read the base.
  void wait_before(chunk_table* next) { base = next == nullptr ? 0 : chunk_slot::of_table(*next, 0).word(); }
  [[nodiscard]] chunk_table* waits_before() const {
    return base == 0 ? nullptr : &chunk_slot{base}.template table<chunk_table>();
  }
};

/// Two to four entries of one slot, sorted; an unused key is 2^64 - 1, and an unused entry 0.
template <class Sharing>
struct alignas(64) chunk_bucket {
  static constexpr unsigned capacity = 4;
  using word = typename Sharing::template word<std::uint64_t>;

  word keys[capacity]{word{UINT64_MAX}, word{UINT64_MAX}, word{UINT64_MAX}, word{UINT64_MAX}};
  word entries[capacity];

  [[nodiscard]] unsigned count() const {
    unsigned n = 0;
    while (n < capacity && entries[n].load() != 0) ++n;
    return n;
  }
  /// The number of entries that do not begin above `a`.
  [[nodiscard]] unsigned rank(std::uint64_t a) const {
    a &= ~std::uint64_t{1};  // entries begin at even addresses, unused keys are odd
    return ((keys[0].load() <= a) + (keys[1].load() <= a)) + ((keys[2].load() <= a) + (keys[3].load() <= a));
  }
  [[nodiscard]] chunk_slot at(unsigned i) const { return chunk_slot{entries[i].load()}; }

  // The list of buckets that wait for readers. A reader that takes the link for a key finds an entry of the bucket that is
  // not the one it looks for, or none.
  void wait_before(chunk_bucket* next) {
    keys[0].store(next == nullptr ? UINT64_MAX : chunk_slot::of_bucket(*next).word());
  }
  [[nodiscard]] chunk_bucket* waits_before() const {
    std::uint64_t const link = keys[0].load();
    return link == UINT64_MAX ? nullptr : &chunk_slot{link}.template bucket<chunk_bucket>();
  }

  /// \pre at <= count() < capacity
  void open(unsigned at, std::uint64_t key, chunk_slot entry) {
    for (unsigned i = capacity - 1; i > at; --i) {
      keys[i].store(keys[i - 1].load());
      entries[i].store(entries[i - 1].load());
    }
    keys[at].store(key);
    entries[at].store(entry.word());
  }
  /// \pre at < count()
  void close(unsigned at) {
    for (unsigned i = at; i + 1 < capacity; ++i) {
      keys[i].store(keys[i + 1].load());
      entries[i].store(entries[i + 1].load());
    }
    keys[capacity - 1].store(UINT64_MAX);
    entries[capacity - 1].store(0);
  }
};

}  // namespace svm::inline v0::detail
