// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// That `check` of the index, its tree, nodes and pool sees what it is there to see: each invariant is broken by hand, in
// memory that the structure thinks its own, and repaired again.
#include <svm/index/index_node.hpp>
#include <svm/index/index_node_pool.hpp>
#include <svm/index/index_tree.hpp>
#include <svm/index/interval_index.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <index/spanned.hpp>

#include <support/telling_heap.hpp>

using namespace svm;
using support::telling_heap;

namespace {

using node = detail::index_node<4>;
using pool = index_node_pool<null_lock, telling_heap, node>;
using tree = detail::index_tree<pool, 4>;

/// A tree of the keys 10, 20, 30 and so on: three in each leaf but the last.
struct planted {
  telling_heap memory;
  pool nodes{memory};
  tree keys{nodes};
  int object = 0;

  explicit planted(std::uint64_t count) {
    for (std::uint64_t key = 10; key <= 10 * count; key += 10) {
      auto reserved = nodes.reserve(tree::max_height);
      REQUIRE(reserved);
      if (keys.size() == 0) {
        keys.plant(*reserved, key, detail::index_value{object});
      } else {
        tree::path way;
        keys.locate(key, way);
        keys.insert(*reserved, way, key, detail::index_value{object});
      }
    }
    REQUIRE(keys.check());
  }
  planted(planted const&) = delete;
  planted& operator=(planted const&) = delete;
  ~planted() {
    while (keys.size() > 0) {
      tree::path way;
      keys.find(keys.first().where->keys[0], detail::index_value{object}, way);
      keys.erase(way);
    }
    nodes.trim();
  }

  /// The node at a level above the leaf where a key is.
  node& at(std::uint64_t key, unsigned level) {
    tree::path way;
    keys.locate(key, way);
    REQUIRE(way[level].where != nullptr);
    return *way[level].where;
  }
  unsigned height() {
    tree::path way;
    keys.locate(0, way);
    unsigned h = 0;
    while (way[h].where != nullptr) ++h;
    return h;
  }

  /// True when `check` sees what `damage` does to a node, and nothing once it is undone.
  template <class Damage>
  bool sees(node& n, Damage damage) {
    node const whole = n;
    damage(n);
    bool const seen = !keys.check();
    n = whole;
    return seen && keys.check();
  }
};

/// Drops pairs from the end of a node, as `close` would.
void keep(node& n, unsigned count) {
  while (n.count > count) n.close(n.count - 1);
}

struct object {
  va_range span;
};
using traits = spanned<object>;
using forgetful = interval_index<traits, null_lock, telling_heap, 4>;
using remembering = interval_index<traits, null_lock, telling_heap, 4, index_memory::last_leaf>;

}  // namespace

