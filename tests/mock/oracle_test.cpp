// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every rule that the machine checks, broken on purpose once, and every leak that the closing audit looks for.

#include <algorithm>
#include <string>
#include <vector>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::device_address;
using svm::dma_direction;
using svm::interconnect;
using svm::mapping_access;
using svm::mock::page;

// An explicit instantiation may name private members, which is how a test gets at what no call could break.
template <auto Retired, auto Pages>
struct open_private {
  friend bool& retired(svm::notifier<policies>& n) { return n.*Retired; }
  friend svm::pages<policies>& pages_of(svm::range<policies>& r) { return r.*Pages; }
};
bool& retired(svm::notifier<policies>& n);
svm::pages<policies>& pages_of(svm::range<policies>& r);
template struct open_private<&svm::notifier<policies>::retired_, &svm::range<policies>::pages_>;

template <auto Count>
struct open_count {
  friend std::size_t& block_count(svm::pages<policies>& p) { return p.*Count; }
};
std::size_t& block_count(svm::pages<policies>& p);
template struct open_count<&svm::pages<policies>::count_>;

template <auto Allocations>
struct open_memory {
  friend auto& allocations(policies::pagemap& m) { return m.*Allocations; }
};
auto& allocations(policies::pagemap& m);
template struct open_memory<&policies::pagemap::allocations_>;

/// How many lines the machine has written about a rule since the last time.
std::size_t said(world& w, std::string const& rule) {
  std::size_t n = 0;
  for (auto* const from : {&w.broken, &svm::mock::lock_report()})
    for (std::string const& line : from->take()) n += line.starts_with(rule + ":") ? 1 : 0;
  return n;
}
/// The same for all rules that hold when nothing is under way.
std::size_t found(world& w, std::string const& rule) {
  w.check_quiet();
  return said(w, rule);
}
/// True when the closing audit says this.
bool audit_says(world& w, std::string const& text) {
  auto const lines = w.finish();
  CAPTURE(lines);
  return std::ranges::any_of(lines, [&](std::string const& line) { return line.find(text) != std::string::npos; });
}

device_address block(svm::dma_addr a, dma_direction way = dma_direction::bidirectional) {
  return {a, interconnect::system, {}, way};
}
/// Puts an entry into the GPU's page table behind the library's back.
void plant_entry(world& w, cpu_va a, device_address const& where, mapping_access how = mapping_access::read_write) {
  REQUIRE(w.device.prepare(span(a, page_bytes)) == errc::ok);
  w.device.commit(span(a, page_bytes), {&where, 1}, how);
}
void remove_entry(world& w, cpu_va a) {
  w.device.invalidate(span(a, page_bytes));
}

/// The entry's permission, which only an explicit instantiation reaches.
template <auto Table>
struct open_table {
  friend bool& writable(svm::mock::address_space<lock_policy>& process, cpu_va a) {
    return (process.*Table).at(a).writable;
  }
};
bool& writable(svm::mock::address_space<lock_policy>& process, cpu_va a);
template struct open_table<&svm::mock::address_space<lock_policy>::table_>;

/// Stands behind device pages, and cares for nothing.
struct freed_nowhere final : svm::device_page_owner<page> {
  freed_nowhere() : device_page_owner(kind) {}
  static constexpr family kind{};
  [[nodiscard]] svm::page_owner owner() const noexcept override { return {1, 0}; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override { return {}; }
  void page_freed(page, svm::page_order) noexcept override {}
  void page_split(page, svm::page_order, svm::page_order) noexcept override {}
};

struct silent_target : svm::invalidation_target {
  world* w = nullptr;
  svm::mock::address_space<lock_policy>::registration registration;
  int sequences = 1;
  svm::invalidation_answer answer = svm::invalidation_answer::done;

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const&,
                                                    std::uint64_t sequence) noexcept override {
    for (int i = 0; i < sequences; ++i) w->process.set_sequence(registration, sequence);
    return answer;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {}
};

}  // namespace

