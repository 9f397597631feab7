// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Read duplication: copies that GPUs read of pages in system memory, until somebody writes.

#include "driver/block_scene.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include <support/failures.hpp>

using namespace support;

namespace {

constexpr std::uint64_t chunk_of_two = 2 * page_bytes;

/// Two GPUs that do not reach each other's memory, unless `linked`, and a block whose reads are duplicated for both.
struct scene {
  world w;

  explicit scene(std::uint64_t vram = 64 * MiB, bool linked = false)
      : w(by_pages(vram, [linked](svm::mock::machine_options& o) {
          o.gpus = 2;
          o.linked = linked;
        })) {
    w.map(block_bytes);
    for (std::size_t const gpu : {0u, 1u}) duplicate(gpu);
  }
  void duplicate(std::size_t gpu, bool is_duplicated = true) {
    REQUIRE(service_of(w, gpu).set_read_duplicated(span(base, block_bytes), is_duplicated) == errc::ok);
  }
  [[nodiscard]] std::uint64_t load(std::size_t gpu, cpu_va a) {
    std::uint64_t value = ~std::uint64_t{0};
    CHECK(w.gpu_load(w.first(), gpu, a, std::as_writable_bytes(std::span{&value, 1})) == errc::ok);
    return value;
  }
  void store(std::size_t gpu, cpu_va a, std::uint64_t value) {
    REQUIRE(w.gpu_store(w.first(), gpu, a, std::as_bytes(std::span{&value, 1})) == errc::ok);
  }
  /// The pages of the block that a GPU's page table leads to in its own memory, while the CPU has them in the system's.
  [[nodiscard]] page_mask copies(std::size_t gpu) {
    page_mask there;
    w.first().views[gpu]->device.for_each_mapping(span(base, block_bytes), [&](auto const& m) {
      pte const e = w.process.entry_at(m.at);
      if (!w.frames.is_device(m.target) || e.what != pte::state::present) return;
      CHECK(!m.writable);
      CHECK(w.frames.gpu_of(m.target) == gpu);
      there.set(static_cast<unsigned>(m.at.value % block_bytes / page_bytes));
    });
    return there;
  }
  [[nodiscard]] std::uint64_t used(std::size_t gpu) { return w.gpu_card(gpu).memory.used().value / page_bytes; }
};

}  // namespace

