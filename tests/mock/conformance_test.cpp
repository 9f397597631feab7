// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The mock's address space keeps the promises of an mm, in small and in huge pages.

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <svm/conformance/mm.hpp>
#include <conformance/mock_pages.hpp>
#include <mock/processes.hpp>

using namespace support;

namespace {

namespace suite = svm::conformance::mm;
using svm::mock::page;

/// A process of the simulated machine.
class bench_process {
 public:
  using mm_type = svm::mock::address_space<lock_policy>;

  bench_process(machine& pc, machine::task& t) : pc_(pc), task_(t) {}

  mm_type& mm() { return task_.process; }
  svm::va_range map(std::size_t pages) { return map_at(next_, pages, protection::read_write); }
  svm::va_range map_read_only(std::size_t pages) { return map_at(next_, pages, protection::read); }
  svm::va_range map_large() {
    auto const m = map_at(next_, 2 * MiB / page_bytes, protection::read_write);
    static_cast<void>(mm().madvise(m.start(), m.size(), advice::hugepage));
    return m;
  }
  void unmap(svm::va_range mapping) { static_cast<void>(mm().munmap(mapping.start(), mapping.size())); }
  bool store(cpu_va a, std::uint64_t value) { return support::store(task_, a, value) == sys::ok; }
  std::optional<std::uint64_t> load(cpu_va a) { return support::load(task_, a); }
  bool has_vma(cpu_va a) { return mm().vmas().find(a) != nullptr; }
  void exit() { pc_.exit(task_); }
  bool clear_without_waiting(svm::va_range span) { return mm().reap(span); }
  void share(svm::va_range) { pc_.fork(task_); }
  void swap_out(cpu_va a) { static_cast<void>(mm().swap_out(a)); }

 private:
  svm::va_range map_at(cpu_va a, std::size_t pages, protection p) {
    next_ = next_ + byte_count{16 * MiB};
    auto const mapped = mm().mmap({pages * page_bytes}, p, mapping_kind::anon, a);
    REQUIRE(mapped.error == sys::ok);
    return span(mapped.at, pages * page_bytes);
  }

  machine& pc_;
  machine::task& task_;
  cpu_va next_ = base;
};

/// The machine; made before its processes.
struct bench_machine {
  machine pc;
  explicit bench_machine(svm::mock::machine_options const& o) : pc(o, *machine::check(o)) {}
};

class bench : private bench_machine, public bench_process, public mock_pages<svm::mock::physical_memory<lock_policy>> {
 public:
  using page = svm::mock::page;

  explicit bench(svm::mock::machine_options const& o)
      : bench_machine(o), bench_process(pc, pc.first()), mock_pages(pc.frames), other_(pc, pc.fork(pc.first())) {}

  /// What stood behind the device pages is gone by now.
  ~bench() {
    pc.device_memory.for_each_page([this](page p) { pc.frames.of(p).owner_object = nullptr; });
  }

  bench_process& other() { return other_; }

  std::vector<page> device_pages(std::size_t count) {
    auto memory = *pc.device_memory.allocate({count * page_bytes});
    std::vector<svm::device_page<page>> got(count);
    REQUIRE(pc.device_memory.pages(memory, got) == errc::ok);
    std::vector<page> pages;
    for (auto const& p : got) pages.push_back(p.page);
    return pages;
  }
  page coherent_page() { return device_pages(1)[0]; }
  page device_block(svm::page_order order) { return device_pages(order.pages().value)[0]; }
  page nth(page first, std::size_t i) { return pc.frames.after(first, i); }
  svm::page_owner owner() { return machine::gpu_owner; }

 private:
  bench_process other_;
};

}  // namespace

TEST_SUITE("mock/mm, conformance") {
  TEST_CASE("the address space of the simulated machine keeps the promises of an mm") {
    auto const found = suite::check_all([] { return std::make_unique<bench>(options()); });
    CHECK(found == svm::conformance::kept);
  }
}
