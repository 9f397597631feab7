// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/page_places.hpp>
#include <svm/placement/residency.hpp>

#include <initializer_list>
#include <optional>

#include <doctest/doctest.h>

#include "placement/machines.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

using enum fault_access;

constexpr thrash_hint pin_at(processor p) {
  return {.what = thrash_hint::kind::pin, .at = p};
}

}  // namespace

TEST_SUITE("placement/topology") {
  TEST_CASE("the nearest place is oneself, then over a fast link, then what is reached, GPUs before the CPU") {
    topology t = machines::bus(3);
    t.connect(gpu(0), gpu(2), {.fast = true, .native_atomics = true});
    t.connect(gpu(0), gpu(1), {});
    processor_set const all = processor_set{cpu} | gpu(0) | gpu(1) | gpu(2);
    CHECK(t.nearest(all, gpu(0)) == gpu(0));
    CHECK(t.nearest(all - gpu(0), gpu(0)) == gpu(2));
    CHECK(t.nearest(all - gpu(0) - gpu(2), gpu(0)) == gpu(1));
    CHECK(t.nearest(cpu, gpu(0)) == cpu);
    CHECK(t.nearest(processor_set{gpu(1)} | gpu(2), cpu) == gpu(1));  // reached by neither way: the lowest
    CHECK(t.nearest(processor_set{cpu} | gpu(2), gpu(1)) == cpu);
    CHECK(t.nearest({}, gpu(1)) == nobody);
    topology const linked = machines::coherent(2);
    CHECK(linked.nearest(processor_set{cpu} | gpu(1), gpu(0)) == gpu(1));
  }

  TEST_CASE("who accesses whom is said from both ends") {
    topology const t = machines::peers(2);
    CHECK(t.accessible_from(cpu) == (processor_set{cpu} | gpu(0) | gpu(1)));
    CHECK(t.accessible_from(gpu(0)) == (processor_set{gpu(0)} | gpu(1)));
    CHECK(t.can_access(cpu) == processor_set{cpu});
    CHECK(t.can_access(gpu(0)) == (processor_set{cpu} | gpu(0) | gpu(1)));
    CHECK(t.native_atomics(gpu(0)) == processor_set{gpu(0)});
    CHECK(t.accessible_from(nobody).empty());
  }

  TEST_CASE("sets of processors have members in order") {
    processor_set s = processor_set{gpu(1)} | cpu | gpu(3);
    CHECK(s.size() == 3);
    CHECK(s.first() == cpu);
    CHECK(s.first_gpu() == gpu(1));
    CHECK(processor_set{cpu}.first_gpu() == cpu);
    CHECK(processor_set{}.first_gpu() == nobody);
    CHECK(processor_set{nobody}.empty());
    unsigned seen = 0;
    s.each([&](processor p) { seen = seen * 10 + p.id; });
    CHECK(seen == 24);
    s -= gpu(1);
    CHECK_FALSE(s.contains(gpu(1)));
    CHECK_FALSE(s.contains(nobody));
  }
}

