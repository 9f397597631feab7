// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/intrusive_chain.hpp>

#include <array>
#include <vector>

#include <doctest/doctest.h>

namespace {

struct link : svm::list_hook<link> {
  int number = 0;
};

}  // namespace

TEST_SUITE("base/intrusive_chain") {
  TEST_CASE("what was put in comes out once, in that order, and stands in no list by then") {
    for (int const count : {0, 1, 2, 5}) {
      std::array<link, 5> all;
      svm::detail::intrusive_chain<link> chain;
      for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < count; ++i) {
          link& one = all[static_cast<std::size_t>(i)];
          one.number = i;
          chain.push_back(one);
          CHECK(one.is_linked());
        }
        std::vector<int> taken;
        chain.take_all([&](link& one) {
          CHECK(!one.is_linked());
          taken.push_back(one.number);
        });
        std::vector<int> expected;
        for (int i = 0; i < count; ++i) expected.push_back(i);
        CHECK(taken == expected);
        chain.take_all([](link&) { CHECK(false); });
        for (link const& one : all) CHECK(!one.is_linked());
      }
    }
  }

  TEST_CASE("an object may go into a list, or into the chain again, once it was taken out") {
    link one;
    svm::detail::intrusive_chain<link> chain;
    svm::intrusive_list<link> list;
    chain.push_back(one);
    chain.take_all([&](link& l) { list.push_back(l); });
    CHECK(list.pop_front() == &one);
    chain.push_back(one);
    chain.take_all([](link&) {});
    CHECK(!one.is_linked());
  }
}
