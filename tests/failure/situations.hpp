// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include <failure/stage.hpp>

// What is there before a call that is made to fail: machines, and what has happened on them. Memory A is at `base` with
// tags from 1 on, B at `other` with tags from 1000 on.

namespace support {

using svm::migration_mode;
using svm::partial_unmap;
using svm::preferred_place;
using svm::mock::machine_options;

// ---- Machines.

template <class Set>
[[nodiscard]] machine_options machine_with(Set&& set, std::uint64_t vram = MiB) {
  return small_chunks(vram, set);
}
[[nodiscard]] inline machine_options plain() {
  return small_chunks();
}
[[nodiscard]] inline machine_options one_chunk() {
  return small_chunks(chunk);
}
[[nodiscard]] inline machine_options stays_in_system() {
  return machine_with([](machine_options& o) { o.driver.migrate = migration_mode::never; });
}
[[nodiscard]] inline machine_options reserves_addresses() {
  return machine_with([](machine_options& o) {
    o.driver.migrate = migration_mode::never;
    o.iommu = svm::mock::iommu_mode::reserved;
  });
}
[[nodiscard]] inline machine_options pays() {
  return machine_with([](machine_options& o) { o.driver.limits.device_memory = {2 * chunk}; });
}
/// With just as many ranges as the calls take.
[[nodiscard]] inline machine_options one_range() {
  return machine_with([](machine_options& o) { o.driver.limits.ranges = 1; });
}
[[nodiscard]] inline machine_options splits_into_eight() {
  return machine_with([](machine_options& o) {
    o.driver.rest = partial_unmap::split;
    o.driver.limits.ranges = 8;
  });
}
[[nodiscard]] inline machine_options needs_device() {
  return machine_with([](machine_options& o) { o.driver.migrate = migration_mode::required; });
}
[[nodiscard]] inline machine_options splits() {
  return machine_with([](machine_options& o) { o.driver.rest = partial_unmap::split; });
}
[[nodiscard]] inline machine_options two_gpus() {
  return machine_with([](machine_options& o) { o.gpus = 2; });
}
[[nodiscard]] inline machine_options two_gpus_in_place() {
  return machine_with([](machine_options& o) {
    o.gpus = 2;
    o.driver.migrate = migration_mode::never;
  });
}
[[nodiscard]] inline machine_options two_gpus_pushing() {
  return machine_with([](machine_options& o) {
    o.gpus = 2;
    o.driver.peers_push = true;
  });
}
[[nodiscard]] inline machine_options two_gpus_apart() {
  return machine_with([](machine_options& o) {
    o.gpus = 2;
    o.linked = false;
    o.driver.migrate = migration_mode::never;
  });
}

// ---- What is there.

inline void written(stage& w) {
  w.map(chunk);
  w.cpu_tag(base, chunk, 1);
}
inline void untouched(stage& w) {
  w.map(chunk);
}
inline void half_written(stage& w) {
  w.map(chunk);
  w.cpu_tag(base, chunk / 2, 1);
}
/// All device memory is another chunk's.
inline void under_pressure(stage& w) {
  written(w);
  w.map(chunk, other);
  w.cpu_tag(other, chunk, 1000);
  w.move_to(0, other);
}
inline void on_device(stage& w) {
  written(w);
  w.move_to(0, base);
}
inline void on_peer(stage& w) {
  written(w);
  w.move_to(1, base);
}
/// The first half is in device memory, the second in system memory.
inline void mixed(stage& w) {
  written(w);
  w.move_to(0, base, chunk / 2);
}
inline void two_on_device(stage& w) {
  under_pressure(w);
  w.move_to(0, base);
}
inline void mapped_on_device(stage& w) {
  written(w);
  REQUIRE(w.fault(base, access_kind::write) == errc::ok);
}
/// The range no longer fits the VMA, and its memory is in device memory.
inline void stale(stage& w) {
  mapped_on_device(w);
  REQUIRE(w.process.mprotect(at(chunk / 2), {chunk / 2}, protection::read) == sys::ok);
}
/// The second half was unmapped, and the rest is in device memory.
inline void half_unmapped(stage& w) {
  mapped_on_device(w);
  REQUIRE(w.process.munmap(at(chunk / 2), {chunk / 2}) == sys::ok);
}
/// The same for a gpusvm without a driver.
inline void half_unmapped_alone(stage& w, partial_unmap rest) {
  w.alone = std::make_unique<stage::bare>(w, rest);
  written(w);
  {
    REQUIRE(w.alone->svm.find_or_insert(base, {.devmem_possible = true}).has_value());
    auto held = w.alone->svm.lock_range(w.alone->svm.find(base));
    REQUIRE(w.alone->memory.migrate_to_device(held, {}) == errc::ok);
  }
  REQUIRE(w.process.munmap(at(chunk / 2), {chunk / 2}) == sys::ok);
}
inline void second_half_unmapped(stage& w) {
  w.second = std::make_unique<stage::second_driver>(w);
  written(w);
  REQUIRE(w.second->driver->fault(base, access_kind::write) == errc::ok);
  REQUIRE(w.process.munmap(at(chunk / 2), {chunk / 2}) == sys::ok);
}
template <void (*SetUp)(stage&)>
void and_range(stage& w) {
  SetUp(w);
  static_cast<void>(w.hold());
}
/// Mapped for reading, where it is.
inline void mapped_read_only(stage& w) {
  written(w);
  auto held = w.hold();
  REQUIRE(w.svm().get_pages(held, {.read_only = true}) == errc::ok);
  REQUIRE(w.svm().bind(held) == errc::ok);
}
inline void with_pages(stage& w) {
  written(w);
  auto held = w.hold();
  REQUIRE(w.svm().get_pages(held, {}) == errc::ok);
}
inline void with_range_beside(stage& w) {
  written(w);
  w.map(chunk, other);
  static_cast<void>(w.hold(other));
}
inline constexpr svm::span_attributes on_the_device{.preferred = preferred_place::device};
inline void advised(stage& w) {
  written(w);
  REQUIRE(w.driver.advise(span(base, chunk), on_the_device) == errc::ok);
}
inline void advised_and_cut(stage& w) {
  advised(w);
  REQUIRE(w.process.munmap(page_at(2), {page_bytes}) == sys::ok);
}
inline void with_attributes(stage& w) {
  written(w);
  w.attributes = std::make_unique<svm::attribute_map<policies>>(w.svm().env());
  REQUIRE(w.attributes->set(span(base, chunk), on_the_device) == errc::ok);
}
inline void with_guest(stage& w) {
  written(w);
  w.attach_guest(1);
}
inline void with_guest_on_its_device(stage& w) {
  with_guest(w);
  w.move_to(1, base);
}
inline void with_guest_pages(stage& w) {
  with_guest(w);
  auto held = w.hold();
  REQUIRE(w.svm().get_pages(held, w.attached->mapping, {}) == errc::ok);
}

template <void (*SetUp)(stage&)>
void and_buffer(stage& w) {
  SetUp(w);
  w.buffer = std::make_unique<stage::user>(w, span(base, chunk));
}
template <void (*SetUp)(stage&)>
void and_open_buffer(stage& w) {
  and_buffer<SetUp>(w);
  REQUIRE(w.buffer->buffer.open() == errc::ok);
}
inline void buffer_read_only(stage& w) {
  and_open_buffer<written>(w);
  REQUIRE(w.buffer->buffer.get_pages({.read_only = true}) == errc::ok);
}
inline void buffer_with_pages(stage& w) {
  and_open_buffer<written>(w);
  REQUIRE(w.buffer->buffer.get_pages({}) == errc::ok);
}

}  // namespace support
