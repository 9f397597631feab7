// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/intrusive_list.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include <doctest/doctest.h>
#include <support/assertions.hpp>
#include <support/death.hpp>

using namespace svm;
using support::failed_expression;

namespace {

struct by_age {};

/// Stands in two lists at once.
struct item : list_hook<item>, list_hook<by_age> {
  explicit item(int n = 0) : number(n) {}
  int number;
};

using list = intrusive_list<item>;
using age_list = intrusive_list<item, by_age>;

template <class List>
std::vector<int> numbers(List const& l) {
  std::vector<int> out;
  for (item* i = l.front(); i != nullptr; i = l.next(*i)) out.push_back(i->number);
  return out;
}

bool linked(list_hook<item> const& hook) {
  return hook.is_linked();
}

using expected = std::vector<int>;

}  // namespace

TEST_SUITE("base/intrusive_list") {
  TEST_CASE("a new list is empty") {
    list l;
    CHECK(l.empty());
    CHECK(l.front() == nullptr);
    CHECK(l.pop_front() == nullptr);
    CHECK(l.count_slow() == 0);
    CHECK(l.check());
  }

  TEST_CASE("push_back keeps the order and push_front reverses it") {
    item a{1}, b{2}, c{3};
    list l;
    l.push_back(b);
    CHECK(l.check());
    l.push_back(c);
    CHECK(l.check());
    l.push_front(a);
    CHECK(l.check());
    CHECK(numbers(l) == expected{1, 2, 3});
    CHECK(l.count_slow() == 3);
    CHECK(l.front() == &a);
    CHECK(l.next(a) == &b);
    CHECK(l.next(c) == nullptr);
    while (l.pop_front() != nullptr) CHECK(l.check());
    CHECK(l.empty());
  }

  TEST_CASE("erasing at the front, in the middle and at the back keeps the rest") {
    std::array<item, 5> items{item{0}, item{1}, item{2}, item{3}, item{4}};
    list l;
    for (item& i : items) l.push_back(i);
    l.erase(items[2]);
    CHECK(l.check());
    CHECK(numbers(l) == expected{0, 1, 3, 4});
    l.erase(items[0]);
    CHECK(l.check());
    CHECK(numbers(l) == expected{1, 3, 4});
    l.erase(items[4]);
    CHECK(l.check());
    CHECK(numbers(l) == expected{1, 3});
    CHECK_FALSE(linked(items[2]));
    CHECK(linked(items[1]));
    l.erase(items[1]);
    l.erase(items[3]);
    CHECK(l.check());
    CHECK(l.empty());
  }

  TEST_CASE("an erased object can be linked again, also in another list") {
    item a{1};
    list first, second;
    first.push_back(a);
    first.erase(a);
    second.push_front(a);
    CHECK(first.empty());
    CHECK(numbers(second) == expected{1});
    second.erase(a);
    first.push_back(a);
    CHECK(numbers(first) == expected{1});
    CHECK(first.pop_front() == &a);
    CHECK_FALSE(linked(a));
  }

  TEST_CASE("pop_front takes the objects in order and leaves them unlinked") {
    item a{1}, b{2};
    list l;
    l.push_back(a);
    l.push_back(b);
    CHECK(l.pop_front() == &a);
    CHECK(l.check());
    CHECK_FALSE(linked(a));
    CHECK(l.pop_front() == &b);
    CHECK(l.pop_front() == nullptr);
  }

  TEST_CASE("an object stands in a list of each tag, in its own order") {
    item a{1}, b{2};
    list l;
    age_list ages;
    l.push_back(a);
    l.push_back(b);
    ages.push_back(b);
    ages.push_back(a);
    CHECK(numbers(l) == expected{1, 2});
    CHECK(numbers(ages) == expected{2, 1});
    l.erase(a);
    CHECK(numbers(l) == expected{2});
    CHECK(numbers(ages) == expected{2, 1});
    CHECK(l.check());
    CHECK(ages.check());
    l.erase(b);
    while (ages.pop_front() != nullptr) {
    }
  }

  TEST_CASE("linking an object twice or erasing a stranger is an assertion") {
    item a{1};
    list l;
    l.push_back(a);
    CHECK(failed_expression([&] { l.push_back(a); }) == "!h.is_linked()");
    CHECK(failed_expression([&] { l.push_front(a); }) == "!h.is_linked()");
    CHECK(l.check());
    l.erase(a);
    CHECK(failed_expression([&] { l.erase(a); }) == "h.is_linked()");
    CHECK(l.empty());
  }

  TEST_CASE("destroying a linked object, or a list that is not empty, is an assertion") {
    CHECK(support::asserts_in_child([] {
      auto* const l = new list;
      item a;
      l->push_back(a);
    }));
    CHECK(support::asserts_in_child([] {
      auto* const a = new item;
      list l;
      l.push_back(*a);
    }));
    CHECK_FALSE(support::asserts_in_child([] {
      item a;
      list l;
      l.push_back(a);
      l.erase(a);
    }));
  }

  TEST_CASE("the next object may be fetched before the current one is erased") {
    std::array<item, 6> items{item{0}, item{1}, item{2}, item{3}, item{4}, item{5}};
    list l;
    for (item& i : items) l.push_back(i);
    for (item *i = l.front(), *following = nullptr; i != nullptr; i = following) {
      following = l.next(*i);
      if (i->number % 2 == 0) l.erase(*i);
      CHECK(l.check());
    }
    CHECK(numbers(l) == expected{1, 3, 5});
    while (l.pop_front() != nullptr) {
    }
  }

  TEST_CASE("check sees a link that leads nowhere, and one whose way back is another") {
    item a{1}, b{2}, c{3};
    list l;
    for (item* const i : {&a, &b, &c}) l.push_back(*i);
    // A hook is its two links, the one to the next object first.
    using links = std::array<list_hook<item>*, 2>;
    list_hook<item>& hook = b;
    links whole;
    static_assert(sizeof whole == sizeof hook);
    std::memcpy(&whole, &hook, sizeof whole);
    for (links const broken : {links{nullptr, whole[1]}, links{whole[0], whole[0]}}) {
      std::memcpy(static_cast<void*>(&hook), &broken, sizeof broken);
      CHECK_FALSE(l.check());
    }
    std::memcpy(static_cast<void*>(&hook), &whole, sizeof whole);
    CHECK(l.check());
    while (l.pop_front() != nullptr) {
    }
  }

  TEST_CASE("random pushes and erasures leave what a deque model says") {
    unsigned const seed = 20260101;
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::array<item, 16> items;
    for (std::size_t i = 0; i < items.size(); ++i) items[i].number = static_cast<int>(i);
    list l;
    std::deque<int> model;
    for (int step = 0; step < 5000; ++step) {
      CAPTURE(step);
      item& i = items[random() % items.size()];
      if (linked(i)) {
        l.erase(i);
        std::erase(model, i.number);
      } else if (random() % 2 == 0) {
        l.push_back(i);
        model.push_back(i.number);
      } else {
        l.push_front(i);
        model.push_front(i.number);
      }
      REQUIRE(l.check());
      REQUIRE(numbers(l) == expected(model.begin(), model.end()));
    }
    while (l.pop_front() != nullptr) {
    }
  }
}
