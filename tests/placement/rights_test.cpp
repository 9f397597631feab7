// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/duplication.hpp>
#include <svm/placement/explicit_migration.hpp>
#include <svm/placement/rights.hpp>

#include <deque>
#include <initializer_list>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "placement/machines.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

/// A page at one place, with rights of some.
page_state page_at(processor place, std::initializer_list<std::pair<processor, right>> rights = {}) {
  page_state s{.copies = place};
  for (auto const& [p, r] : rights) s.map(p, r);
  return s;
}

std::string name_of(page_state const& s) {
  std::string n;
  for (processor const p : {cpu, gpu(0), gpu(1)})
    n += std::to_string(s.copies.contains(p)) + std::to_string(static_cast<int>(s.of(p)));
  return n + (s.duplicated ? "d" : "");
}

/// What must hold of a page wherever it is: nobody has more than the others leave room for.
bool is_coherent(topology const& links, page_state const& s) {
  if (!s.is_valid()) return false;
  if (s.copies.empty()) return s.readers.empty();
  if (s.copies.size() > 1) return s.duplicated;
  // Atomics without hardware for them are right only where nobody else may write.
  processor_set const native = links.native_atomics(s.copies.first());
  bool ok = links.accessible_from(s.copies.first()).contains(s.readers);
  s.atomics.each([&](processor p) { ok &= native.contains(p) || (s.writers - p).empty(); });
  return ok;
}

}  // namespace