TEST_SUITE("mock/oracle") {
  TEST_CASE("O-01 a dead page under a GPU entry, at the bind, later, and at an access") {
    world w;
    w.map(page_bytes);
    plant_entry(w, base, block({0}));
    CHECK(said(w, "O-01") == 1);  // nothing is mapped at that DMA address
    auto const p = *w.process.allocate_page({});
    plant_entry(w, base, block(*w.dma.map(p, dma_direction::bidirectional)));
    w.process.discard_page(p);
    CHECK(said(w, "O-03") == 2);  // freed under the IOMMU, and under a GPU entry
    CHECK(found(w, "O-01") == 1);
    std::byte word[8];
    CHECK_FALSE(w.device.load(base, word));
    CHECK(said(w, "O-01") == 1);
    remove_entry(w, base);
    w.dma.unmap({0}, dma_direction::bidirectional);
    static_cast<void>(w.finish());
  }

  TEST_CASE("O-01 a TLB entry that outlives the page table's entry") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    w.device.plant_stale_entry(base);
    REQUIRE(w.cpu_read(base) == 1u);  // the page leaves the device
    CHECK(w.complaint() == "");
    w.device.spring_stale_entry();
    CHECK(found(w, "O-01") == 1);
    std::byte word[8];
    CHECK_FALSE(w.device.load(base, word));
    CHECK(said(w, "O-01") == 1);
    remove_entry(w, base);
  }

  TEST_CASE("O-02 a GPU entry that leads to another page than the CPU's") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const p = *w.process.allocate_page({});
    auto const a = *w.dma.map(p, dma_direction::bidirectional);
    plant_entry(w, base, block(a));
    CHECK(found(w, "O-02") == 1);
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::bidirectional);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-03 a dead page given to the IOMMU, a page freed under it, and a copy that meets one") {
    world w;
    auto const p = *w.process.allocate_page({});
    w.process.discard_page(p);
    auto const dead = *w.dma.map(p, dma_direction::to_device);
    CHECK(said(w, "O-03") == 1);
    auto memory = *w.device_memory.allocate({page_bytes});
    svm::device_page<page> to;
    REQUIRE(w.device_memory.pages(memory, {&to, 1}) == errc::ok);
    svm::copy_block<page> const job{block(dead, dma_direction::to_device), to.page};
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::copy_failed);
    CHECK(said(w, "O-03") == 1);
    w.dma.unmap(dead, dma_direction::to_device);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-05 a GPU entry that allows what the CPU may not do") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk, base, protection::read);
    REQUIRE(w.gpu_read(base) == 0u);
    CHECK(w.complaint() == "");
    auto const r = w.range_at(base);
    auto blocks = std::vector<device_address>(r->mapping().blocks_locked().begin(), r->mapping().blocks_locked().end());
    w.device.commit(r->interval(), blocks, mapping_access::read_write);
    CHECK(found(w, "O-05") == chunk_pages);
    w.device.commit(r->interval(), blocks, mapping_access::read_only);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-05 a page that two processes have, and one of them may write") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto& child = w.fork(w.first());
    writable(child.process, base) = true;
    CHECK(found(w, "O-05") == 1);
    writable(child.process, base) = false;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 a peer's memory that is mapped for no range, and device memory that is unmapped twice") {
    world w{options([](auto& o) { o.gpus = 2; })};
    auto memory = *w.device_memory.allocate({page_bytes});
    svm::device_page<page> p;
    REQUIRE(w.device_memory.pages(memory, {&p, 1}) == errc::ok);
    auto const peer = *w.device_memory.map(w.gpu_card(1).engine, p.page, {}, dma_direction::to_device);
    CHECK(found(w, "O-07") == 1);
    w.device_memory.unmap(w.gpu_card(1).engine, peer);
    CHECK(w.complaint() == "");
    w.device_memory.unmap(w.gpu_card(1).engine, peer);
    CHECK(said(w, "O-07") == 1);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 addresses that are given up with links, or linked where none are set aside") {
    world w{options([](auto& o) { o.iommu = svm::mock::iommu_mode::reserved; })};
    auto const p = *w.process.allocate_page({});
    auto const where = *w.dma.reserve({2 * page_bytes});
    CHECK(w.dma.link(where, {2 * page_bytes}, p, {}, dma_direction::to_device) == errc::dma_map_failed);
    CHECK(said(w, "O-07") == 1);
    REQUIRE(w.dma.link(where, {0}, p, {}, dma_direction::to_device) == errc::ok);
    CHECK(found(w, "O-07") == 1);
    w.dma.unmap(where, dma_direction::to_device);
    CHECK(said(w, "O-07") == 1);
    w.dma.release(where, {2 * page_bytes}, {0}, dma_direction::to_device);
    CHECK(said(w, "O-07") == 1);
    CHECK(w.dma.live() == 0);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 a DMA mapping that is ended twice, or with another direction, or that no range knows") {
    world w;
    auto const p = *w.process.allocate_page({});
    auto const a = *w.dma.map(p, dma_direction::to_device);
    CHECK(found(w, "O-07") == 1);
    w.dma.unmap(a, dma_direction::from_device);
    CHECK(said(w, "O-07") == 1);
    w.dma.unmap(a, dma_direction::to_device);
    CHECK(said(w, "O-07") == 1);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-08 a range that was unmapped and has pages") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    w.driver.svm().for_each_notifier(world::everything, [&](auto& n) {
      svm::exclusive_guard const guard{n.lock()};
      n.for_each_range_locked(n.interval(), [&](auto& r) { n.set_unmapped_locked(r, r.interval()); });
    });
    CHECK(found(w, "O-08") == 1);
    auto const r = w.range_at(base);
    auto held = w.driver.svm().hold(r);
    w.driver.svm().remove(std::move(held));
  }

  TEST_CASE("O-09 blocks that do not add up, of a bind and of a range") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const r = w.range_at(base);
    w.device.commit(r->interval(), r->mapping().blocks_locked().first(3), mapping_access::read_write);
    CHECK(said(w, "O-09") == 1);
    CHECK(w.complaint() == "");
    std::size_t& count = block_count(pages_of(*r));
    --count;
    CHECK(found(w, "O-09") == 1);
    ++count;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-10 a device access against the direction of its DMA mapping, or through none") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::to_device);
    plant_entry(w, base, block(a));
    std::byte word[8]{};
    CHECK(w.device.load(base, word));
    CHECK(said(w, "O-10") == 0);
    CHECK_FALSE(w.device.store(base, word));
    CHECK(said(w, "O-10") == 1);
    w.device.plant_stale_entry(base);
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::to_device);
    w.device.spring_stale_entry();
    CHECK_FALSE(w.device.load(base, word));
    CHECK(said(w, "O-10") == 1);
    remove_entry(w, base);
    static_cast<void>(w.broken.take());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-11 a page freed under the CPU's page table, and a device page with nothing behind it") {
    SUBCASE("freed") {
      world w;
      w.map(page_bytes);
      REQUIRE(w.cpu_write(base, 1) == sys::ok);
      w.process.pin(base, false);  // the page table's own reference
      CHECK(said(w, "O-11") == 1);
      CHECK(found(w, "O-11") == 2);  // the entry is dead, and the frame does not know it
      static_cast<void>(w.finish());
    }
    SUBCASE("an entry that the frame does not know") {
      world w;
      w.map(page_bytes);
      REQUIRE(w.cpu_write(base, 1) == sys::ok);
      auto& mappings = w.frames.of(w.process.entry_at(base).target).mappings;
      auto const right = std::exchange(mappings, {});
      CHECK(found(w, "O-11") == 1);
      mappings = right;
      CHECK(w.complaint() == "");
    }
    SUBCASE("outside every allocation") {
      world w{small_chunks()};
      w.map(chunk);
      REQUIRE(w.fault(base) == errc::ok);
      auto const right = std::exchange(allocations(w.device_memory), {});
      w.check_quiet();
      auto const lines = w.broken.take();
      CHECK(std::ranges::count(lines, "O-11: a device page is alive outside every allocation") == 1);
      CHECK(std::ranges::count(lines, "O-33: the device memory in use is not the sum of the allocations") == 1);
      allocations(w.device_memory) = right;
      CHECK(w.complaint() == "");
    }
    SUBCASE("nothing behind") {
      world w{small_chunks()};
      w.map(chunk);
      REQUIRE(w.fault(base) == errc::ok);
      auto& behind = w.frames.of(w.process.entry_at(base).target).behind;
      auto* const owner = std::exchange(behind, nullptr);
      w.check_quiet();
      auto const lines = w.broken.take();
      CHECK(std::ranges::any_of(lines, [](std::string const& line) {
        return line.starts_with("O-11: nothing stands behind the device page");
      }));
      behind = owner;
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("O-13 an empty copy job, and a source that a GPU may still write") {
    world w{small_chunks()};
    w.map(chunk);
    CHECK(w.device_memory.copy_to_system({}) == errc::ok);
    CHECK(said(w, "O-13") == 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto const p = *w.process.allocate_page({});
    svm::copy_block<page> const job{block(*w.dma.map(p, dma_direction::from_device), dma_direction::from_device),
                                    w.process.entry_at(base).target};
    CHECK(w.device_memory.copy_to_system({&job, 1}) == errc::ok);
    CHECK(said(w, "O-13") == 1);
    w.dma.unmap(job.remote.address, dma_direction::from_device);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-16 an index of ranges and notifiers that is not sound (with O-17 and O-18, which its check holds)") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    bool& flag = retired(w.range_at(base)->owner());
    flag = true;
    CHECK(found(w, "O-16") == 1);
    flag = false;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-19 a registered notifier that no index knows") {
    world w;
    silent_target target;
    target.w = &w;
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    CHECK(found(w, "O-19") == 1);
    w.process.unregister_notifier(target.registration);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-20 a GPU entry that no range has, and flags that contradict the blocks") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::bidirectional);
    plant_entry(w, base, block(a));
    CHECK(found(w, "O-20") == 1);
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::bidirectional);
    REQUIRE(w.fault(base) == errc::ok);
    auto const r = w.range_at(base);
    std::size_t& count = block_count(pages_of(*r));
    std::size_t const right = std::exchange(count, 0);
    CHECK(found(w, "O-20") == 1);
    count = right;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-22 an invalidation that is open when nothing should be under way") {
    world w;
    w.process.watchers().invalidate({span(base, chunk), svm::invalidation_cause::clear}, [&] { w.check_quiet(); });
    CHECK(said(w, "O-22") == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-23 a callback that sets the sequence not at all, or twice") {
    for (int const times : {0, 2}) {
      world w;
      silent_target target;
      target.w = &w;
      target.sequences = times;
      REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
      CHECK(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
      CHECK(said(w, "O-23") == 1);
      w.process.unregister_notifier(target.registration);
    }
  }

  TEST_CASE("O-27 a DMA mapping or a device page that goes while a GPU entry has it") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    w.device_memory.unmap(w.device, w.range_at(base)->mapping().blocks_locked()[0]);
    CHECK(said(w, "O-27") == 1);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::bidirectional);
    plant_entry(w, base, block(a));
    w.dma.unmap(a, dma_direction::bidirectional);
    CHECK(said(w, "O-27") == 1);
    static_cast<void>(w.finish());
  }

  TEST_CASE("O-27 a flush that was begun and never waited for, or waited for and never begun") {
    world w;
    w.device.begin_invalidate(span(base, page_bytes));
    CHECK(found(w, "O-27") == 1);
    w.device.finish_invalidate(span(base, page_bytes));
    CHECK(w.complaint() == "");
    w.device.finish_invalidate(span(base, page_bytes));
    CHECK(said(w, "O-27") == 1);
  }

  TEST_CASE("O-29 an allocation that counts more blocks than are alive") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const allocation = allocation_at(w, base);
    auto const p = w.process.entry_at(base).target;
    allocation->behind_pages().page_split(p, {1}, {0});
    CHECK(found(w, "O-29") == 1);
    allocation->behind_pages().page_freed(p, {});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-28 memory taken or given back in a callback, an event refused, a bind without preparation") {
    world w;
    w.map(page_bytes);
    lock_policy::shared_mutex<svm::lock_rank::notifier> notifier;
    notifier.lock();
    std::byte* const memory = w.memory.allocate(8, 8);
    CHECK(said(w, "O-28") == 1);
    w.memory.deallocate(memory, 8, 8);
    CHECK(said(w, "O-28") == 1);
    notifier.unlock();
    device_address const where = block({0});
    w.device.commit(span(base, page_bytes), {&where, 1}, mapping_access::read_only);
    CHECK(said(w, "O-28") == 1);
    silent_target target;
    target.w = &w;
    target.sequences = 0;
    target.answer = svm::invalidation_answer::refused;
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    CHECK_FALSE(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
    CHECK(said(w, "O-28") == 1);
    CHECK_FALSE(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear, svm::nobody, false}));
    CHECK(said(w, "O-28") == 0);  // one that may not block may be refused
    w.process.unregister_notifier(target.registration);
  }

  TEST_CASE("O-30 device memory that is released twice") {
    world w;
    auto memory = *w.device_memory.allocate({chunk});
    w.device_memory.release(memory);
    CHECK(said(w, "O-30") == 0);
    w.device_memory.release(memory);
    CHECK(said(w, "O-30") == 1);
  }

  TEST_CASE("O-31 a page left locked, a reference too many, one too few, a migration left, a locked page freed") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const p = w.process.entry_at(base).target;
    w.frames.of(p).locked = true;
    CHECK(found(w, "O-31") == 1);
    w.frames.of(p).locked = false;
    w.process.pin(base, true);
    CHECK(found(w, "O-31") == 1);
    w.process.pin(base, false);
    CHECK(w.complaint() == "");
    auto const other = *w.process.allocate_page({});
    w.frames.put(other);  // still locked
    CHECK(said(w, "O-31") == 1);
    w.frames.of(other).locked = false;
    w.frames.put(other);
    CHECK(said(w, "O-31") == 1);  // freed already
    {
      svm::migration_slot<page> slot;
      svm::mock::address_space<lock_policy>::migration session;
      {
        svm::shared_guard const guard{w.process.map_lock()};
        REQUIRE(w.process.collect(session, span(base, page_bytes), {&slot, 1}, svm::nobody) == errc::ok);
      }
      CHECK(found(w, "O-31") == 3);  // the entry, its lock, its reference
    }
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-31 a swap slot that nobody has, or that has too many") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const slot = w.shared.swap.write(w.frames.content(w.process.entry_at(base).target));
    w.shared.swap.get(slot);
    CHECK(found(w, "O-31") == 1);
    w.shared.swap.put(slot);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.swap_out(base));
    w.shared.swap.get(w.process.entry_at(base).target.frame);
    CHECK(found(w, "O-31") == 1);
    w.shared.swap.put(w.process.entry_at(base).target.frame);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-33 a page of device memory that two allocations have, and no block that is adopted") {
    world w{small_chunks()};
    auto memory = *w.device_memory.allocate({page_bytes});
    auto& all = allocations(w.device_memory);
    auto const twin = all.emplace(all.begin()->first + 1, all.begin()->second).first;
    CHECK(found(w, "O-33") == 2);
    all.erase(twin);
    CHECK(w.complaint() == "");
    svm::device_page<page> p;
    REQUIRE(w.device_memory.pages(memory, {&p, 1}) == errc::ok);
    freed_nowhere owner;
    w.process.adopt_device_page(p.page, {}, owner, false);
    CHECK(said(w, "O-33") == 0);
    w.process.adopt_device_page(p.page, {}, owner, false);
    CHECK(said(w, "O-33") == 1);
    w.process.discard_page(p.page);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-33 a device page that is adopted twice") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const p = w.process.entry_at(base).target;
    auto& f = w.frames.of(p);
    w.process.adopt_device_page(p, {}, *f.behind, false);
    CHECK(said(w, "O-33") == 1);
    f.locked = false;
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "O-36 a notifier registered under the map lock, or unregistered under any, or the last user put under one") {
    world w;
    silent_target target;
    target.w = &w;
    {
      svm::shared_guard const guard{w.process.map_lock()};
      REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
      CHECK(said(w, "O-36") == 1);
    }
    lock_policy::mutex<svm::lock_rank::range> range;
    range.lock();
    w.process.unregister_notifier(target.registration);
    CHECK(said(w, "O-36") == 1);
    lock_policy::shared_mutex<svm::lock_rank::vm> vm;
    range.unlock();
    vm.lock();
    w.process.put_user();
    CHECK(said(w, "O-36") == 1);
    vm.unlock();
  }

  TEST_CASE("O-36 a notifier registered under a notifier lock") {
    world w;
    silent_target target;
    target.w = &w;
    lock_policy::shared_mutex<svm::lock_rank::notifier> notifier;
    notifier.lock();
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    notifier.unlock();
    CHECK(said(w, "O-36") == 1);
    w.process.unregister_notifier(target.registration);
  }

  TEST_CASE("O-37 a walk, a snapshot and a collection without the map lock") {
    world w;
    w.map(page_bytes);
    svm::page_entry<page> entry;
    w.process.snapshot(span(base, page_bytes), {&entry, 1});
    CHECK(said(w, "O-37") == 1);
    {
      svm::migration_slot<page> slot;
      svm::mock::address_space<lock_policy>::migration session;
      CHECK(w.process.collect(session, span(base, page_bytes), {&slot, 1}, svm::nobody) == errc::ok);
    }
    CHECK(said(w, "O-37") == 1);
    silent_target target;
    CHECK(w.process.fault_in({span(base, page_bytes), svm::access::read, svm::nobody, target.registration, 0},
                             {&entry, 1}) == errc::ok);
    CHECK(said(w, "O-37") == 2);  // the walk, and its snapshot
  }

  TEST_CASE("O-41 a retry that no event explains") {
    world w;
    w.stats.record({svm::event_kind::undisturbed_retry, span(base, chunk)});
    CHECK(audit_says(w, "O-41: a retry that no event explains"));
  }
}

