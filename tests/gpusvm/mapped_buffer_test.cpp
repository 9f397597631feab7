// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/mapped_buffer.hpp>

#include <cstdint>
#include <memory>
#include <optional>

#include <mock/processes.hpp>

using namespace support;
using svm::event_kind;
using svm::invalidation_cause;
using svm::page_flag;

namespace {

using buffer = svm::mapped_buffer<policies>;

/// A buffer of a span, on a GPU page table that nobody else uses, so that the machine's checks of ranges leave it alone.
struct user_memory {
  world& w;
  std::size_t gpu;
  machine::gpu_type device{w.frames, w.gpu_card(gpu).dma, w.broken, w.hooks};
  svm::environment<policies> env{w.process, device, w.gpu_card(gpu).memory, w.memory, w.clock, w.stats};
  buffer memory;

  user_memory(world& home, va_range span, std::size_t n = 0) : w(home), gpu(n), memory(env, span) {}
  ~user_memory() {
    memory.close();
    if (opened_) --w.first().other_notifiers;
  }

  [[nodiscard]] errc open() {
    errc const e = memory.open();
    if (e == errc::ok) {
      ++w.first().other_notifiers;
      opened_ = true;
    }
    return e;
  }
  [[nodiscard]] errc use(svm::page_options const& wanted = {}) {
    errc const e = memory.get_pages(wanted);
    return e == errc::ok ? memory.bind() : e;
  }
  [[nodiscard]] std::optional<std::uint64_t> read(cpu_va a) {
    std::byte word[8];
    if (!device.load(a, word)) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }
  [[nodiscard]] bool write(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return device.store(a, word);
  }
  [[nodiscard]] bool is_mapped() const { return memory.mapping().has(page_flag::mapped); }

 private:
  bool opened_ = false;
};

svm::mock::machine_options system_only(unsigned gpus = 1) {
  return small_chunks(MiB, [&](auto& o) {
    o.driver.migrate = svm::migration_mode::never;
    o.gpus = gpus;
  });
}

}  // namespace