TEST_SUITE("placement/rights") {
  topology const bus = machines::bus(2);
  topology const linked = machines::coherent(2);

  TEST_CASE("a page at several places is read by its holders alone") {
    page_state const s{.copies = processor_set{cpu} | gpu(0), .duplicated = true};
    CHECK(right_of_mapping(linked, s, gpu(0)) == right::read);
    CHECK(right_of_mapping(linked, s, cpu) == right::read);
    CHECK(right_of_mapping(linked, s, gpu(1)) == right::none);
    CHECK(right_of_mapping(linked, {}, gpu(1)) == right::none);
  }

  TEST_CASE("a page that nobody else maps is mapped with every right, and not at all where it is out of reach") {
    CHECK(right_of_mapping(bus, page_at(cpu), gpu(0)) == right::atomic);
    CHECK(right_of_mapping(bus, page_at(cpu, {{gpu(0), right::read}}), gpu(0)) == right::atomic);
    CHECK(right_of_mapping(bus, page_at(gpu(0)), cpu) == right::none);
  }

  TEST_CASE("others limit a mapping: atomics in software to reading, writing to writing") {
    CHECK(right_of_mapping(bus, page_at(cpu, {{gpu(1), right::atomic}}), gpu(0)) == right::read);
    CHECK(right_of_mapping(bus, page_at(cpu, {{cpu, right::write}}), gpu(0)) == right::write);
    CHECK(right_of_mapping(bus, page_at(cpu, {{cpu, right::read}}), gpu(0)) == right::atomic);
    CHECK(right_of_mapping(bus, page_at(cpu, {{gpu(1), right::write}}), cpu) == right::atomic);  // native
    CHECK(right_of_mapping(linked, page_at(cpu, {{gpu(1), right::atomic}}), gpu(0)) == right::atomic);
  }

  TEST_CASE("a fault's right is raised where that takes nothing from others") {
    auto const given = [](topology const& t, page_state const& s, processor q, right asked) {
      return right_of_fault(t, s, {.requester = q, .asked = asked});
    };
    CHECK(given(bus, page_at(gpu(0)), gpu(0), right::read) == right::atomic);
    CHECK(given(bus, page_at(cpu), gpu(0), right::read) == right::write);  // no atomics in hardware there
    CHECK(given(bus, page_at(cpu, {{gpu(1), right::atomic}}), gpu(0), right::read) == right::read);
    CHECK(given(linked, page_at(cpu, {{gpu(1), right::atomic}}), gpu(0), right::read) == right::atomic);
    CHECK(given(bus, page_at(cpu, {{gpu(1), right::write}}), cpu, right::read) == right::write);
    CHECK(given(bus, page_at(cpu, {{gpu(1), right::write}}), gpu(0), right::atomic) == right::atomic);
    CHECK(right_of_fault(bus, page_at(gpu(0)), {.requester = gpu(0), .asked = right::read, .writable = false}) ==
          right::read);
    CHECK(right_of_fault(bus, page_at(gpu(0)), {.requester = gpu(0), .asked = right::read, .may_duplicate = true}) ==
          right::read);
    page_state const twice{.copies = processor_set{cpu} | gpu(0), .duplicated = true};
    CHECK(given(bus, twice, gpu(0), right::read) == right::read);
  }

  TEST_CASE("a fault of the CPU takes atomics from others and leaves them writing") {
    page_state s = page_at(cpu, {{gpu(0), right::atomic}, {gpu(1), right::read}});
    CHECK(revoke(bus, s, cpu, right::atomic) == processor_set{gpu(0)});
    CHECK(s.of(gpu(0)) == right::write);
    CHECK(s.of(gpu(1)) == right::read);
    s = page_at(gpu(1), {{gpu(0), right::atomic}});
    topology t = machines::peers(2);
    t.connect(cpu, gpu(1), {});
    CHECK(revoke(t, s, cpu, right::write) == processor_set{gpu(0)});
    CHECK(s.of(gpu(0)) == right::write);
    s = page_at(gpu(1), {{gpu(0), right::atomic}});
    CHECK(revoke(t, s, cpu, right::atomic) == processor_set{gpu(0)});
    CHECK(s.of(gpu(0)) == right::write);
  }

  TEST_CASE("a GPU's write takes atomics, its atomics take writes") {
    topology const t = machines::peers(3);
    page_state s = page_at(cpu, {{gpu(1), right::atomic}, {gpu(2), right::write}});
    CHECK(revoke(t, s, gpu(0), right::write) == processor_set{gpu(1)});
    CHECK(s.of(gpu(1)) == right::write);
    CHECK(s.of(gpu(2)) == right::write);
    CHECK(revoke(t, s, gpu(0), right::atomic) == (processor_set{gpu(1)} | gpu(2)));
    CHECK(s.of(gpu(1)) == right::read);
    CHECK(revoke(t, s, gpu(0), right::read).empty());
  }

  TEST_CASE("who has atomics in hardware is spared, unless the new right's owner has none") {
    topology const t = machines::peers(2);
    page_state s = page_at(gpu(1), {{gpu(1), right::atomic}});
    CHECK(revoke(t, s, gpu(0), right::write).empty());
    CHECK(s.of(gpu(1)) == right::atomic);
    CHECK(revoke(t, s, gpu(0), right::atomic) == processor_set{gpu(1)});
    CHECK(s.of(gpu(1)) == right::read);
    page_state native = page_at(gpu(1), {{gpu(0), right::atomic}, {gpu(1), right::atomic}});
    CHECK(revoke(machines::linked_gpus(2), native, gpu(0), right::atomic).empty());
  }

  TEST_CASE("who else is mapped after a move: those kept mapped and those that thrash, if they reach the place") {
    range_policy policy{.accessed_by = processor_set{gpu(0)} | gpu(1)};
    page_state const s = page_at(cpu);
    CHECK(also_mapped(bus, policy, gpu(0), cpu, {}, s, false) == processor_set{gpu(1)});
    CHECK(also_mapped(bus, policy, cpu, gpu(0), {}, page_at(gpu(0)), false) == processor_set{gpu(0)});
    CHECK(also_mapped(bus, {}, cpu, cpu, processor_set{gpu(0)} | cpu, s, false) == processor_set{gpu(0)});
    policy.preferred = gpu(1);
    CHECK(also_mapped(bus, policy, gpu(0), cpu, {}, s, false).empty());  // it is to fault, and get its page
    CHECK(also_mapped(machines::peers(2), policy, gpu(0), gpu(1), {}, page_at(gpu(1)), false) == processor_set{gpu(1)});
    topology t = machines::bus(2);
    t.take_memory(gpu(1));
    CHECK(also_mapped(t, policy, gpu(0), cpu, {}, s, false) == processor_set{gpu(1)});
    policy = {.accessed_by = gpu(1)};
    CHECK(also_mapped(bus, policy, gpu(0), cpu, {}, s, true).empty());
    page_state twice = s;
    twice.duplicated = true;
    CHECK(also_mapped(bus, policy, gpu(0), cpu, {}, twice, false).empty());
    policy.duplicates = read_duplication::enabled;
    CHECK(also_mapped(bus, policy, gpu(0), cpu, {}, s, false).empty());
  }

  TEST_CASE("after an eviction those kept mapped and those that count are mapped to the CPU") {
    CHECK(mapped_after_eviction(bus, {.accessed_by = gpu(0)}, {}, false) == processor_set{gpu(0)});
    CHECK(mapped_after_eviction(bus, {}, gpu(1), false) == processor_set{gpu(1)});
    CHECK(mapped_after_eviction(bus, {}, gpu(1), true).empty());
    CHECK(mapped_after_eviction(bus, {}, {}, false).empty());
  }
}

