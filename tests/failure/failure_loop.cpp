// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <failure/failure_loop.hpp>

namespace support {
namespace {

void both_on_device(world& w) {
  REQUIRE(w.fault(base) == errc::ok);
  REQUIRE(w.fault(other) == errc::ok);
}
void first_on_device(world& w) {
  REQUIRE(w.fault(base) == errc::ok);
}
void other_on_device(world& w) {
  REQUIRE(w.fault(other) == errc::ok);
}
void nothing(world&) {}

operation const all_operations[] = {
    {"migrate_to_device", 2, nothing,
     [](world& w) { return w.device_pages(base, chunk) == chunk_pages ? errc::ok : to_device(w, base, chunk); }, true},
    {"CPU fault", 2, first_on_device, [](world& w) { return w.cpu_read(page_at(5)) ? errc::ok : errc::busy; }},
    {"evict", 2, first_on_device,
     [](world& w) {
       auto const victim = allocation_at(w, base);
       return victim ? w.mover.evict(*victim) : errc::ok;
     },
     true},
    {"evict_span", 2, both_on_device, [](world& w) { return w.mover.evict_span(w.process, span(base, chunk)); }, true},
    {"evict_all", 2, both_on_device, [](world& w) { return w.mover.evict_all(); }},
    {"make_room", 2, both_on_device, [](world& w) { return w.mover.make_room({2 * chunk}); }},
    {"fault", 1, other_on_device, [](world& w) { return w.fault(base, svm::access_kind::write); }},
    {"prefetch to device", 1, other_on_device,
     [](world& w) { return w.driver.prefetch(span(base, chunk), prefetch_place::device); }},
    {"prefetch to system", 2, first_on_device,
     [](world& w) { return w.driver.prefetch(span(base, chunk), prefetch_place::system); }},
    {"collect", 2,
     [](world& w) {
       first_on_device(w);
       REQUIRE(w.process.munmap(at(chunk / 2), {chunk / 2}) == sys::ok);
     },
     [](world& w) {
       w.driver.collect_garbage();
       return errc::ok;
     },
     false, chunk / 2},
};

}  // namespace

std::span<operation const> operations() {
  return all_operations;
}

operation const& operation_named(char const* name) {
  for (operation const& op : all_operations)
    if (doctest::String{op.name} == name) return op;
  FAIL("no operation has that name");
  return all_operations[0];
}

std::uint64_t fail_at_every_step(operation const& op, failure kind, repeat how) {
  CAPTURE(std::string{op.name});
  CAPTURE(std::string{name(kind)});
  for (std::uint64_t k = 1;; ++k) {
    CAPTURE(k);
    REQUIRE(k < 100);
    operation_world w{op};
    auto const before = pages_behind(w, base, chunk);
    auto const struck = w.failures.struck();
    w.failures.arm(kind, k, how);
    errc const e = w.act();
    bool const happened = w.failures.struck() != struck;
    w.failures.disarm();
    w.check_sound();
    if (!happened) {
      CHECK(e == errc::ok);
      return k - 1;
    }
    if (op.strong && e != errc::ok) CHECK(pages_behind(w, base, chunk) == before);
    bool const bus_error = e == errc::busy && doctest::String{op.name} == "CPU fault";
    bool const no_room = e == errc::no_device_memory && doctest::String{op.name} == "make_room";
    bool const explained = e == errc::ok || e == cause_of(kind) || bus_error || no_room;
    CHECK_MESSAGE(explained, e);
    w.check_recovers();
  }
}

}  // namespace support
