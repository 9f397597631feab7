// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Nodes that wait for readers, a batch at a time.
#include <svm/index/section_readers.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

using namespace svm;

namespace {

/// Counts what is locked, and releases what is retired when the test says so.
struct counted_lock : null_lock {
  static inline unsigned locked = 0;

  template <lock_rank Rank>
  struct mutex : null_lock::mutex<Rank> {
    void lock() { ++locked; }
  };
  class read_domain {
   public:
    void retire(retire_hook& hook) { waiting.push_back(&hook); }
    void end_sections() {
      for (retire_hook* const hook : std::exchange(waiting, {})) hook->release();
    }
    std::vector<retire_hook*> waiting;
  };
};

struct node {
  void wait_before(node* other) { next = other; }
  [[nodiscard]] node* waits_before() const { return next; }
  node* next = nullptr;
};
struct table : node {
  void wait_before(table* other) { next = other; }
  [[nodiscard]] table* waits_before() const { return static_cast<table*>(next); }
};
struct bucket : node {
  void wait_before(bucket* other) { next = other; }
  [[nodiscard]] bucket* waits_before() const { return static_cast<bucket*>(next); }
};
/// Notes what came back.
struct pool {
  template <class Node>
  void put(std::byte* memory) {
    back.push_back(memory);
  }
  std::vector<std::byte*> back;
};

struct scene {
  counted_lock::read_domain readers;
  pool nodes;
  svm::detail::section_readers<counted_lock>::limbo<pool, table, bucket> limbo{nodes, readers};
};

}  // namespace

TEST_SUITE("index/section_readers") {
  TEST_CASE("nodes come back when all sections from before are left, in one batch") {
    scene s;
    table a;
    bucket b;
    CHECK_FALSE(s.limbo.flush());
    s.limbo.add(a);
    s.limbo.add(b);
    CHECK(s.limbo.flush());
    CHECK(s.readers.waiting.size() == 1);
    CHECK(s.nodes.back.empty());
    s.readers.end_sections();
    CHECK(s.nodes.back.size() == 2);
  }

  TEST_CASE("nodes that come while others wait make the next batch") {
    scene s;
    table a;
    table b;
    s.limbo.add(a);
    CHECK(s.limbo.flush());
    s.limbo.add(b);
    CHECK_FALSE(s.limbo.flush());
    CHECK(s.readers.waiting.size() == 1);
    s.readers.end_sections();
    CHECK(s.nodes.back == std::vector{reinterpret_cast<std::byte*>(&a)});
    CHECK(s.limbo.flush());
    s.readers.end_sections();
    CHECK(s.nodes.back.size() == 2);
    CHECK_FALSE(s.limbo.flush());
  }

  TEST_CASE("a flush takes no lock while a batch waits") {
    scene s;
    table a;
    table b;
    s.limbo.add(a);
    CHECK(s.limbo.flush());
    s.limbo.add(b);
    unsigned const before = counted_lock::locked;
    for (int i = 0; i < 3; ++i) CHECK_FALSE(s.limbo.flush());
    CHECK(counted_lock::locked == before);
    s.readers.end_sections();
    CHECK(s.limbo.flush());
    s.readers.end_sections();
  }
}
