// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The mock's address space keeps the promises of an mm, in small and in huge pages.

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <svm/conformance/mm.hpp>
#include <mock/processes.hpp>

using namespace support;

namespace {

namespace suite = svm::conformance::mm;
using svm::mock::page;

class bench {
 public:
  using mm_type = svm::mock::address_space<lock_policy>;
  using page = svm::mock::page;

  explicit bench(svm::mock::machine_options const& o) : pc_(o, *machine::check(o)) {}

  /// What stood behind the device pages is gone by now.
  ~bench() {
    pc_.device_memory.for_each_page([this](page p) { pc_.frames.of(p).owner_object = nullptr; });
  }

  mm_type& mm() { return pc_.process; }
  svm::va_range map(std::size_t pages) { return map_at(next_, pages, protection::read_write); }
  svm::va_range map_read_only(std::size_t pages) { return map_at(next_, pages, protection::read); }
  svm::va_range map_large() {
    auto const m = map_at(next_, 2 * MiB / page_bytes, protection::read_write);
    static_cast<void>(pc_.process.madvise(m.start(), m.size(), advice::hugepage));
    return m;
  }
  void unmap(svm::va_range mapping) { static_cast<void>(pc_.process.munmap(mapping.start(), mapping.size())); }
  bool store(cpu_va a, std::uint64_t value) { return support::store(pc_.first(), a, value) == sys::ok; }
  std::optional<std::uint64_t> load(cpu_va a) { return support::load(pc_.first(), a); }
  bool has_vma(cpu_va a) { return pc_.process.vmas().find(a) != nullptr; }
  void exit() { pc_.exit(pc_.first()); }
  bool clear_without_waiting(svm::va_range span) { return pc_.process.reap(span); }
  void share(svm::va_range) { pc_.fork(pc_.first()); }
  void swap_out(cpu_va a) { static_cast<void>(pc_.process.swap_out(a)); }

  bool is_live(page p) { return pc_.frames.is_alive(p) && pc_.frames.head(p).references != 0; }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, pc_.frames.bytes(p), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(pc_.frames.bytes(p), &value, sizeof value); }
  void set_locked(page p, bool locked) { pc_.frames.head(p).locked = locked; }
  void set_pinned(page p, bool pinned) {
    if (pinned)
      ++pc_.frames.head(p).references;
    else
      pc_.frames.put(p);
  }
  std::vector<page> device_pages(std::size_t count) {
    auto memory = *pc_.device_memory.allocate({count * page_bytes});
    std::vector<svm::device_page<page>> got(count);
    REQUIRE(pc_.device_memory.pages(memory, got) == errc::ok);
    std::vector<page> pages;
    for (auto const& p : got) pages.push_back(p.page);
    return pages;
  }
  page coherent_page() { return device_pages(1)[0]; }
  page device_block(svm::page_order order) { return device_pages(order.pages().value)[0]; }
  page nth(page first, std::size_t i) { return pc_.frames.after(first, i); }
  svm::page_owner owner() { return machine::gpu_owner; }

 private:
  svm::va_range map_at(cpu_va a, std::size_t pages, protection p) {
    next_ = next_ + byte_count{16 * MiB};
    auto const mapped = pc_.process.mmap({pages * page_bytes}, p, mapping_kind::anon, a);
    REQUIRE(mapped.error == sys::ok);
    return span(mapped.at, pages * page_bytes);
  }

  machine pc_;
  cpu_va next_ = base;
};

}  // namespace

TEST_SUITE("mock/mm, conformance") {
  TEST_CASE("the address space of the simulated machine keeps the promises of an mm") {
    auto const found = suite::check_all([] { return std::make_unique<bench>(options()); });
    CHECK(found == svm::conformance::kept);
  }
}
