// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/thrashing.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "placement/machines.hpp"
#include "placement/masks.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

using kind = thrash_hint::kind;
constexpr std::uint64_t us = 1000;
constexpr std::uint64_t start = 1'000'000'000;

/// Memory that can run out, and knows what was not given back.
class memory {
 public:
  thrash_page* take_pages() {
    if (pages_left == 0) return nullptr;
    --pages_left;
    blocks_.push_back(std::make_unique<std::array<thrash_page, 512>>());
    ++out;
    return blocks_.back()->data();
  }
  void give_pages(thrash_page*) { --out; }
  pinned_page* take_pin() {
    if (pins_left == 0) return nullptr;
    --pins_left;
    ++out;
    return new pinned_page;
  }
  void give_pin(pinned_page* pin) {
    --out;
    delete pin;
  }

  unsigned pages_left = 1000;
  unsigned pins_left = 1000;
  int out = 0;

 private:
  std::vector<std::unique_ptr<std::array<thrash_page, 512>>> blocks_;
};

/// One block and its space.
struct scene {
  explicit scene(topology machine, thrash_options options = {.adaptive = false})
      : links(machine), space(heap, links, options) {}
  ~scene() {
    space.drop(block);
    CHECK(heap.out == 0);
  }

  page_mask moved(processor to, page_span pages = {5, 6}, migration_cause cause = migration_cause::gpu_fault) {
    return space.record(block, {.pages = pages, .who = to, .cause = cause}, {now});
  }
  page_mask revoked(processor who, page_span pages = {5, 6}) {
    return space.record(block, {.pages = pages, .who = who, .is_revocation = true}, {now});
  }
  thrash_hint ask(processor q, processor_set copies, processor preferred = nobody, unsigned page = 5) {
    return space.decide(block, {.page = page, .requester = q, .copies = copies, .preferred = preferred}, {now});
  }
  /// The page goes to and fro until it thrashes, and rests at the CPU.
  void thrash() {
    for (unsigned n = 0; n < 3; ++n) {
      moved(gpu(0));
      now += 10 * us;
      moved(cpu);
      now += 10 * us;
    }
    REQUIRE(block.thrashing().test(5));
  }
  thrash_page const& page(unsigned p = 5) const { return *block.page(p); }

  topology links;
  memory heap;
  thrashing<memory> space;
  thrash_block block;
  std::uint64_t now = start;
};

}  // namespace