TEST_SUITE("mock/oracle, the closing audit") {
  TEST_CASE("O-48 finds nothing where nothing is left") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    CHECK(w.finish().empty());
  }
  TEST_CASE("O-48 finds a system page") {
    world w;
    auto const p = *w.process.allocate_page({});
    CHECK(audit_says(w, "O-48: bytes of system memory left: 4096"));
    w.process.discard_page(p);
  }
  TEST_CASE("O-48 finds a DMA mapping") {
    world w;
    static_cast<void>(w.dma.map(w.frames.zero_page(), dma_direction::to_device));
    CHECK(audit_says(w, "O-48: DMA mappings left: 1"));
  }
  TEST_CASE("O-48 finds device memory") {
    world w;
    static_cast<void>(w.device_memory.allocate({chunk}));
    CHECK(audit_says(w, "O-48: bytes of device memory left: 65536"));
  }
  TEST_CASE("O-48 finds a GPU page table entry") {
    world w;
    w.map(page_bytes);
    auto const a = *w.dma.map(w.frames.zero_page(), dma_direction::to_device);
    plant_entry(w, base, block(a), mapping_access::read_only);
    CHECK(audit_says(w, "O-48: GPU page table entries left: 1"));
  }
  TEST_CASE("O-48 finds the reference of a range that somebody kept") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const kept = w.range_at(base);
    CHECK(audit_says(w, "blocks of bookkeeping memory left"));
    CHECK(kept->has(svm::range_flag::removed));
  }
  TEST_CASE("O-48 finds the reference of an allocation that somebody kept") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const kept = allocation_at(w, base);
    CHECK(audit_says(w, "blocks of bookkeeping memory left"));
    CHECK(kept->is_detached());
  }
  TEST_CASE("O-48 finds a range and a notifier that were made and never removed") {
    world w;
    w.stats.record({svm::event_kind::range_created, span(base, chunk)});
    w.stats.record({svm::event_kind::notifier_created, span(base, chunk)});
    auto const lines = w.finish();
    CHECK(std::ranges::count(lines, "O-48: ranges left: 1") == 1);
    CHECK(std::ranges::count(lines, "O-48: notifiers in the index left: 1") == 1);
  }
  TEST_CASE("O-48 finds a registration") {
    world w;
    silent_target target;
    target.w = &w;
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    CHECK(audit_says(w, "O-48: notifiers registered left: 1"));
    w.process.unregister_notifier(target.registration);
  }
  TEST_CASE("O-48 finds a user reference on the address space") {
    world w;
    REQUIRE(w.process.get_user());
    CHECK(audit_says(w, "O-48: user references on the address space left: 1"));
    w.process.put_user();
  }
  TEST_CASE("O-48 finds a block of bookkeeping memory") {
    world w;
    std::byte* const memory = w.memory.allocate(24, 8);
    CHECK(audit_says(w, "O-48: blocks of bookkeeping memory left: 1"));
    w.memory.deallocate(memory, 24, 8);
  }
  TEST_CASE("O-36 finds a lock that is still held") {
    world w;
    lock_policy::shared_mutex<svm::lock_rank::vm> vm;
    vm.lock_shared();
    CHECK(audit_says(w, "O-36: a lock is held after a call returned"));
    vm.unlock_shared();
  }
  TEST_CASE("a hundred lines are kept, and the others are counted") {
    world w;
    for (int i = 0; i < 103; ++i) w.broken.violation("O-00", "planted");
    auto const lines = w.finish();
    REQUIRE(lines.size() == 101);
    CHECK(lines.front() == "O-00: planted");
    CHECK(lines.back() == "and 3 more");
  }
}