TEST_SUITE("placement/duplication") {
  TEST_CASE("a duplicate takes write from the holder and everything from others") {
    page_state s = page_at(cpu, {{cpu, right::write}, {gpu(1), right::write}});
    duplication const d = duplicate_to(machines::bus(2), s, gpu(0));
    CHECK(d.unmapped == processor_set{gpu(1)});
    CHECK(d.source == cpu);
    CHECK(d.write_taken);
    CHECK_FALSE(d.through_cpu);
    CHECK(s.copies == (processor_set{cpu} | gpu(0)));
    CHECK(s.of(cpu) == right::read);
    CHECK(s.of(gpu(1)) == right::none);
    CHECK(s.duplicated);
    page_state quiet = page_at(cpu, {{cpu, right::read}});
    CHECK_FALSE(duplicate_to(machines::bus(2), quiet, gpu(0)).write_taken);
  }

  TEST_CASE("GPUs without a link copy through the CPU, which keeps its copy") {
    page_state s = page_at(gpu(1));
    CHECK(duplicate_to(machines::bus(2), s, gpu(0)).through_cpu);
    CHECK(s.copies == (processor_set{cpu} | gpu(0) | gpu(1)));
    page_state near = page_at(gpu(1));
    CHECK_FALSE(duplicate_to(machines::peers(2), near, gpu(0)).through_cpu);
    CHECK(near.copies == (processor_set{gpu(0)} | gpu(1)));
    page_state back = page_at(gpu(1));
    CHECK_FALSE(duplicate_to(machines::bus(2), back, cpu).through_cpu);
  }

  TEST_CASE("a collapse leaves one copy and one mapping, and says who lost a copy") {
    page_state s{.copies = processor_set{cpu} | gpu(0) | gpu(1), .duplicated = true};
    for (processor const p : {cpu, gpu(0), gpu(1)}) s.map(p, right::read);
    CHECK(collapse(s, gpu(0)) == (processor_set{cpu} | gpu(1)));
    CHECK(s.copies == processor_set{gpu(0)});
    CHECK(s.readers == processor_set{gpu(0)});
    CHECK_FALSE(s.duplicated);
    page_state elsewhere{.copies = processor_set{cpu} | gpu(0), .duplicated = true};
    CHECK(collapse(elsewhere, gpu(1)) == (processor_set{cpu} | gpu(0)));
    CHECK(elsewhere.copies == processor_set{gpu(1)});
  }

  TEST_CASE("the end of duplication leaves the copy at the preferred location, else the first holder's") {
    page_state const s{.copies = processor_set{cpu} | gpu(0), .duplicated = true};
    page_state one = s;
    CHECK(disable_duplication(one, {.preferred = gpu(0)}) == processor_set{cpu});
    CHECK(one.copies == processor_set{gpu(0)});
    page_state two = s;
    CHECK(disable_duplication(two, {.preferred = gpu(1)}) == processor_set{gpu(0)});
    CHECK(two.copies == processor_set{cpu});
    page_state plain = page_at(gpu(0), {{gpu(0), right::write}});
    CHECK(disable_duplication(plain, {}).empty());
    CHECK(plain.of(gpu(0)) == right::write);
  }

  TEST_CASE("enabling duplication leaves pages where they are, and ends mappings of others' memory") {
    page_state s = page_at(cpu, {{cpu, right::write}, {gpu(0), right::read}});
    CHECK(enable_duplication(s) == processor_set{gpu(0)});
    CHECK(s.copies == processor_set{cpu});
    CHECK(s.of(cpu) == right::read);
    CHECK(s.duplicated);
    page_state nowhere;
    CHECK(enable_duplication(nowhere).empty());
    CHECK_FALSE(nowhere.duplicated);
  }

  TEST_CASE("every state of a page that faults, mappings and duplicates lead to is coherent") {
    for (topology const& links :
         {machines::bus(2), machines::peers(2), machines::linked_gpus(2), machines::coherent(2)}) {
      std::deque<page_state> open{page_at(cpu)};
      std::set<std::string> seen{name_of(open.front())};
      auto const visit = [&](page_state const& s, char const* how) {
        INFO(how << " " << name_of(s));
        REQUIRE(is_coherent(links, s));
        if (seen.insert(name_of(s)).second) open.push_back(s);
      };
      while (!open.empty()) {
        page_state const here = open.front();
        open.pop_front();
        for (processor const q : {cpu, gpu(0), gpu(1)}) {
          for (right const asked : {right::read, right::write, right::atomic}) {
            // A fault that moves the page, and one that leaves it.
            page_state moved = here;
            collapse(moved, q);
            moved.map(q, right_of_fault(links, moved, {.requester = q, .asked = asked}));
            visit(moved, "moved");
            if (here.copies.size() == 1 && links.accessible_from(here.copies.first()).contains(q)) {
              page_state stays = here;
              right const given =
                  right_of_fault(links, stays, {.requester = q, .asked = asked, .may_duplicate = here.duplicated});
              revoke(links, stays, q, given);
              stays.map(q, given);
              visit(stays, "stays");
            }
          }
          page_state mapped = here;
          if (right const r = right_of_mapping(links, mapped, q); r != right::none) mapped.map(q, r);
          visit(mapped, "mapped");
          page_state twice = here;
          if (!here.copies.contains(q)) {
            duplicate_to(links, twice, q);
            twice.map(q, right::read);
            visit(twice, "duplicated");
          }
        }
        page_state ended = here;
        disable_duplication(ended, {});
        visit(ended, "ended");
        page_state begun = here;
        enable_duplication(begun);
        visit(begun, "begun");
      }
      CHECK(seen.size() > 20);
    }
  }
}