TEST_SUITE("placement/thrashing") {
  TEST_CASE("a block has a history only when two processors move its pages within a lapse") {
    scene s{machines::bus(2)};
    s.moved(gpu(0));
    CHECK(s.block.page(5) == nullptr);
    s.now += 501 * us;
    s.moved(cpu);
    CHECK(s.block.page(5) == nullptr);
    s.moved(cpu);  // the same processor again
    CHECK(s.block.page(5) == nullptr);
    s.now += 500 * us;
    s.moved(gpu(0));
    REQUIRE(s.block.page(5) != nullptr);
    CHECK(s.page().recorded);  // the event that began the history is in it
    CHECK(s.page().events == 0);
    CHECK(s.page().processors == processor_set{gpu(0)});
  }

  TEST_CASE("three events, each within a lapse of the one before, make a page thrash") {
    scene s{machines::bus(1)};
    s.moved(gpu(0));
    CHECK(s.moved(cpu).none());
    for (unsigned n = 0; n < 2; ++n) {
      s.now += 500 * us - 64;
      CHECK(s.moved(gpu(0)).none());
    }
    s.now += 100 * us;
    CHECK(s.moved(cpu) == masks::pages({5}));
    CHECK(s.block.thrashing() == masks::pages({5}));
    CHECK(s.moved(cpu).none());  // it is detected once
    CHECK(s.page().migrated);
    CHECK_FALSE(s.page().revoked);
  }

  TEST_CASE("a long gap takes no event away below the threshold, and forgets a page that thrashes") {
    scene s{machines::bus(1)};
    s.moved(gpu(0));
    s.moved(cpu);
    s.moved(gpu(0));
    CHECK(s.page().events == 1);
    s.now += 2000 * us;
    s.moved(cpu);
    CHECK(s.page().events == 1);
    s.moved(gpu(0));
    s.moved(cpu);
    CHECK(s.block.thrashing().test(5));
    s.now += 2000 * us;
    s.moved(gpu(0));
    CHECK_FALSE(s.block.thrashing().test(5));
    CHECK(s.page().events == 0);
    CHECK(s.page().processors.empty());
    CHECK_FALSE(s.page().recorded);
  }

  TEST_CASE("events saturate at seven, and a threshold of seven is reached once") {
    scene s{machines::bus(1), {.threshold = 7, .adaptive = false}};
    unsigned detected = 0;
    for (unsigned n = 0; n < 30; ++n) detected += s.moved(n % 2 == 0 ? gpu(0) : cpu).any();
    CHECK(detected == 1);
    CHECK(s.page().events == 7);
  }

  TEST_CASE("times of pages have steps of 64 ns, and times of blocks do not") {
    scene s{machines::bus(1)};
    s.now = start + 63;
    s.moved(gpu(0));
    s.now += 500 * us;
    s.moved(cpu);  // exactly a lapse: the block's time is exact
    REQUIRE(s.block.page(5) != nullptr);
    s.now += 500 * us - 63;
    s.moved(gpu(0));
    CHECK(s.page().events == 1);
    s.now = (s.now | 63);
    s.moved(cpu);
    CHECK(s.page().events == 2);
    s.now += 500 * us;  // the page's time lies 63 ns earlier
    s.moved(gpu(0));
    CHECK(s.page().events == 2);
  }

  TEST_CASE("evictions, first hops and a space that is off change nothing") {
    scene s{machines::bus(1)};
    s.moved(gpu(0));
    s.moved(cpu, {5, 6}, migration_cause::eviction);
    s.space.record(s.block, {.pages = {5, 6}, .who = cpu, .is_first_hop = true}, {s.now});
    CHECK(s.block.page(5) == nullptr);
    s.moved(gpu(0));
    CHECK(s.block.page(5) == nullptr);  // who moved last is still the GPU
    s.thrash();
    s.moved(cpu, {5, 6}, migration_cause::eviction);
    CHECK(s.block.thrashing().test(5));  // and an eviction forgets nothing either
    scene off{machines::bus(1), {.enabled = false}};
    off.moved(gpu(0));
    off.moved(cpu);
    CHECK(off.block.page(5) == nullptr);
    CHECK(off.ask(gpu(0), cpu).what == kind::none);
  }

  TEST_CASE("a move that no access asked for wipes the history of pages that thrash") {
    using event = thrash_event;
    for (event const e : {event{.pages = {0, 512}, .who = gpu(0), .cause = migration_cause::explicit_migration},
                          event{.pages = {0, 512}, .who = gpu(0), .cause = migration_cause::advice},
                          event{.pages = {0, 512}, .who = gpu(0), .is_duplicate = true},
                          event{.pages = {0, 512}, .who = gpu(0), .read_duplication = true}}) {
      scene s{machines::bus(1)};
      s.thrash();
      s.space.record(s.block, e, {s.now});
      CHECK(s.block.thrashing().none());
      CHECK(s.page().events == 0);
    }
    for (migration_cause const cause : {migration_cause::gpu_fault, migration_cause::cpu_fault,
                                        migration_cause::counter, migration_cause::prefetch}) {
      scene s{machines::bus(1)};
      s.thrash();
      s.moved(gpu(0), {5, 6}, cause);
      CHECK(s.block.thrashing().test(5));
    }
  }

  TEST_CASE("without memory for a history the block goes on without one") {
    scene s{machines::bus(1)};
    s.heap.pages_left = 0;
    for (unsigned n = 0; n < 8; ++n) s.moved(n % 2 == 0 ? gpu(0) : cpu);
    CHECK(s.block.page(5) == nullptr);
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    s.heap.pages_left = 1;
    s.moved(gpu(0));
    CHECK(s.block.page(5) != nullptr);
  }

  TEST_CASE("two requesters migrate and wait in turns") {
    scene s{machines::bus(1)};
    s.thrash();
    // The first to ask is exempt; the other waits until the end of the nap.
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    thrash_hint const wait = s.ask(cpu, gpu(0));
    CHECK(wait.what == kind::throttle);
    CHECK(wait.until.nanoseconds == s.now + 500 * us);
    CHECK(s.page().throttles == 1);
    CHECK(s.ask(cpu, gpu(0)).what == kind::throttle);
    CHECK(s.page().throttles == 1);  // it waits already
    s.now += 400 * us;
    s.moved(gpu(0));  // keeps the page busy
    s.now += 100 * us;
    CHECK(s.ask(cpu, gpu(0)).what == kind::none);  // the nap is over, and the CPU is exempt in the next period
    CHECK(s.page().exempt == cpu);
    CHECK(s.ask(gpu(0), cpu).what == kind::throttle);
    CHECK(s.page().throttles == 2);
  }

  TEST_CASE("after ten throttles the page is pinned, by default") {
    scene s{machines::bus(1)};
    s.thrash();
    unsigned throttles = 0;
    thrash_hint hint;
    for (unsigned n = 0; n < 100 && hint.what != kind::pin; ++n) {
      processor const first = n % 2 == 0 ? processor{gpu(0)} : cpu;
      processor const second = n % 2 == 0 ? cpu : processor{gpu(0)};
      hint = s.ask(first, second);
      if (hint.what == kind::none) {
        s.moved(first);
        if (s.ask(second, first).what == kind::throttle) ++throttles;
      }
      s.now += 250 * us;
      s.moved(first);
      s.now += 250 * us;
    }
    CHECK(throttles == 10);
    CHECK(hint.what == kind::pin);
  }

  TEST_CASE("an exempt requester of the last period is throttled in the next one") {
    scene s{machines::bus(1)};
    s.thrash();
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    CHECK(s.page().exempt == gpu(0));
    s.now += 400 * us;
    s.moved(gpu(0));
    s.now += 101 * us;
    CHECK(s.ask(gpu(0), cpu).what == kind::throttle);
    CHECK(s.page().exempt == nobody);
  }

  TEST_CASE("a page that nobody touched for more than a lapse gives no hint") {
    scene s{machines::bus(1)};
    s.thrash();
    s.now += 491 * us;
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    CHECK_FALSE(s.page().processors.contains(gpu(1)));
    CHECK(s.page().exempt == nobody);
  }

  TEST_CASE("throttles past the threshold pin the page where the exempt requester is") {
    scene s{machines::bus(1), {.pin_threshold = 2, .adaptive = false}};
    s.thrash();
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    CHECK(s.ask(cpu, gpu(0)).what == kind::throttle);
    s.now += 400 * us;
    s.moved(gpu(0));
    s.now += 101 * us;
    CHECK(s.ask(cpu, gpu(0)).what == kind::none);  // a new period, with the CPU exempt
    CHECK(s.page().exempt == cpu);
    CHECK(s.ask(gpu(0), cpu).what == kind::throttle);
    CHECK(s.page().throttles == 2);
    thrash_hint const hint = s.ask(cpu, gpu(0));
    CHECK(hint.what == kind::pin);
    CHECK(hint.at == cpu);
    CHECK(hint.processors.contains(processor_set{cpu} | gpu(0)));
    CHECK(s.page().throttles == 0);
    CHECK(s.page().throttled.empty());
    CHECK(s.block.pinned() == masks::pages({5}));
    // Who reaches the pin is mapped to it.
    CHECK(s.ask(gpu(0), cpu).at == cpu);
  }

  TEST_CASE("a preferred location that everybody reaches is where the page is pinned") {
    scene s{machines::bus(1)};
    s.thrash();
    thrash_hint const hint = s.ask(gpu(0), cpu, cpu);
    CHECK(hint.what == kind::pin);
    CHECK(hint.at == cpu);
    scene far{machines::bus(1)};
    far.thrash();
    CHECK(far.ask(gpu(0), cpu, gpu(0)).what == kind::none);
  }

  TEST_CASE("where everybody has a fast link with atomics the page stays at its copy") {
    scene s{machines::linked_gpus(2)};
    for (unsigned n = 0; n < 6; ++n) s.moved(gpu(n % 2));
    CHECK(s.ask(gpu(0), gpu(1)).at == gpu(1));
    scene slow{machines::peers(2)};
    for (unsigned n = 0; n < 6; ++n) slow.moved(gpu(n % 2));
    CHECK(slow.ask(gpu(0), gpu(1)).what == kind::none);
    scene wanted{machines::linked_gpus(2)};  // but not against a preferred location that takes part
    wanted.links = machines::bus(2);
    wanted.links.connect(gpu(0), gpu(1), {.fast = true, .native_atomics = true});
    for (unsigned n = 0; n < 6; ++n) wanted.moved(gpu(n % 2));
    CHECK(wanted.ask(gpu(0), gpu(1), gpu(0)).what == kind::none);
    CHECK(wanted.ask(gpu(0), gpu(1)).at == gpu(1));
  }

  TEST_CASE("a copy at the CPU moves to a GPU that everybody reaches, and stays when the CPU asks") {
    scene s{machines::coherent(1)};
    s.thrash();
    CHECK(s.ask(gpu(0), cpu).at == gpu(0));
    scene again{machines::coherent(1)};
    again.thrash();
    CHECK(again.ask(cpu, cpu).what == kind::none);
    scene oneway{machines::bus(1)};
    oneway.links.connect(gpu(0), cpu, {.fast = true, .native_atomics = true});
    oneway.thrash();
    CHECK(oneway.ask(gpu(0), cpu).at == cpu);
  }

  TEST_CASE("a pinned page of which rights were taken lets only the exempt one through") {
    scene s{machines::bus(2), {.pin_threshold = 1, .adaptive = false}};
    s.thrash();
    s.revoked(gpu(0));
    CHECK(s.page().revoked);
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    CHECK(s.ask(cpu, gpu(0)).what == kind::throttle);
    CHECK(s.ask(gpu(0), cpu).what == kind::pin);
    CHECK(s.ask(gpu(1), cpu).what == kind::pin);  // exempt in the period that it opens
    CHECK(s.ask(cpu, cpu).what == kind::throttle);
    scene plain{machines::bus(2), {.pin_threshold = 1, .adaptive = false}};
    plain.thrash();
    CHECK(plain.ask(cpu, gpu(0)).what == kind::none);
    CHECK(plain.ask(gpu(0), gpu(0)).what == kind::throttle);
    CHECK(plain.ask(cpu, gpu(0)).what == kind::pin);
    CHECK(plain.ask(gpu(1), cpu).what == kind::pin);
    CHECK(plain.ask(gpu(0), cpu).what == kind::pin);
  }

  TEST_CASE("a pin at a processor without memory is one at the CPU") {
    scene s{machines::coherent(1)};
    s.links.take_memory(gpu(0));
    s.thrash();
    CHECK(s.ask(gpu(0), cpu).at == cpu);
  }

  TEST_CASE("without memory for a pin the requester is throttled and nothing is pinned") {
    scene s{machines::coherent(1)};
    s.thrash();
    s.heap.pins_left = 0;
    CHECK(s.ask(gpu(0), cpu).what == kind::throttle);
    CHECK(s.block.pinned().none());
    CHECK(s.page().throttled.contains(gpu(0)));
    CHECK(s.page().throttles == 1);
  }

  TEST_CASE("our own moves to a pin are no events, and a pinned page outlives a long gap") {
    scene s{machines::coherent(1)};
    s.thrash();
    REQUIRE(s.ask(gpu(0), cpu).what == kind::pin);
    time_point const last = s.page().last;
    s.now += 100 * us;
    s.moved(gpu(0));
    CHECK(s.page().last == last);
    s.moved(gpu(0), {5, 7});  // a span that is not pinned wholly counts
    CHECK(s.page().last.nanoseconds == (s.now & ~std::uint64_t{63}));
    s.now += 900 * us;
    s.moved(gpu(0), {5, 7});
    CHECK(s.block.pinned().test(5));
    CHECK(s.ask(gpu(0), gpu(0)).what == kind::pin);
  }

  TEST_CASE("a pin ends after 300 lapses, less the slack, and takes the history with it") {
    scene s{machines::coherent(1)};
    s.thrash();
    REQUIRE(s.ask(gpu(0), cpu).what == kind::pin);
    std::uint64_t const end = s.now + 150'000 * us;
    CHECK(s.space.next_pin()->deadline.nanoseconds == end);
    CHECK(s.space.due_pin({end - 20 * us - 1}) == nullptr);
    pinned_page* const due = s.space.due_pin({end - 20 * us});
    REQUIRE(due != nullptr);
    CHECK(due->page == 5);
    CHECK(due->block == &s.block);
    s.space.end_pin(*due);
    CHECK(s.block.pinned().none());
    CHECK(s.block.thrashing().none());
    CHECK(s.page().events == 0);
    CHECK(s.space.next_pin() == nullptr);
  }

  TEST_CASE("a pin of no lapses lasts for ever and needs no memory") {
    scene s{machines::coherent(1), {.pin_lapses = 0, .adaptive = false}};
    s.heap.pins_left = 0;
    s.thrash();
    CHECK(s.ask(gpu(0), cpu).what == kind::pin);
    CHECK(s.space.next_pin() == nullptr);
    s.space.reset(s.block, {0, 512});
    CHECK(s.block.pinned().none());
  }

  TEST_CASE("pins end in the order of their deadlines") {
    scene s{machines::coherent(1)};
    for (unsigned n = 0; n < 6; ++n) s.moved(n % 2 == 0 ? gpu(0) : cpu, {5, 8});
    REQUIRE(s.ask(gpu(0), cpu, nobody, 6).what == kind::pin);
    s.now += us;
    REQUIRE(s.ask(gpu(0), cpu, nobody, 7).what == kind::pin);
    s.now += us;
    REQUIRE(s.ask(gpu(0), cpu, nobody, 5).what == kind::pin);
    s.now += 200'000 * us;
    std::vector<unsigned> order;
    while (pinned_page* const due = s.space.due_pin({s.now})) {
      order.push_back(due->page);
      s.space.end_pin(*due);
    }
    CHECK(order == std::vector<unsigned>{6, 7, 5});
  }

  TEST_CASE("a reset of a span leaves other pages, and what a throttle counted survives it") {
    scene s{machines::bus(1)};
    for (unsigned n = 0; n < 6; ++n) s.moved(n % 2 == 0 ? gpu(0) : cpu, {5, 8});
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    CHECK(s.ask(cpu, gpu(0)).what == kind::throttle);
    s.space.reset(s.block, {0, 6});
    CHECK(s.block.thrashing() == masks::of({{6, 8}}));
    CHECK(s.page().events == 0);
    CHECK(s.page().throttled.empty());
    CHECK(s.page().throttles == 1);
    CHECK(s.page().exempt == gpu(0));
  }

  TEST_CASE("after a quiet epoch a block starts over, at most four times, and never once it pinned") {
    scene s{machines::bus(1)};
    for (unsigned round = 0; round < 4; ++round) {
      s.thrash();
      s.now += 1'000'000 * us - 20 * us;
      CHECK(s.ask(gpu(0), cpu).what == kind::none);
      CHECK(s.block.page(5) != nullptr);  // just under an epoch since the last event
      s.now += 21 * us;
      CHECK(s.ask(gpu(0), cpu).what == kind::none);
      CHECK(s.block.page(5) == nullptr);
      CHECK(s.block.thrashing().none());
      CHECK(s.block.resets() == round + 1);
    }
    s.thrash();
    s.now += 2'000'000 * us;
    CHECK(s.ask(gpu(0), cpu).what == kind::none);
    CHECK(s.block.page(5) != nullptr);

    scene pinned{machines::coherent(1)};
    pinned.thrash();
    REQUIRE(pinned.ask(gpu(0), cpu).what == kind::pin);
    pinned.space.reset(pinned.block, {0, 512});
    pinned.now += 2'000'000 * us;
    CHECK(pinned.ask(gpu(0), cpu).what == kind::none);
    CHECK(pinned.block.page(5) != nullptr);
  }

  TEST_CASE("numbers out of bounds fall back") {
    CHECK(thrash_options{.threshold = 0}.valid().threshold == 3);
    CHECK(thrash_options{.threshold = 8}.valid().threshold == 3);
    CHECK(thrash_options{.threshold = 7}.valid().threshold == 7);
    CHECK(thrash_options{.pin_threshold = 0}.valid().pin_threshold == 10);
    CHECK(thrash_options{.pin_threshold = 256}.valid().pin_threshold == 10);
    CHECK(thrash_options{.pin_threshold = 255}.valid().pin_threshold == 255);
    CHECK(thrash_options{.lapse = {0}}.valid().lapse.nanoseconds == 500 * us);
    CHECK(thrash_options{.nap_lapses = 0}.valid().nap_lapses == 1);
    CHECK(thrash_options{.nap_lapses = 101}.valid().nap_lapses == 1);
    CHECK(thrash_options{.nap_lapses = 100}.valid().nap_lapses == 100);
  }
}