TEST_SUITE("driver/duplication") {
  TEST_CASE("DUP-01 two GPUs that read a page have a copy each, and the page stays in system memory") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    for (std::size_t const gpu : {0u, 1u}) {
      CHECK(s.load(gpu, page_of(0, 3)) == 7);
      CHECK(s.copies(gpu) == one(3));
      CHECK(s.used(gpu) == 1);
    }
    CHECK(s.copies(0) == one(3));  // the second GPU's fault left it
    CHECK(s.w.cpu_read(page_of(0, 3)) == 7);
    CHECK(on_device(s.w, 0).none());
    for (std::size_t const gpu : {0u, 1u}) CHECK(service_of(s.w, gpu).counts().pages_duplicated == 1);
    CHECK(copied(s.w, migration_cause::gpu_fault) == 2);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-02 a write by the CPU takes all copies first, and readers then see it") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    for (std::size_t const gpu : {0u, 1u}) CHECK(s.load(gpu, page_of(0, 3)) == 7);
    REQUIRE(s.w.cpu_write(page_of(0, 3), 8) == sys::ok);
    for (std::size_t const gpu : {0u, 1u}) {
      CHECK(s.copies(gpu).none());
      CHECK(s.used(gpu) == 0);
    }
    CHECK(s.w.complaint() == "");
    for (std::size_t const gpu : {0u, 1u}) CHECK(s.load(gpu, page_of(0, 3)) == 8);
    CHECK(s.copies(0) == one(3));
  }

  TEST_CASE("DUP-03 a GPU that writes has the page itself, and no copy is left") {
    for (std::size_t const writer : {0u, 1u}) {
      scene s;
      REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
      CHECK(s.load(0, page_of(0, 3)) == 7);
      CHECK(s.load(1, page_of(0, 3)) == 7);
      s.store(writer, page_of(0, 3), 9);
      CHECK(on_device(s.w, 0) == one(3));
      CHECK(s.used(0) + s.used(1) == 1);
      CHECK(s.w.complaint() == "");
      // The other one reads it: it comes to system memory, and a copy is made of it.
      CHECK(s.load(1 - writer, page_of(0, 3)) == 9);
      CHECK(on_device(s.w, 0).none());
      CHECK(s.copies(1 - writer) == one(3));
      CHECK(s.load(writer, page_of(0, 3)) == 9);
      CHECK(s.copies(writer) == one(3));
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE(
      "DUP-04 copies of one group come with a fault, in one job for each run, and move no page that is not there") {
    scene s;
    for (unsigned const p : {2u, 3u, 7u, 20u}) REQUIRE(s.w.cpu_write(page_of(0, p), p) == sys::ok);
    REQUIRE(serve(s.w, page_of(0, 3)) == errc::ok);
    CHECK(s.copies(0) == (pages(2, 4) | one(7)));
    CHECK(copied(s.w, migration_cause::gpu_fault) == 1);
    CHECK(copied(s.w, migration_cause::prefetch) == 2);
    for (unsigned const p : {2u, 3u, 7u, 20u}) CHECK(s.load(0, page_of(0, p)) == p);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-05 whatever changes the memory takes the copies with it") {
    struct way {
      char const* name;
      std::function<void(scene&)> change;
      bool is_there;
    };
    auto const whole = [](scene& s) { return s.w.process.munmap(base, {block_bytes}); };
    for (way const& change : std::initializer_list<way>{
             {"munmap", [&](scene& s) { REQUIRE(whole(s) == sys::ok); }, false},
             {"dontneed",
              [](scene& s) { REQUIRE(s.w.process.madvise_dontneed(page_of(0, 3), {page_bytes}) == sys::ok); }, true},
             {"fork", [](scene& s) { s.w.fork(s.w.first()); }, true},
             {"swap", [](scene& s) { REQUIRE(s.w.process.swap_out(page_of(0, 3))); }, true},
             {"mprotect",
              [](scene& s) {
                REQUIRE(s.w.process.mprotect(base, {block_bytes}, svm::mock::protection::read) == sys::ok);
              },
              true},
             {"the end of the advice", [](scene& s) { s.duplicate(0, false), s.duplicate(1, false); }, true},
             {"a migration",
              [](scene& s) {
                REQUIRE(s.w.driver.prefetch(span(page_of(0, 3), page_bytes), svm::prefetch_place::device) == errc::ok);
              },
              true},
             {"exit", [](scene& s) { s.w.exit(s.w.first()); }, false},
         }) {
      INFO(change.name);
      scene s;
      REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
      for (std::size_t const gpu : {0u, 1u}) CHECK(s.load(gpu, page_of(0, 3)) == 7);
      change.change(s);
      for (std::size_t const gpu : {0u, 1u}) CHECK(s.copies(gpu).none());
      CHECK(s.used(1) == 0);
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DUP-06 a page that a fork shares is copied too, and is told of once it is written") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    auto& child = s.w.fork(s.w.first());
    CHECK(s.load(0, page_of(0, 3)) == 7);
    CHECK(s.copies(0) == one(3));
    s.w.exit(child);
    CHECK(s.copies(0) == one(3));
    CHECK(s.w.complaint() == "");
    REQUIRE(s.w.cpu_write(page_of(0, 3), 8) == sys::ok);
    CHECK(s.copies(0).none());
    CHECK(s.load(0, page_of(0, 3)) == 8);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-07 a page that others hold is read where it is") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    auto const pinned = s.w.process.pin_for_long(page_of(0, 3));
    REQUIRE(pinned);
    CHECK(s.load(0, page_of(0, 3)) == 7);
    CHECK(s.copies(0).none());
    CHECK(mapped(s.w, 0) == one(3));
    CHECK(s.used(0) == 0);
    s.w.process.unpin(*pinned);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-07 a page that one GPU reaches from afar is copied for another, and both readers see a write") {
    scene s{page_bytes};
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    s.store(1, page_of(0, 120), 1);  // the second GPU's memory is full
    CHECK(s.load(1, page_of(0, 3)) == 7);
    CHECK(s.copies(1).none());
    CHECK(s.load(0, page_of(0, 3)) == 7);
    CHECK(s.copies(0) == one(3));
    CHECK(mapped(s.w, 0, 1) == (one(3) | one(120)));
    REQUIRE(s.w.cpu_write(page_of(0, 3), 8) == sys::ok);
    for (std::size_t const gpu : {0u, 1u}) CHECK(s.load(gpu, page_of(0, 3)) == 8);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-08 memory that was never written is read where it is") {
    scene s;
    REQUIRE(s.w.cpu_read(page_of(0, 3)) == 0);
    CHECK(s.load(0, page_of(0, 3)) == 0);
    CHECK(s.used(0) == 0);
    REQUIRE(s.w.cpu_write(page_of(0, 3), 5) == sys::ok);
    CHECK(s.load(0, page_of(0, 3)) == 5);
    CHECK(s.copies(0) == one(3));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-09 copies take free memory or that of older ones, and pages that move take it from them") {
    scene s{2 * page_bytes};
    for (unsigned const p : {0u, 40u, 80u, 120u}) REQUIRE(s.w.cpu_write(page_of(0, p), p + 1) == sys::ok);
    for (unsigned const p : {0u, 40u, 80u}) CHECK(s.load(0, page_of(0, p)) == p + 1);
    CHECK(s.copies(0) == (one(40) | one(80)));
    s.store(0, page_of(0, 120), 5);
    CHECK(on_device(s.w, 0) == one(120));
    CHECK(s.copies(0) == one(80));
    s.store(0, page_of(0, 0), 6);
    CHECK(on_device(s.w, 0) == (one(120) | one(0)));
    CHECK(s.copies(0).none());
    // Nothing is free, and a copy is not worth a victim: the page is read where it is.
    CHECK(s.load(0, page_of(0, 40)) == 41);
    CHECK(s.copies(0).none());
    CHECK(on_device(s.w, 0) == (one(120) | one(0)));
    CHECK(copied(s.w, migration_cause::eviction) == 0);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-09 a prefetch of a whole range takes the memory of copies") {
    world w{by_pages(chunk_of_two, [](svm::mock::machine_options& o) { o.chunks = {{chunk_of_two}, {page_bytes}}; })};
    w.map(block_bytes);
    for (unsigned const p : {40u, 80u}) REQUIRE(w.cpu_write(page_of(0, p), p) == sys::ok);
    REQUIRE(service_of(w).set_read_duplicated(span(page_of(0, 32), block_bytes / 2), true) == errc::ok);
    for (unsigned const p : {40u, 80u}) REQUIRE(w.gpu_read(page_of(0, p)) == p);
    CHECK(w.device_memory.available().value == 0);
    REQUIRE(w.driver.prefetch(span(base, chunk_of_two), svm::prefetch_place::device) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 2));
    CHECK(mapped(w, 0) == pages(0, 2));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("DUP-10 faults that do not fit together end, each with its page mapped") {
    scene s{page_bytes};
    for (unsigned const p : {0u, 40u, 80u}) REQUIRE(s.w.cpu_write(page_of(0, p), p + 1) == sys::ok);
    REQUIRE(serve(s.w, {page_of(0, 0), page_of(0, 40), page_of(0, 80)}) == errc::ok);
    CHECK(mapped(s.w, 0) == (one(0) | one(40) | one(80)));
    CHECK(s.copies(0).count() == 1);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-11 an unbind takes the copies of every process") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    CHECK(s.load(0, page_of(0, 3)) == 7);
    REQUIRE(s.w.gpu_card(0).mover.unbind() == errc::ok);
    CHECK(s.used(0) == 0);
    CHECK(s.copies(0).none());
    CHECK(s.load(0, page_of(0, 3)) == 7);  // where it is
    CHECK(s.copies(0).none());
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-11 a service that ends takes its copies, and leaves those of other GPUs") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    for (std::size_t const gpu : {0u, 1u}) CHECK(s.load(gpu, page_of(0, 3)) == 7);
    s.w.first().views[1]->blocks.reset();
    CHECK(s.used(1) == 0);
    CHECK(s.copies(1).none());
    CHECK(s.copies(0) == one(3));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-12 a limit on device memory counts copies") {
    world w{by_pages(64 * MiB, [](svm::mock::machine_options& o) {
      o.driver.limits.device_memory = {page_bytes};
      o.placement->prefetch = prefetch_mode::off;
    })};
    w.map(block_bytes);
    REQUIRE(service_of(w).set_read_duplicated(span(base, block_bytes), true) == errc::ok);
    for (unsigned const p : {0u, 40u}) {
      REQUIRE(w.cpu_write(page_of(0, p), p + 1) == sys::ok);
      REQUIRE(serve(w, page_of(0, p)) == errc::ok);
    }
    CHECK(w.device_memory.used().value == page_bytes);
    CHECK(mapped(w, 0).test(40));
    // A charge for what was not there is taken back.
    REQUIRE(w.process.madvise_dontneed(base, {block_bytes}) == sys::ok);
    CHECK(w.device_memory.used().value == 0);
    REQUIRE(w.cpu_write(page_of(0, 0), 1) == sys::ok);
    w.failures.arm(failure::populate, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    CHECK(w.device_memory.used().value == 0);
    REQUIRE(w.cpu_write(page_of(0, 80), 1) == sys::ok);
    REQUIRE(serve(w, page_of(0, 80)) == errc::ok);
    CHECK(w.device_memory.used().value == page_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("DUP-13 a copy that fails leaves its page readable where it is, and nothing behind") {
    for (auto const what : {svm::mock::failure::copy, svm::mock::failure::dma_map, svm::mock::failure::populate,
                            svm::mock::failure::page_list}) {
      scene s;
      REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
      s.w.failures.arm(what, 1);
      REQUIRE(serve(s.w, page_of(0, 3)) == errc::ok);
      s.w.failures.disarm();
      CHECK(s.copies(0).none());
      CHECK(mapped(s.w, 0) == one(3));
      CHECK(s.used(0) == 0);
      CHECK(s.load(0, page_of(0, 3)) == 7);
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DUP-14 a write beside the making of a copy is not lost to the reader") {
    scene s;
    REQUIRE(s.w.cpu_write(page_of(0, 3), 7) == sys::ok);
    bool written = false;
    s.w.hooks.hook = [&](step at) {
      if (at != svm::mock::step::copying || std::exchange(written, true)) return;
      CHECK(s.w.cpu_write(page_of(0, 3), 8) == sys::ok);
    };
    CHECK(s.load(0, page_of(0, 3)) == 8);
    s.w.hooks.hook = nullptr;
    CHECK(written);
    CHECK(s.copies(0) == one(3));
    CHECK(copied(s.w, migration_cause::gpu_fault) == 2);  // the first job was in vain
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE(
      "DUP-15 any failure at any step of a service that makes copies leaves nothing behind, and the page readable") {
    auto const o = by_pages(2 * page_bytes, [](svm::mock::machine_options&) {});
    for (auto const kind : {failure::alloc, failure::dma_map, failure::copy, failure::populate, failure::page_list,
                            failure::device_map, failure::notifier}) {
      fail_each(
          o, kind, {errc::no_memory, errc::dma_map_failed, errc::registration_failed},
          [](world& w) {
            w.map(block_bytes);
            for (unsigned const p : {0u, 1u, 40u}) REQUIRE(w.cpu_write(page_of(0, p), p + 1) == sys::ok);
            REQUIRE(service_of(w).set_read_duplicated(span(base, block_bytes), true) == errc::ok);
          },
          [](world& w) {
            return serve(w, {page_of(0, 0), page_of(0, 1), page_of(0, 40)});
          },
          [](world& w) {
            for (unsigned const p : {0u, 1u, 40u})
              if (w.cpu_read(page_of(0, p)) != p + 1) return false;
            return on_device(w, 0).none();
          });
    }
  }

  TEST_CASE("DUP-16 each of two processes has copies, and memory that one needs is taken from the other's") {
    world w{by_pages(page_bytes)};
    w.map(block_bytes);
    REQUIRE(w.cpu_write(page_of(0, 3), 7) == sys::ok);
    auto& child = w.fork(w.first());
    auto& of_child = *child.views[0]->blocks;
    REQUIRE(of_child.set_read_duplicated(span(base, block_bytes), true) == errc::ok);
    std::vector<block_fault> fault{{.at = page_of(0, 3)}};
    REQUIRE(of_child.serve(fault) == errc::ok);
    CHECK(of_child.counts().pages_duplicated == 1);
    CHECK(w.device_memory.used().value == page_bytes);
    REQUIRE(serve(w, page_of(0, 5), access_kind::atomic) == errc::ok);
    CHECK(on_device(w, 0) == one(5));
    CHECK_FALSE(child.views[0]->device.has_mappings());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("DUP-17 of a span that is duplicated a write moves the written page alone, with whole ranges too") {
    for (auto const prefetch : {prefetch_mode::off, prefetch_mode::density}) {
      world w{by_pages(64 * MiB, [&](svm::mock::machine_options& o) { o.placement->prefetch = prefetch; })};
      w.map(block_bytes);
      REQUIRE(service_of(w).set_read_duplicated(span(base, block_bytes), true) == errc::ok);
      w.cpu_tag(base, block_bytes, 1);
      REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
      CHECK(mapped(w, 0) == pages(0, 16));
      REQUIRE(serve(w, page_of(0, 3), access_kind::write) == errc::ok);
      CHECK(on_device(w, 0) == one(3));
      CHECK(mapped(w, 0) == pages(0, 16));  // the copies beside it stay
      CHECK(w.gpu_tags_until(base, block_bytes, 1) == block_bytes);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE(
      "DUP-18 what reads a span in copies is not brought by counters, by a stream, or when it is said to be accessed") {
    world w{by_pages(64 * MiB,
                     [](svm::mock::machine_options& o) { o.placement->counters = svm::placement::counter_mode::on; })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    auto& service = service_of(w);
    REQUIRE(service.set_read_duplicated(span(base, block_bytes), true) == errc::ok);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    std::vector<svm::counter_notice> told{{.address = page_of(0, 3), .sub_regions = 1}};
    REQUIRE(service.serve_notices(told) == errc::ok);
    CHECK(told[0].is_cleared);
    REQUIRE(service.set_accessed_by(span(base, block_bytes), true) == errc::ok);
    CHECK(mapped(w, 0).none());  // advice takes what is mapped, and this device is mapped to its own copies alone
    CHECK(on_device(w, 0).none());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("DUP-19 a read that finds its page in a peer's memory brings it to system memory, where both are copied") {
    scene s{64 * MiB, true};
    s.store(1, page_of(0, 3), 7);
    CHECK(on_device(s.w, 0) == one(3));
    CHECK(s.load(0, page_of(0, 3)) == 7);
    CHECK(on_device(s.w, 0).none());
    CHECK(s.copies(0) == one(3));
    CHECK(copied(s.w, migration_cause::advice) == 1);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DUP-24 a page that is pinned to where it is is read in copies all the same") {
    world w{by_pages(64 * MiB,
                     [](svm::mock::machine_options& o) { o.placement->thrash = svm::placement::thrash_mode::on; })};
    w.map(block_bytes);
    auto& service = service_of(w);
    for (int n = 0; n < 200 && !service.next_end(); ++n) {
      REQUIRE(w.gpu_write(page_of(0, 3), 7) == errc::ok);
      REQUIRE(w.cpu_read(page_of(0, 3)) == 7);
    }
    REQUIRE(service.next_end());
    REQUIRE(service.set_read_duplicated(span(base, block_bytes), true) == errc::ok);
    REQUIRE(w.gpu_read(page_of(0, 3)) == 7u);
    CHECK(service.counts().pages_duplicated >= 1);
    CHECK(on_device(w, 0).none());
    w.clock.pass_to(*service.next_end());
    service.end_due_pins();
    CHECK(w.complaint() == "");
    REQUIRE(w.cpu_write(page_of(0, 3), 8) == sys::ok);
    CHECK(w.gpu_read(page_of(0, 3)) == 8u);
    CHECK(w.complaint() == "");
  }
}
