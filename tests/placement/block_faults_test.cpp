// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/block_faults.hpp>
#include <svm/placement/precise_cancel.hpp>

#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"
#include "placement/rings.hpp"

using namespace svm;
using namespace svm::placement;
using rings::fault;
using rings::ring;

namespace {

using batch_type = fault_batch<ring>;
using enum fault_access;

/// A block of which the test says what each page allows and gets.
struct block_view {
  std::set<unsigned> unreadable, unwritable, authorised, throttled, pinned, to_other;
  std::vector<std::pair<unsigned, fault_access>> placed;

  static unsigned page_of(fault_entry const& e) { return static_cast<unsigned>(e.fault.page.value / 4096 % 512); }
  bool permits(fault_entry const& e, fault_access a) const {
    if (unreadable.contains(page_of(e))) return false;
    return a <= read || !unwritable.contains(page_of(e));
  }
  bool is_authorised(fault_entry const& e, fault_access) const { return authorised.contains(page_of(e)); }
  thrash_hint hint(fault_entry const& e) const {
    if (throttled.contains(page_of(e))) return {.what = thrash_hint::kind::throttle};
    if (pinned.contains(page_of(e))) return {.what = thrash_hint::kind::pin, .at = gpu(0)};
    return {};
  }
  residence place(fault_entry const& e, fault_access a, thrash_hint const&) {
    placed.emplace_back(page_of(e), a);
    return {to_other.contains(page_of(e)) ? gpu(1) : gpu(0), false};
  }
};

struct one_block {
  explicit one_block(std::vector<hardware_fault> const& faults) {
    for (hardware_fault const& f : faults) r.push(f);
    b.fetch(fetch_mode::ready);
    REQUIRE(b.order([](fault_context const&) {
      return translated{.what = translated::kind::live, .space = 1, .gpu = gpu(0)};
    }) == translated::kind::live);
  }
  block_service look(bool first = true) { return look_at(b, b.next_block(0), first, view); }

  ring r;
  batch_type b{r};
  block_view view;
};

/// A GPU whose accesses come again with each replay, until they are cancelled or served.
struct machine {
  ring r;
  batch_type b{r};
  block_view memory;
  std::vector<hardware_fault> waiting;
  std::vector<std::pair<unsigned, fatality>> cancelled;
  unsigned replays = 0;
  translated::kind known = translated::kind::live;

  void replay_and_wait() {
    ++replays;
    for (hardware_fault const& f : waiting) r.push(f);
  }
  translated translate(fault_context const&) const { return {.what = known, .space = 1, .gpu = gpu(0)}; }
  bool permits(fault_entry const& e, fault_access a) const { return memory.permits(e, a); }
  void cancel(fault_entry const& e, fatality f) {
    cancelled.emplace_back(block_view::page_of(e), f);
    std::erase_if(waiting, [&](hardware_fault const& w) {
      return w.page == e.fault.page && (f == fatality::all || w.access >= write);
    });
  }
};

}  // namespace