TEST_SUITE("placement/residency") {
  topology const bus = machines::bus(3);

  TEST_CASE("without a policy a page goes to whoever touches it") {
    CHECK(residency(bus, {}, {.requester = gpu(0)}) == residence{gpu(0), false});
    CHECK(residency(bus, {}, {.requester = gpu(0), .copies = cpu}) == residence{gpu(0), false});
    CHECK(residency(bus, {}, {.requester = cpu, .copies = gpu(0)}) == residence{cpu, false});
    CHECK(residency(bus, {}, {.requester = gpu(1), .copies = gpu(0)}) == residence{gpu(1), false});
  }

  TEST_CASE("enabled duplication copies for a read, and collapses at the requester for a write") {
    range_policy const policy{.duplicates = read_duplication::enabled, .preferred = gpu(1)};
    CHECK(residency(bus, policy, {.requester = gpu(0), .copies = cpu}) == residence{gpu(0), true});
    CHECK(residency(bus, policy, {.requester = gpu(0), .accesses = prefetch, .copies = cpu}) ==
          residence{gpu(0), true});
    for (fault_access const a : {write, atomic_weak, atomic_strong})
      CHECK(residency(bus, policy, {.requester = gpu(0), .accesses = a, .copies = cpu}) == residence{gpu(0), false});
    access_set both = read;
    both |= write;
    CHECK(residency(bus, policy, {.requester = gpu(0), .accesses = both, .copies = cpu}) == residence{gpu(0), false});
    // A pin does not count against what is enabled.
    CHECK(residency(bus, policy, {.requester = gpu(0), .copies = cpu, .hint = pin_at(cpu)}) == residence{gpu(0), true});
  }

  TEST_CASE("a page that is duplicated goes on being so, unless that is disabled or it is pinned") {
    residency_request r{.requester = gpu(0), .copies = processor_set{cpu} | gpu(1), .is_duplicated = true};
    CHECK(residency(bus, {}, r) == residence{gpu(0), true});
    CHECK(residency(bus, {.duplicates = read_duplication::disabled, .preferred = cpu}, r) == residence{cpu, false});
    r.hint = pin_at(cpu);
    CHECK(residency(bus, {}, r) == residence{cpu, false});
  }

  TEST_CASE("the preferred location gets its page before a pin says otherwise") {
    CHECK(residency(bus, {.preferred = gpu(0)}, {.requester = gpu(0), .copies = cpu, .hint = pin_at(cpu)}) ==
          residence{gpu(0), false});
    CHECK(residency(bus, {.preferred = gpu(1)}, {.requester = gpu(0), .copies = gpu(1), .hint = pin_at(cpu)}) ==
          residence{cpu, false});
  }

  TEST_CASE("a page that is nowhere goes to the preferred location if the requester reaches it") {
    CHECK(residency(bus, {.preferred = cpu}, {.requester = gpu(0)}) == residence{cpu, false});
    CHECK(residency(bus, {.preferred = gpu(1)}, {.requester = gpu(0)}) == residence{gpu(0), false});
    CHECK(residency(machines::peers(2), {.preferred = gpu(1)}, {.requester = gpu(0)}) == residence{gpu(1), false});
  }

  TEST_CASE("who is kept mapped leaves the page where it is, if it reaches it and no counter asks") {
    range_policy const policy{.accessed_by = gpu(0)};
    CHECK(residency(bus, policy, {.requester = gpu(0), .copies = cpu}) == residence{cpu, false});
    CHECK(residency(bus, policy, {.requester = gpu(0), .copies = cpu, .is_counter = true}) == residence{gpu(0), false});
    CHECK(residency(bus, policy, {.requester = gpu(0), .copies = gpu(1)}) == residence{gpu(0), false});
    CHECK(residency(bus, policy, {.requester = gpu(1), .copies = cpu}) == residence{gpu(1), false});
    // It comes before the preferred location.
    CHECK(residency(machines::peers(2), {.preferred = cpu, .accessed_by = gpu(0)},
                    {.requester = gpu(0), .copies = gpu(1)}) == residence{gpu(1), false});
  }

  TEST_CASE("atomics between GPUs may leave a page where it is, when that is asked for") {
    topology const linked = machines::linked_gpus(2);
    residency_request r{.requester = gpu(0), .accesses = atomic_weak, .copies = gpu(1), .keeps_for_atomics = true};
    CHECK(residency(linked, {}, r) == residence{gpu(1), false});
    CHECK(residency(machines::peers(2), {}, r) == residence{gpu(0), false});
    r.accesses |= write;
    CHECK(residency(linked, {}, r) == residence{gpu(0), false});
    r.accesses = atomic_strong;
    r.keeps_for_atomics = false;
    CHECK(residency(linked, {}, r) == residence{gpu(0), false});
    r.keeps_for_atomics = true;
    r.copies = cpu;
    CHECK(residency(machines::coherent(2), {}, r) == residence{gpu(0), false});
  }

  TEST_CASE("a page that is elsewhere goes to the preferred location if the requester reaches it") {
    CHECK(residency(bus, {.preferred = cpu}, {.requester = gpu(0), .copies = gpu(1)}) == residence{cpu, false});
    CHECK(residency(bus, {.preferred = gpu(1)}, {.requester = gpu(0), .copies = cpu}) == residence{gpu(0), false});
    CHECK(residency(bus, {.preferred = cpu}, {.requester = gpu(0), .copies = gpu(0)}) == residence{gpu(0), false});
  }

  TEST_CASE("a place without memory is the CPU, and no duplicate") {
    topology t = machines::bus(2);
    t.take_memory(gpu(0));
    CHECK(residency(t, {}, {.requester = gpu(0), .copies = cpu}) == residence{cpu, false});
    CHECK(residency(t, {.duplicates = read_duplication::enabled}, {.requester = gpu(0), .copies = gpu(1)}) ==
          residence{cpu, false});
    CHECK(residency(t, {}, {.requester = gpu(1), .copies = cpu, .hint = pin_at(gpu(0))}) == residence{cpu, false});
  }
}