TEST_SUITE("gpusvm/mapped_buffer") {
  TEST_CASE("before it is open nothing works, and it opens once") {
    world w{system_only()};
    w.map(chunk);
    user_memory u{w, span(base, chunk)};
    CHECK(u.memory.get_pages({}) == errc::gone);
    CHECK(u.memory.bind() == errc::gone);
    u.memory.unmap_pages();
    u.memory.close();
    CHECK(u.open() == errc::ok);
    CHECK(u.memory.open() == errc::exists);
    CHECK(u.memory.bind() == errc::retry);  // no pages yet
    CHECK(w.process.watchers().registered() == 1);
    CHECK(u.memory.interval() == span(base, chunk));
  }

  TEST_CASE("a span that is not aligned, a registration that fails and a process that exited are refused whole") {
    world w{system_only()};
    w.map(chunk);
    user_memory odd{w, span(at(8), page_bytes)};
    CHECK(odd.open() == errc::misaligned);
    user_memory odd_size{w, span(base, 100)};
    CHECK(odd_size.open() == errc::misaligned);
    user_memory u{w, span(base, chunk)};
    w.failures.arm(failure::notifier, 1);
    CHECK(u.open() == errc::registration_failed);
    CHECK(u.memory.get_pages({}) == errc::gone);
    REQUIRE(u.open() == errc::ok);
    REQUIRE(u.use() == errc::ok);
    w.exit(w.first());
    CHECK_FALSE(u.is_mapped());
    CHECK(u.memory.get_pages({}) == errc::mm_gone);
    user_memory late{w, span(base, chunk)};
    CHECK(late.open() == errc::mm_gone);
  }

  TEST_CASE("it is read and written across several VMAs, with what the CPU has") {
    world w{system_only()};
    w.map(chunk);
    w.map(chunk, at(chunk), protection::read_write, mapping_kind::shared);
    w.map(chunk, at(2 * chunk), protection::read_write, mapping_kind::file);
    w.cpu_tag(base, 3 * chunk, 1);
    {
      user_memory u{w, span(base, 3 * chunk)};
      REQUIRE(u.open() == errc::ok);
      REQUIRE(u.use() == errc::ok);
      for (std::uint64_t n : {0u, 16u, 47u}) CHECK(u.read(page_at(n)) == n + 1);
      CHECK(u.write(page_at(20), 99));
      CHECK(w.cpu_read(page_at(20)) == 99u);
      CHECK(w.dma.live() == 3 * chunk_pages);
      REQUIRE(u.use() == errc::ok);  // found so
      CHECK(w.dma.live() == 3 * chunk_pages);
    }
    CHECK(w.dma.live() == 0);
  }

  TEST_CASE("an event ends it before the pages go, whatever the event is and wherever it meets it") {
    world w{system_only()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    user_memory u{w, span(base, chunk)};
    REQUIRE(u.open() == errc::ok);
    for (auto const cause : {invalidation_cause::unmap, invalidation_cause::clear, invalidation_cause::protection,
                             invalidation_cause::migrate, invalidation_cause::release}) {
      REQUIRE(u.use() == errc::ok);
      REQUIRE(u.read(base) == 1u);
      std::uint64_t const flushes = u.device.tlb_flushes();
      CHECK(w.process.watchers().invalidate({span(page_at(3), page_bytes), cause}, [&] {
        CHECK_FALSE(u.is_mapped());
        CHECK_FALSE(u.read(base));
        CHECK(w.dma.live() == 0);
      }));
      CHECK(u.device.tlb_flushes() == flushes + 1);
      CHECK(u.memory.bind() == errc::retry);
    }
    REQUIRE(u.use() == errc::ok);
    CHECK(w.process.invalidate_only({span(at(chunk), chunk), invalidation_cause::clear}));  // beside it
    CHECK(u.is_mapped());
  }

  TEST_CASE("an event that may not wait is refused while the buffer is busy, and changes nothing") {
    world w{system_only()};
    w.map(chunk);
    user_memory u{w, span(base, chunk)};
    REQUIRE(u.open() == errc::ok);
    REQUIRE(u.use() == errc::ok);
    bool refused = false;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != event_kind::invalidated || refused) return;
      refused = !w.process.invalidate_only({span(base, chunk), invalidation_cause::clear, svm::nobody, false});
      CHECK(u.is_mapped());
    };
    CHECK(w.process.invalidate_only({span(base, chunk), invalidation_cause::clear}));
    w.stats.listener = nullptr;
    CHECK(refused);
    CHECK_FALSE(u.is_mapped());
    REQUIRE(u.use() == errc::ok);
    CHECK(w.process.invalidate_only({span(base, chunk), invalidation_cause::clear, svm::nobody, false}));
    CHECK_FALSE(u.is_mapped());
  }

  TEST_CASE("what was unmapped is an error until something is mapped there, and then the new memory is met") {
    world w{system_only()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    user_memory u{w, span(base, 2 * chunk)};
    REQUIRE(u.open() == errc::ok);
    REQUIRE(u.use() == errc::ok);
    REQUIRE(w.process.munmap(at(chunk), {chunk}) == sys::ok);
    CHECK_FALSE(u.is_mapped());
    CHECK(u.memory.get_pages({}) == errc::no_vma);
    CHECK_FALSE(u.is_mapped());
    CHECK(w.dma.live() == 0);
    w.map(chunk, at(chunk));
    REQUIRE(w.cpu_write(at(chunk), 77) == sys::ok);
    REQUIRE(u.use() == errc::ok);
    CHECK(u.read(at(chunk)) == 77u);
    CHECK(u.read(base) == 1u);
  }

  TEST_CASE(
      "memory that may only be read serves who only reads, and nobody writes through that mapping (defect D12, erratum "
      "3.1.12)") {
    world w{system_only()};
    w.map(chunk, base, protection::read);
    user_memory u{w, span(base, chunk)};
    REQUIRE(u.open() == errc::ok);
    CHECK(u.use() == errc::read_only);
    REQUIRE(u.use({.read_only = true}) == errc::ok);
    CHECK(u.read(base) == 0u);
    CHECK_FALSE(u.write(base, 1));
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read_write) == sys::ok);
    REQUIRE(u.use({.read_only = true}) == errc::ok);
    REQUIRE(u.use() == errc::ok);  // the one that is read-only does not serve: it is made anew
    CHECK(u.write(base, 5));
    CHECK(w.cpu_read(base) == 5u);
    CHECK(w.process.mprotect(base, {chunk}, protection::none) == sys::ok);
    CHECK(u.memory.get_pages({.read_only = true}) == errc::no_access);
  }

  TEST_CASE("without room or a DMA address it fails whole, at whichever step") {
    for (auto const& [kind, said] : {std::pair{failure::alloc, errc::no_memory}, std::pair{failure::ram, errc::no_ram},
                                     std::pair{failure::dma_map, errc::dma_map_failed}}) {
      std::uint64_t k = 1;
      for (;; ++k) {
        REQUIRE(k < 200);
        world w{system_only()};
        w.map(chunk);
        user_memory u{w, span(base, chunk)};
        REQUIRE(u.open() == errc::ok);
        w.failures.arm(kind, k);
        errc const e = u.use();
        bool const struck = w.failures.struck() != 0;
        w.failures.disarm();
        CHECK(e == (struck ? said : errc::ok));
        CHECK(w.dma.live() == (struck ? 0 : chunk_pages));
        CHECK(u.is_mapped() == !struck);
        CHECK(u.use() == errc::ok);
        if (!struck) break;
      }
      CHECK(k >
            (kind == failure::alloc ? 1u : chunk_pages));  // the walk's runs fit the stack, the blocks need an array
    }
  }

  TEST_CASE("two devices on one span have a mapping each, and an event ends both before it returns (MGP-05)") {
    world w{system_only(2)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    user_memory a{w, span(base, chunk), 0};
    user_memory b{w, span(base, chunk), 1};
    REQUIRE((a.open() == errc::ok && b.open() == errc::ok));
    REQUIRE((a.use() == errc::ok && b.use() == errc::ok));
    CHECK(a.read(page_at(2)) == 3u);
    CHECK(a.write(page_at(2), 33));
    CHECK(b.read(page_at(2)) == 33u);
    CHECK(w.gpu_card(0).dma.live() == chunk_pages);
    CHECK(w.gpu_card(1).dma.live() == chunk_pages);
    b.memory.unmap_pages();
    CHECK(a.is_mapped());
    CHECK(w.gpu_card(1).dma.live() == 0);
    REQUIRE(b.use() == errc::ok);
    CHECK(w.process.watchers().invalidate({span(base, chunk), invalidation_cause::clear}, [&] {
      CHECK_FALSE((a.read(base) || b.read(base)));
      CHECK(w.gpu_card(0).dma.live() + w.gpu_card(1).dma.live() == 0);
    }));
  }

  TEST_CASE("device pages of a GPU that is out of reach come back first; who is no device's brings back all") {
    for (bool const linked : {true, false}) {
      world w{small_chunks(MiB, [&](auto& o) {
        o.gpus = 2;
        o.linked = linked;
      })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::ok);
      user_memory u{w, span(base, chunk), 0};
      REQUIRE(u.open() == errc::ok);
      REQUIRE(u.use() == errc::ok);
      CHECK(u.memory.mapping().has(page_flag::peer) == linked);
      CHECK(w.device_pages(base, chunk) == (linked ? chunk_pages : 0));
      CHECK(u.read(page_at(5)) == 6u);
      u.memory.unmap_pages();
      CHECK(w.gpu_card(1).memory.peer_maps() == 0);
      REQUIRE(u.use({.owner = &svm::nobody}) == errc::ok);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(u.memory.mapping().has(page_flag::system));
      CHECK(u.read(page_at(5)) == 6u);
    }
  }
}