TEST_SUITE("index/index_check") {
  TEST_CASE(
      "a node's check sees a count above its size, keys that do not rise, and an unused key that is not at the top") {
    int object = 0;
    node n;
    CHECK(n.check());
    n.open(0, 10, detail::index_value{object});
    n.open(1, 20, detail::index_value{object});
    CHECK(n.check());

    n.count = 5;
    CHECK_FALSE(n.check());
    n.count = 2;
    n.keys[1] = 10;
    CHECK_FALSE(n.check());
    n.keys[1] = 20;
    n.keys[2] = 30;
    CHECK_FALSE(n.check());
    n.keys[2] = UINT64_MAX;
    CHECK(n.check());
  }

  TEST_CASE("a tree's check sees a node that is too empty, the root included") {
    planted one{1};
    CHECK(one.sees(one.at(10, 0), [](node& n) { keep(n, 0); }));
    planted two{8};
    REQUIRE(two.height() == 2);
    CHECK(two.sees(two.at(10, 1), [](node& n) { keep(n, 1); }));
    CHECK(two.sees(two.at(10, 0), [](node& n) { keep(n, 1); }));
  }

  TEST_CASE("a tree's check sees keys outside the bounds that the nodes above them set") {
    planted t{8};
    CHECK(t.sees(t.at(10, 0), [](node& n) { n.keys[2] = 45; }));
    CHECK(t.sees(t.at(40, 0), [](node& n) { n.keys[0] = 5; }));
    CHECK(t.sees(t.at(40, 0), [](node& n) { n.keys[1] = 40; }));
    CHECK(t.sees(t.at(10, 1), [](node& n) { n.keys[0] = 5; }));
  }

  TEST_CASE("a tree's check sees a bound of an inner node that is beyond those of the nodes above it") {
    planted t{20};
    REQUIRE(t.height() == 3);
    node& last = t.at(200, 1);
    REQUIRE(&last != &t.at(10, 1));
    CHECK(t.sees(last, [](node& n) { n.keys[1] = 5; }));
    node& first = t.at(10, 1);
    CHECK(t.sees(first, [](node& n) { n.keys[n.count - 1] = 195; }));
  }

  TEST_CASE("a tree's check sees leaves that are linked otherwise than in order") {
    planted t{8};
    node& first = t.at(10, 0);
    node& middle = t.at(40, 0);
    node& last = t.at(80, 0);
    REQUIRE(first.next == &middle);
    REQUIRE(middle.next == &last);
    CHECK(t.sees(middle, [&](node& n) { n.previous = nullptr; }));
    CHECK(t.sees(first, [&](node& n) { n.next = &last; }));
    CHECK(t.sees(first, [&](node& n) { n.previous = &last; }));
    CHECK(t.sees(last, [&](node& n) { n.next = &first; }));
  }

  TEST_CASE("a tree's check sees a leaf that no node above it knows, and a size that is not the number of pairs") {
    planted t{8};
    REQUIRE(t.at(10, 1).count == 3);
    CHECK(t.sees(t.at(10, 1), [](node& n) { keep(n, 2); }));
    // Also where the others have as many pairs more as it has.
    REQUIRE(t.at(80, 0).count == 2);
    node& root = t.at(10, 1);
    node& first = t.at(10, 0);
    node& middle = t.at(40, 0);
    node const whole[] = {root, first, middle};
    first.open(3, 35, detail::index_value{t.object});
    middle.open(3, 65, detail::index_value{t.object});
    keep(root, 2);
    CHECK_FALSE(t.keys.check());
    root = whole[0];
    first = whole[1];
    middle = whole[2];
    CHECK(t.keys.check());
    REQUIRE(t.at(10, 0).count == 3);
    CHECK(t.sees(t.at(10, 0), [](node& n) { keep(n, 2); }));
  }

  TEST_CASE_TEMPLATE("an index's check sees an entry that moved or grew without a word, and a tree that is not sound",
                     Index, forgetful, remembering) {
    using index = Index;
    telling_heap memory;
    typename index::pool nodes{memory};
    index objects{nodes};
    object low{{cpu_va{0x1000}, {0x1000}}};
    object high{{cpu_va{0x3000}, {0x1000}}};
    for (object* const o : {&low, &high}) {
      auto reserved = objects.reserve();
      REQUIRE(reserved);
      REQUIRE(objects.insert(*reserved, *o) == nullptr);
    }
    REQUIRE(objects.check());

    object const right = low;
    low.span = {cpu_va{0x2000}, {0x1000}};
    CHECK_FALSE(objects.check());
    low.span = {cpu_va{0x1000}, {0x2001}};
    CHECK_FALSE(objects.check());
    low = right;
    CHECK(objects.check());

    // Of the pool's nodes only the root holds a pointer to the first object.
    node* root = nullptr;
    for (std::byte* const block : memory.blocks)
      if (auto* const n = reinterpret_cast<node*>(block); n->values[0] == detail::index_value{low}) root = n;
    REQUIRE(root != nullptr);
    root->next = root;
    CHECK_FALSE(objects.check());
    root->next = nullptr;
    CHECK(objects.check());
    objects.erase(low);
    objects.erase(high);
    nodes.trim();
  }

  TEST_CASE("a pool's check sees a list of free nodes that is cut short or runs in a circle, and a node too many") {
    telling_heap memory;
    pool nodes{memory};
    { REQUIRE(nodes.reserve(3)); }
    REQUIRE(nodes.check());
    REQUIRE(memory.blocks.size() == 3);
    // The first word of a free node is the link to the one that was allocated before it.
    auto* const first = reinterpret_cast<std::byte**>(memory.blocks[0]);
    auto* const second = reinterpret_cast<std::byte**>(memory.blocks[1]);
    std::byte* const behind = std::exchange(*second, nullptr);
    REQUIRE(behind == memory.blocks[0]);
    CHECK_FALSE(nodes.check());
    *second = behind;
    CHECK(nodes.check());
    *first = memory.blocks[2];
    CHECK_FALSE(nodes.check());
    *first = nullptr;
    CHECK(nodes.check());

    alignas(node) std::byte stranger[sizeof(node)];
    nodes.put<node>(stranger);
    CHECK_FALSE(nodes.check());
    auto reserved = nodes.reserve(1);
    REQUIRE(reserved);
    CHECK(nodes.take<node>(*reserved) == stranger);
    CHECK(nodes.check());
    nodes.trim();
  }
}