TEST_SUITE("placement/explicit_migration") {
  /// Notes what it is told, and fails at a call if it is to.
  struct span_view {
    bool memory = true, ahead = false;
    std::set<std::uint64_t> there;  ///< blocks of which a page that the CPU maps is at the destination
    std::vector<std::string> said;
    std::size_t fails_at = ~std::size_t{0};

    bool has_memory(processor) const { return memory; }
    bool unmaps_ahead() const { return ahead; }
    bool is_at_destination(std::uint64_t block) const { return there.contains(block); }
    errc say(std::string s) {
      said.push_back(std::move(s));
      return said.size() > fails_at ? errc::no_vma : errc::ok;
    }
    errc unmap_cpu(std::uint64_t first, std::uint64_t n) {
      return say("unmap " + std::to_string(first) + "+" + std::to_string(n));
    }
    errc move(std::uint64_t block, bool maps) { return say((maps ? "map " : "move ") + std::to_string(block)); }
  };
  using list = std::vector<std::string>;

  TEST_CASE("two passes move every block, the second maps; one block and spared CPU mappings have one pass") {
    span_view v;
    CHECK(migrate_explicitly({.first_block = 4, .blocks = 2, .destination = gpu(0)}, v) == errc::ok);
    CHECK(v.said == list{"move 4", "move 5", "map 4", "map 5"});
    span_view one;
    CHECK(migrate_explicitly({.first_block = 4, .blocks = 1, .destination = gpu(0)}, one) == errc::ok);
    CHECK(one.said == list{"map 4"});
    span_view spared;
    spared.ahead = true;
    CHECK(migrate_explicitly({.first_block = 4, .blocks = 2, .destination = gpu(0), .skips_cpu_mappings = true},
                             spared) == errc::ok);
    CHECK(spared.said == list{"map 4", "map 5"});
  }

  TEST_CASE("a destination without memory gets nothing, and that is no error") {
    span_view v;
    v.memory = false;
    CHECK(migrate_explicitly({.first_block = 0, .blocks = 3, .destination = gpu(0)}, v) == errc::ok);
    CHECK(v.said.empty());
  }

  TEST_CASE("the CPU is unmapped ahead in windows of four blocks, which end before a block that is there in part") {
    span_view v;
    v.ahead = true;
    v.there = {6};
    CHECK(migrate_explicitly({.first_block = 0, .blocks = 9, .destination = gpu(0)}, v) == errc::ok);
    v.said.resize(13);
    CHECK(v.said == list{"unmap 0+4", "move 0", "move 1", "move 2", "move 3", "unmap 4+2", "move 4", "move 5", "move 6",
                         "unmap 7+2", "move 7", "move 8", "map 0"});
  }

  TEST_CASE("the first error ends the migration") {
    for (std::size_t at = 0; at < 5; ++at) {
      span_view v;
      v.ahead = true;
      v.fails_at = at;
      CHECK(migrate_explicitly({.first_block = 0, .blocks = 2, .destination = gpu(0)}, v) == errc::no_vma);
      CHECK(v.said.size() == at + 1);
    }
  }

  TEST_CASE("enabled duplication copies, but discarded pages go to the preferred location that has them, or along") {
    range_policy const policy{.duplicates = read_duplication::enabled, .preferred = cpu};
    CHECK(explicit_residence({}, page_at(cpu), gpu(0), false) == residence{gpu(0), false});
    CHECK(explicit_residence(policy, page_at(cpu), gpu(0), false) == residence{gpu(0), true});
    CHECK(explicit_residence(policy, page_at(cpu), gpu(0), true) == residence{cpu, false});
    CHECK(explicit_residence(policy, page_at(gpu(1)), gpu(0), true) == residence{gpu(0), false});
  }
}