TEST_SUITE("placement/block_faults") {
  TEST_CASE("pages go where the ladder says, and one destination alone may prefetch") {
    one_block s{{fault(1), fault(2, write, 1), fault(9, read, 2)}};
    block_service const all = s.look();
    CHECK(all.only_destination() == gpu(0));
    CHECK(all.pages_to(gpu(0)) == masks::pages({1, 2, 9}));
    CHECK(all.faulted == masks::pages({1, 2, 9}));
    s.view.to_other = {2};
    block_service const split = s.look();
    CHECK(split.only_destination() == nobody);
    CHECK(split.pages_to(gpu(0)) == masks::pages({1, 9}));
    CHECK(split.pages_to(gpu(1)) == masks::pages({2}));
  }

  TEST_CASE("duplicates are counted by instances, once, and not served again") {
    one_block s{{fault(1, read, 0), fault(1, read, 0), fault(2, read, 1), fault(1, write, 2), fault(1, write, 2)}};
    REQUIRE(s.b.coalesced() == 3);
    CHECK(s.look().duplicates == 1 + 2);  // one of the writes' two instances, and both reads
    CHECK(s.view.placed.size() == 2);
    CHECK(s.view.placed[0] == std::pair<unsigned, fault_access>{1, write});
    CHECK(s.look(false).duplicates == 0);
    CHECK(s.view.placed.size() == 4);
  }

  TEST_CASE("a duplicate of a throttled fault waits with it, and the batch is throttled") {
    one_block s{{fault(1, write, 0), fault(2, read, 1), fault(1, read, 2)}};
    s.view.throttled = {1};
    block_service const all = s.look();
    CHECK(all.throttled);
    CHECK(all.faulted == masks::pages({2}));
    CHECK(s.b.ordered(0).throttled);
    CHECK(s.b.ordered(1).throttled);
    CHECK_FALSE(s.b.ordered(2).throttled);
  }

  TEST_CASE("a prefetch of memory that may not be read is invalid, with all its instances, and nothing else") {
    one_block s{{fault(1, prefetch, 0), fault(1, prefetch, 0), fault(2, prefetch, 1)}};
    s.view.unreadable = {1};
    block_service const all = s.look();
    CHECK(all.invalid_prefetches == 2);
    CHECK_FALSE(all.fatal);
    CHECK(all.faulted == masks::pages({2}));
    CHECK(s.look(false).invalid_prefetches == 0);
    one_block twice{{fault(1, prefetch, 0), fault(2, read, 0), fault(1, prefetch, 0)}};
    twice.view.unreadable = {1};
    REQUIRE(twice.b.coalesced() == 3);
    CHECK(twice.look().invalid_prefetches == 1);
    CHECK(twice.b.ordered(1).invalid_prefetch);  // inherited
  }

  TEST_CASE("a write that is refused is fatal alone, and reads of the page are served") {
    one_block s{{fault(1, read, 0), fault(1, write, 0), fault(2, write, 1), fault(3, read, 2)}};
    s.view.unwritable = {1, 2};
    block_service const all = s.look();
    CHECK(all.fatal);
    CHECK(s.b.ordered(0).fatal == fatality::write_and_atomic);
    CHECK(s.b.ordered(1).fatal == fatality::write_and_atomic);
    CHECK(all.faulted == masks::pages({1, 3}));
    CHECK(s.view.placed[0] == std::pair<unsigned, fault_access>{1, read});
  }

  TEST_CASE("what may not even be read is fatal as a whole") {
    one_block s{{fault(1, read, 0), fault(1, write, 0), fault(2, write, 1), fault(3, read, 2)}};
    s.view.unreadable = {1, 2, 3};
    CHECK(s.look().faulted.none());
    CHECK(s.b.ordered(0).fatal == fatality::all);
    CHECK(s.b.ordered(1).fatal == fatality::write_and_atomic);  // no read waits there
    CHECK(s.b.ordered(2).fatal == fatality::all);
  }

  TEST_CASE("a read behind a fatal write of the same page is looked at by itself") {
    one_block s{{fault(1, write, 0), fault(2, read, 1), fault(1, read, 2)}};
    s.view.unwritable = {1};
    REQUIRE(s.b.coalesced() == 3);
    block_service const all = s.look();
    CHECK(all.faulted == masks::pages({1, 2}));
    CHECK(all.duplicates == 1);
    CHECK(s.b.ordered(0).fatal == fatality::write_and_atomic);
    CHECK(s.b.ordered(1).fatal == fatality::none);
  }

  TEST_CASE("what the hardware calls fatal is fatal") {
    hardware_fault f = fault(1);
    f.is_fatal = true;
    one_block s{{f}};
    CHECK(s.look().fatal);
    CHECK(s.b.ordered(0).fatal == fatality::all);
  }

  TEST_CASE("a page that the GPU may use already is skipped, and a pin is told apart") {
    one_block s{{fault(1), fault(2, read, 1), fault(3, read, 2)}};
    s.view.authorised = {1};
    s.view.pinned = {3};
    block_service const all = s.look();
    CHECK(all.faulted == masks::pages({2, 3}));
    CHECK(all.pinned == masks::pages({3}));
  }
}

TEST_SUITE("placement/precise_cancel") {
  using list = std::vector<std::pair<unsigned, fatality>>;

  TEST_CASE("only what comes again and is still fatal is cancelled, and the rest comes again") {
    machine m;
    m.waiting = {fault(1, write, 0), fault(2, read, 1), fault(3, write, 2), fault(3, read, 3)};
    m.memory.unwritable = {1, 3};
    m.memory.unreadable = {2};
    for (hardware_fault const& f : m.waiting) m.r.push(f);
    m.b.fetch(fetch_mode::ready);
    m.memory.unwritable = {3};  // other memory was mapped meanwhile
    m.memory.unreadable = {};
    CHECK(cancel_precisely(m.b, m));
    CHECK(m.cancelled == list{{3, fatality::write_and_atomic}});
    CHECK(m.replays == 2);
    m.b.fetch(fetch_mode::ready);
    CHECK(m.b.coalesced() == 3);
  }

  TEST_CASE("a read and a write of two uTLBs are told apart") {
    machine m;
    m.waiting = {fault(1, write, 0), fault(1, read, 1)};
    m.memory.unwritable = {1};
    CHECK(cancel_precisely(m.b, m));
    CHECK(m.cancelled == list{{1, fatality::write_and_atomic}});
    CHECK(m.waiting.size() == 1);
  }

  TEST_CASE("memory that may not be read cancels everything there") {
    machine m;
    m.waiting = {fault(1, write, 0), fault(1, read, 1)};
    m.memory.unreadable = {1};
    CHECK(cancel_precisely(m.b, m));
    CHECK(m.cancelled == list{{1, fatality::write_and_atomic}, {1, fatality::all}});
  }

  TEST_CASE("a context that is gone cancels nothing, and a device that failed ends it") {
    machine m;
    m.waiting = {fault(1)};
    m.memory.unreadable = {1};
    m.known = translated::kind::stale;
    CHECK(cancel_precisely(m.b, m));
    CHECK(m.cancelled.empty());
    machine dead;
    dead.r.push(fault(1), false);
    dead.r.alive = false;
    CHECK_FALSE(cancel_precisely(dead.b, dead));
    CHECK(dead.replays == 0);
  }
}
