// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/impl/dump.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <mock/processes.hpp>
#include <support/world.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::lock_rank;

namespace {

svm::mock::machine_options small_window(svm::migration_mode mode, unsigned gpus = 1) {
  return options([&](auto& o) {
    o.gpus = gpus;
    o.joins_pages = true;
    o.window = span(base, 4 * MiB);
    o.notifier_size = {2 * MiB};
    o.chunks = {{64 * KiB}, {4 * KiB}};
    o.driver.migrate = mode;
  });
}

/// A target on the mm whose sequence is that of every notifier that the same last event met.
struct sequence_of final : svm::invalidation_target {
  sequence_of(world& home, va_range where) : w(home) {
    REQUIRE(w.process.register_notifier(registration, where, *this) == errc::ok);
  }
  ~sequence_of() { w.process.unregister_notifier(registration); }
  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const&, std::uint64_t s) noexcept override {
    w.process.set_sequence(registration, s);
    return svm::invalidation_answer::done;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {}
  [[nodiscard]] std::string text() { return std::to_string(w.process.read_begin(registration)); }

  world& w;
  policies::mm::registration registration;
};

[[nodiscard]] std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}
/// What `what.dump` prints.
template <class What>
[[nodiscard]] std::string dumped(What& what) {
  std::string all;
  what.dump([&](std::string_view line) { all += line; });
  return all;
}
[[nodiscard]] std::string dumped(world& w, cpu_va a) {
  svm::range_ref<policies> const r = w.range_at(a);
  REQUIRE(r);
  return dumped(*r);
}
/// Where the device reaches the first page of a range.
[[nodiscard]] std::string first_address(world& w, cpu_va a) {
  return hex(w.range_at(a)->mapping().blocks_locked()[0].address.value);
}

}  // namespace

