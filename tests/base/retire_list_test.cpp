// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/retire_list.hpp>

#include <array>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

using namespace svm;

namespace {

struct item : retire_hook {
  explicit item(std::vector<int>* to = nullptr, int n = 0) : retire_hook(&item::note), released_to(to), number(n) {}
  std::vector<int>* released_to;
  int number;

 private:
  static void note(retire_hook& hook) noexcept {
    auto const& it = static_cast<item&>(hook);
    it.released_to->push_back(it.number);
  }
};

}  // namespace

TEST_SUITE("base/retire_list") {
  TEST_CASE("objects are released in the order in which they came, and counted") {
    std::vector<int> released;
    item one{&released, 1};
    item two{&released, 2};
    item three{&released, 3};
    retire_list list;
    CHECK(list.empty());
    list.push(one);
    list.push(two);
    list.push(three);
    CHECK(list.size() == 3);
    CHECK(released.empty());
    CHECK(list.release_all() == 3);
    CHECK(released == std::vector<int>{1, 2, 3});
    CHECK(list.empty());
    CHECK(list.size() == 0);
    CHECK(list.release_all() == 0);
  }

  TEST_CASE("a list that takes another one has its objects behind its own, and leaves it empty") {
    std::vector<int> released;
    std::array<item, 4> items{item{&released, 1}, item{&released, 2}, item{&released, 3}, item{&released, 4}};
    retire_list first;
    retire_list second;
    second.push(items[0]);
    first.splice(second);
    CHECK(second.empty());
    second.push(items[1]);
    second.push(items[2]);
    first.splice(second);
    first.splice(second);
    CHECK(second.empty());
    CHECK(second.size() == 0);
    CHECK(first.size() == 3);
    first.push(items[3]);
    CHECK(first.release_all() == 4);
    CHECK(released == std::vector<int>{1, 2, 3, 4});
  }

  TEST_CASE("an object that was taken out can come back, behind the others") {
    std::vector<int> released;
    item one{&released, 1};
    item two{&released, 2};
    retire_list list;
    list.push(one);
    list.push(two);
    CHECK(list.pop() == &one);
    CHECK(list.size() == 1);
    list.push(one);
    CHECK(list.pop() == &two);
    CHECK(list.pop() == &one);
    CHECK(list.pop() == nullptr);
    list.push(two);
    CHECK(list.release_all() == 1);
    CHECK(released == std::vector<int>{2});
  }

  TEST_CASE("a release may destroy its object") {
    struct owned : retire_hook {
      explicit owned(int& count) : retire_hook(&owned::destroy), destroyed(count) {}
      ~owned() { ++destroyed; }
      int& destroyed;

     private:
      static void destroy(retire_hook& hook) noexcept { delete &static_cast<owned&>(hook); }
    };
    int destroyed = 0;
    retire_list list;
    list.push(*new owned{destroyed});
    list.push(*new owned{destroyed});
    CHECK(list.release_all() == 2);
    CHECK(destroyed == 2);
  }

  TEST_CASE("an object stands in one list, once") {
    std::vector<int> released;
    item one{&released, 1};
    item two{&released, 2};
    retire_list list;
    list.push(one);
    CHECK(support::failed_expression([&] { list.push(one); }) == "hook.next_ == nullptr && last_ != &hook");
    list.push(two);
    CHECK(support::failed_expression([&] { list.push(one); }) == "hook.next_ == nullptr && last_ != &hook");
    static_cast<void>(list.release_all());
  }

  TEST_CASE("a hook is two words, and stays where it is") {
    CHECK(sizeof(retire_hook) == 2 * sizeof(char*));
    CHECK(!std::is_copy_constructible_v<retire_hook>);
    CHECK(!std::is_move_constructible_v<retire_hook>);
  }
}