TEST_SUITE("placement/range_policy") {
  TEST_CASE("a new preferred location loses its mappings of others' memory, an old one and nobody do not") {
    range_policy p;
    CHECK(set_preferred(p, gpu(0)));
    CHECK_FALSE(set_preferred(p, gpu(0)));
    CHECK(set_preferred(p, cpu));
    CHECK_FALSE(set_preferred(p, nobody));
    CHECK(p == range_policy{});
  }

  TEST_CASE("who is kept mapped is mapped at once, unless it maps its own copy only") {
    range_policy p{.preferred = gpu(1)};
    CHECK(set_accessed_by(p, gpu(0)));
    CHECK_FALSE(set_accessed_by(p, gpu(0)));
    CHECK_FALSE(set_accessed_by(p, gpu(1)));
    CHECK(p.accessed_by == (processor_set{gpu(0)} | gpu(1)));
    unset_accessed_by(p, gpu(0));
    CHECK(p.accessed_by == processor_set{gpu(1)});
    CHECK(maps_own_copy_only(p, gpu(1)));
    CHECK_FALSE(maps_own_copy_only(p, gpu(0)));
    p.duplicates = read_duplication::enabled;
    CHECK(maps_own_copy_only(p, gpu(0)));
  }
}

TEST_SUITE("placement/page_places") {
  // Pages 0 to 4 lie here, in system memory, with a GPU that is reached, with one that is not, and nowhere.
  constexpr page_copies now() {
    page_copies c;
    c.here.set(0);
    c.system.set(1);
    c.reached.set(2);
    c.beyond.set(3);
    return c;
  }
  enum class goes : std::uint8_t { comes, system, stays, away };

  TEST_CASE("F1 pages go where the ladder puts one that is in the same place") {
    using enum goes;
    struct row {
      std::optional<processor> preferred;
      bool accessed;
      goes to[5];
    };
    for (processor const self : {gpu(0), gpu(1), gpu(29), gpu(30)}) {
      row const rows[] = {
          {{}, false, {comes, comes, comes, comes, comes}},
          {{}, true, {comes, system, stays, comes, comes}},
          {self, false, {comes, comes, comes, comes, comes}},
          {self, true, {comes, comes, comes, comes, comes}},
          {cpu, false, {comes, system, system, system, system}},
          {cpu, true, {comes, system, stays, system, system}},
          {page_places::reached_by(self), false, {comes, away, stays, away, away}},
          {page_places::reached_by(self), true, {comes, system, stays, away, away}},
      };
      for (row const& r : rows) {
        range_policy said;
        if (r.preferred) said.preferred = *r.preferred;
        if (r.accessed) said.accessed_by = self;
        page_places const places{self, said, now()};
        destinations const to = places.choose(page_mask{page_span{0, 5}});
        for (unsigned p = 0; p < 5; ++p) {
          CAPTURE(p);
          CHECK(to.to_requester.test(p) == (r.to[p] == comes));
          CHECK(to.to_system.test(p) == (r.to[p] == system));
          CHECK(to.stay.test(p) == (r.to[p] == stays));
          CHECK(to.to_another.test(p) == (r.to[p] == away));
        }
        CHECK(places.choose({}).to_requester.none());
      }
    }
  }

  TEST_CASE("F3 pages elsewhere that may be duplicated are copied to the requester, and what is nowhere comes") {
    for (processor const preferred : {nobody, cpu, gpu(1)}) {
      range_policy said;
      said.duplicates = read_duplication::enabled;
      said.preferred = preferred;
      page_places const places{gpu(1), said, now()};
      destinations const to = places.choose(page_mask{page_span{0, 5}});
      CHECK(to.duplicates == page_mask{page_span{1, 4}});
      CHECK(to.to_requester == (page_mask{page_span{0, 1}} | page_mask{page_span{4, 5}}));
      CHECK(to.to_system.none());
      CHECK(to.stay.none());
      CHECK(to.to_another.none());
    }
    range_policy never;
    never.duplicates = read_duplication::disabled;
    CHECK(page_places{gpu(1), never, now()}.choose(page_mask{page_span{0, 5}}).duplicates.none());
  }

  TEST_CASE("F1 a counter brings what faults leave where it is, unless another place is preferred") {
    range_policy said;
    said.accessed_by = gpu(0);
    page_places const accessed{gpu(0), said, now()};
    CHECK(accessed.place(1, false).where == cpu);
    CHECK(accessed.place(1, true).where == gpu(0));
    CHECK(accessed.place(2, true).where == gpu(0));
    CHECK(accessed.place(1, true, pin_at(cpu)).where == cpu);
    said.preferred = cpu;
    page_places const preferred{gpu(0), said, now()};
    CHECK(preferred.place(1, true).where == cpu);
    CHECK(preferred.place(2, true).where == cpu);
    CHECK(preferred.copies(0) == processor_set{gpu(0)});
    CHECK(preferred.copies(1) == processor_set{cpu});
    CHECK(preferred.copies(2) != preferred.copies(3));
    CHECK(preferred.copies(4).empty());
  }
}