TEST_SUITE("gpusvm/dump") {
  TEST_CASE("a dump has the window, the notifiers with their sequences, and the ranges with what is mapped, in order") {
    world w{small_window(svm::migration_mode::never)};
    std::string const first = "gpusvm 0x100000000-0x1003fffff, chunks 0x10000 0x1000, notifiers of 0x200000: ";
    CHECK(dumped(w.driver.svm()) == first + "0\n");

    sequence_of low{w, span(base, 2 * MiB)};
    sequence_of high{w, span(at(2 * MiB), 2 * MiB)};
    w.map(2 * page_bytes, at(MiB));
    w.map(page_bytes, at(2 * MiB), protection::read);
    for (std::uint64_t const offset : {2 * MiB, MiB + page_bytes, std::uint64_t{MiB}})
      REQUIRE(w.fault(at(offset), offset == 2 * MiB ? access_kind::read : access_kind::write) == errc::ok);
    REQUIRE(w.process.invalidate_only({span(at(MiB), page_bytes), invalidation_cause::clear}));
    REQUIRE(w.process.invalidate_only({span(at(3 * MiB), page_bytes), invalidation_cause::clear}));
    REQUIRE(low.text() != high.text());

    std::uint64_t const blocks = w.memory.total_blocks();
    std::string const all = dumped(w.driver.svm());
    CHECK(w.memory.total_blocks() == blocks);
    CHECK(all == first + "2\n" +                                                                       //
                     "  notifier 0x100000000-0x1001fffff, sequence " + low.text() + ", ranges: 2\n" +  //
                     "    range 0x100100000-0x100100fff, references 1\n"
                     "      mapping: not mapped\n"
                     "    range 0x100101000-0x100101fff, references 1\n"
                     "      mapping: mapped, system, bound to read write atomic\n"
                     "        0x100101000-0x100101fff system at " +
                     first_address(w, at(MiB + page_bytes)) +
                     "\n"
                     "  notifier 0x100200000-0x1003fffff, sequence " +
                     high.text() +
                     ", ranges: 1\n"
                     "    range 0x100200000-0x100200fff, references 1\n"
                     "      mapping: mapped, system, read_only, bound to read\n"
                     "        0x100200000-0x100200fff system at " +
                     first_address(w, at(2 * MiB)) + ", to_device\n");
    w.driver.svm().close();
    CHECK(dumped(w.driver.svm()) ==
          "gpusvm 0x100000000-0x1003fffff, chunks 0x10000 0x1000, closed, notifiers of 0x200000: 0\n");
  }

  TEST_CASE("each block of a range has a line, and they add up to the range") {
    world w{options([](auto& o) {
      o.chunks = {{16 * KiB}, {4 * KiB}};
      o.driver.migrate = svm::migration_mode::never;
    })};
    w.map(16 * KiB);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    auto const blocks = w.range_at(base)->mapping().blocks_locked();
    REQUIRE(blocks.size() == 4);
    std::string expected =
        "    range 0x100000000-0x100003fff, references 2\n"
        "      mapping: mapped, system, bound to read write atomic\n";
    for (std::uint64_t i = 0; i < 4; ++i)
      expected += "        " + hex(base.value + i * 0x1000) + "-" + hex(base.value + i * 0x1000 + 0xfff) +
                  " system at " + hex(blocks[i].address.value) + "\n";
    CHECK(dumped(w, base) == expected);
  }

  TEST_CASE("the dump of a range says what became of it") {
    world w{small_window(svm::migration_mode::never)};
    w.map(64 * KiB);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    svm::range_ref<policies> const r = w.range_at(base);
    w.driver.svm().for_each_notifier(world::everything, [&](svm::notifier<policies>& n) {
      svm::exclusive_guard const guard{n.lock()};
      n.invalidate_pages_locked(*r);
    });
    CHECK(dumped(*r) ==
          "    range 0x100000000-0x10000ffff, references 2\n"
          "      mapping: mapped, invalid, system\n"
          "        0x100000000-0x10000ffff system at " +
              first_address(w, base) + "\n");
    REQUIRE(w.process.munmap(base, {page_bytes}) == sys::ok);
    CHECK(dumped(*r) ==
          "    range 0x100000000-0x10000ffff, references 3, unmapped in part\n"
          "      mapping: not mapped\n");
    w.driver.collect_garbage();
    CHECK(dumped(*r) ==
          "    range 0x100000000-0x10000ffff, references 1, unmapped in part, removed\n"
          "      mapping: not mapped\n");
  }

  TEST_CASE("device memory is told from that of a peer") {
    for (bool const peer : {false, true}) {
      CAPTURE(peer);
      world w{small_window(peer ? svm::migration_mode::never : svm::migration_mode::required, 2)};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      if (peer) REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, 64 * KiB), {}) == errc::ok);
      REQUIRE(w.fault(base, access_kind::write) == errc::ok);
      std::string const found = dumped(w, base);
      CHECK(found.substr(0, found.find('\n')) == (peer
                                                      ? "    range 0x100000000-0x10000ffff, references 2"
                                                      : "    range 0x100000000-0x10000ffff, references 2, migratable"));
      CHECK(found.substr(found.find('\n') + 1) ==
            std::string{peer ? "      mapping: mapped, device, peer, bound to read write atomic\n"
                             : "      mapping: mapped, device, bound to read write atomic\n"} +
                "        0x100000000-0x10000ffff " + (peer ? "peer" : "local") + " at " + first_address(w, base) +
                "\n");
    }
  }

  TEST_CASE("the mapping of another device names the device") {
    world w{small_window(svm::migration_mode::never, 2)};
    w.map(64 * KiB);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    machine::gpu_type device{w.frames, w.gpu_card(1).dma, w.broken, w.hooks};
    svm::environment<policies> env{w.process, device, w.gpu_card(1).memory, w.memory, w.clock, w.stats};
    svm::device_mapping<policies> mapping{env};
    {
      auto held = w.driver.svm().lock_range(w.range_at(base));
      REQUIRE(w.driver.svm().attach(held, mapping) == errc::ok);
    }
    CHECK(dumped(w, base) ==
          "    range 0x100000000-0x10000ffff, references 2\n"
          "      mapping: mapped, system, bound to read write atomic\n"
          "        0x100000000-0x10000ffff system at " +
              first_address(w, base) + "\n      mapping of device " + hex(reinterpret_cast<std::uintptr_t>(&device)) +
              ": not mapped\n");
    auto held = w.driver.svm().lock_range(w.range_at(base));
    w.driver.svm().detach(held, mapping);
  }

  TEST_CASE(
      "the locks are held as the text says, a range's may be held too, and an event waits for none of them after") {
    world w{small_window(svm::migration_mode::never)};
    w.map(64 * KiB);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    auto held = w.driver.svm().lock_range(w.range_at(base));
    int lines = 0;
    held->dump([&](std::string_view) {
      CHECK(policies::lock::held().holds_rank_exclusive(lock_rank::notifier));
      ++lines;
    });
    CHECK(lines == 3);
    CHECK_FALSE(policies::lock::held().holds_rank(lock_rank::notifier));
    { auto const ended = std::move(held); }
    w.driver.svm().dump([&](std::string_view line) {
      CHECK(policies::lock::held().holds_rank(lock_rank::vm));
      CHECK(policies::lock::held().holds_rank(lock_rank::notifier) == (line.substr(0, 6) != "gpusvm"));
    });
    CHECK(policies::lock::held().depth() == 0);
    CHECK(w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear, svm::nobody, false}));
    CHECK(w.complaint() == "");
  }
}