TEST_SUITE("placement/adaptive_lapse") {
  TEST_CASE("a lead of 32 long gaps makes the lapse an eighth longer, and half of the lead stays") {
    adaptive_lapse lapse;
    for (unsigned n = 0; n < 31; ++n) lapse.vote({500 * us});
    CHECK(lapse.value().nanoseconds == 500 * us);
    lapse.vote({500 * us});
    CHECK(lapse.value().nanoseconds == 562'500);
    CHECK(lapse.votes() == 16);
  }

  TEST_CASE("a lead of 32 short gaps makes the lapse an eighth shorter, and half of the lead stays") {
    adaptive_lapse lapse;
    for (unsigned n = 0; n < 31; ++n) lapse.vote({500 * us - 1});
    CHECK(lapse.value().nanoseconds == 500 * us);
    lapse.vote({0});
    CHECK(lapse.value().nanoseconds == 437'500);
    CHECK(lapse.votes() == -16);
  }

  TEST_CASE("votes of both signs cancel") {
    adaptive_lapse lapse;
    for (unsigned n = 0; n < 1000; ++n) lapse.vote({n % 2 == 0 ? 500 * us : 0});
    CHECK(lapse.value().nanoseconds == 500 * us);
  }

  TEST_CASE("the lapse stays between 5 us and 500 ms, with steps of 5 us to 50 ms") {
    adaptive_lapse up;
    std::uint64_t last = up.value().nanoseconds;
    for (unsigned n = 0; n < 10'000; ++n) {
      up.vote({1'000'000 * us});
      CHECK(up.value().nanoseconds - last <= 50'000 * us);
      last = up.value().nanoseconds;
    }
    CHECK(last == 500'000 * us);
    adaptive_lapse down;
    last = down.value().nanoseconds;
    for (unsigned n = 0; n < 10'000; ++n) {
      down.vote({0});
      std::uint64_t const step = last - down.value().nanoseconds;
      if (down.value().nanoseconds != 5 * us) CHECK((step == 0 || step >= 5 * us));
      last = down.value().nanoseconds;
    }
    CHECK(last == 5 * us);
  }

  TEST_CASE("a lapse that somebody set does not learn") {
    adaptive_lapse lapse{{70}, false};
    for (unsigned n = 0; n < 100; ++n) lapse.vote({100});
    CHECK(lapse.value().nanoseconds == 70);
    CHECK(lapse.times(3).nanoseconds == 210);
  }

  TEST_CASE("naps, epochs and pins follow the lapse that was learnt") {
    scene s{machines::bus(1), {}};
    s.thrash();
    while (s.space.lapse().value().nanoseconds == 500 * us) static_cast<void>(s.ask(gpu(0), cpu));
    CHECK(s.space.lapse().value().nanoseconds == 437'500);
    s.now += 400 * us;
    s.moved(cpu);
    s.now += 101 * us;
    CHECK(s.ask(cpu, gpu(0)).what == kind::none);
    CHECK(s.ask(gpu(0), cpu).until.nanoseconds == s.now + 437'500);
  }
}
