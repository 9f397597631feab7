// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The parts of the simulated machine, each by itself.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <svm/conformance/device.hpp>
#include <svm/conformance/mm.hpp>
#include <svm/conformance/pagemap.hpp>

#include <svm/mock/gpu/gpu.hpp>
#include <svm/mock/cpu/mm.hpp>
#include <svm/mock/gpu/vram.hpp>
#include <svm/std/null_lock.hpp>

#include <conformance/mock_pages.hpp>

namespace {

using svm::conformance::kept;
using lock_policy = svm::mock::rank_checked<svm::null_lock>;

/// What a bench is made of: which ways its parts go where they have several.
struct choice {
  svm::mock::iommu_mode dma = svm::mock::iommu_mode::direct;
  bool late_copies = false;
};

/// A process of the simulated machine.
template <std::size_t PageBytes>
class mock_process {
 public:
  using mm_type = svm::mock::address_space<lock_policy, PageBytes>;

  explicit mock_process(svm::mock::kernel<lock_policy, PageBytes>& shared) : kernel_(shared), process_(shared) {}
  mock_process(mock_process const&) = delete;
  mock_process& operator=(mock_process const&) = delete;
  ~mock_process() {
    if (child_ != nullptr) child_->exit();
  }

  mm_type& mm() { return process_; }
  svm::va_range map(std::size_t pages) { return map_with(page_size * pages, svm::mock::protection::read_write); }
  svm::va_range map_read_only(std::size_t pages) { return map_with(page_size * pages, svm::mock::protection::read); }
  svm::va_range map_large() {
    next_ = (next_ + svm::mock::huge_page_size).align_down(svm::mock::huge_page_size);
    return map_with(svm::mock::huge_page_size, svm::mock::protection::read_write);
  }
  void unmap(svm::va_range mapping) { REQUIRE(process_.munmap(mapping.start(), mapping.size()) == svm::mock::sys::ok); }
  bool store(svm::cpu_va a, std::uint64_t value) {
    return process_.store(a, std::as_bytes(std::span{&value, 1})) == svm::mock::sys::ok;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::uint64_t value = 0;
    bool const seen = process_.load(a, std::as_writable_bytes(std::span{&value, 1})) == svm::mock::sys::ok;
    return seen ? std::optional{value} : std::nullopt;
  }
  bool has_vma(svm::cpu_va a) { return process_.vmas().find(a) != nullptr; }
  void exit() { process_.exit(); }
  bool clear_without_waiting(svm::va_range span) {
    svm::invalidation const event{span, svm::invalidation_cause::clear, svm::nobody, false};
    return process_.invalidate_only(event) &&
           process_.madvise_dontneed(span.start(), span.size()) == svm::mock::sys::ok;
  }
  void share(svm::va_range) { child_ = std::make_unique<mm_type>(kernel_, process_); }
  void swap_out(svm::cpu_va a) { REQUIRE(process_.swap_out(a)); }

 private:
  static constexpr svm::byte_count page_size{PageBytes};

  svm::va_range map_with(svm::byte_count size, svm::mock::protection allowed) {
    auto const mapped = process_.mmap(size, allowed, svm::mock::mapping_kind::anon, next_);
    REQUIRE(mapped.error == svm::mock::sys::ok);
    next_ = next_ + size + page_size;
    return {mapped.at, size};
  }

  svm::mock::kernel<lock_policy, PageBytes>& kernel_;
  mm_type process_;
  std::unique_ptr<mm_type> child_;
  svm::cpu_va next_{PageBytes * 16};
};

/// Two processes, two GPUs that reach each other's memory, and one that reaches nobody's; a bench for all suites.
template <std::size_t PageBytes>
class mock_bench : public support::mock_pages<svm::mock::physical_memory<lock_policy, PageBytes>> {
  using process = mock_process<PageBytes>;
  using pages_type = support::mock_pages<svm::mock::physical_memory<lock_policy, PageBytes>>;

 public:
  using pages_type::poke;
  using mm_type = typename process::mm_type;
  using device_type = svm::mock::gpu<lock_policy, PageBytes>;
  using pagemap_type = svm::mock::vram<lock_policy, PageBytes>;
  using page = svm::mock::page;
  using lock_type = lock_policy;
  static constexpr svm::byte_count page_size{PageBytes};

  explicit mock_bench(choice c)
      : pages_type(frames_),
        dma_(frames_, failures_, broken_, 0, c.dma),
        peer_dma_(frames_, failures_, broken_, 1, c.dma),
        stranger_dma_(frames_, failures_, broken_, 2, c.dma),
        memory_(vram_size, {1, 1}, frames_, dma_, failures_, broken_, hooks_, {c.late_copies, 1}),
        peer_memory_(vram_size, {1, 2}, frames_, peer_dma_, failures_, broken_, hooks_, {c.late_copies, 2}),
        stranger_memory_(vram_size, {2, 1}, frames_, stranger_dma_, failures_, broken_, hooks_, {c.late_copies, 3}) {}
  ~mock_bench() {
    static_cast<void>(lock_complaints());
    for (std::string const& line : complaints_) FAIL_CHECK(line);
    for (std::string const& line : broken_.take()) FAIL_CHECK(line);
  }

  mm_type& mm() { return process_.mm(); }
  process& other() { return other_; }
  device_type& device() { return device_; }
  pagemap_type& pagemap() { return memory_; }
  device_type& peer() { return peer_; }
  pagemap_type& peer_pagemap() { return peer_memory_; }
  pagemap_type& stranger_pagemap() { return stranger_memory_; }
  std::size_t lock_complaints() {
    for (std::string const& line : svm::mock::lock_report().take()) complaints_.push_back(line);
    return complaints_.size();
  }

  // The process, and the device: the device suite's addresses are the device's.

  svm::va_range map(std::size_t pages) { return process_.map(pages); }
  svm::va_range map_read_only(std::size_t pages) { return process_.map_read_only(pages); }
  svm::va_range map_large() { return process_.map_large(); }
  void unmap(svm::va_range mapping) { process_.unmap(mapping); }
  bool store(svm::cpu_va a, std::uint64_t value) {
    bool waits = false;
    return is_gpu(a) ? device_.store(a, std::as_bytes(std::span{&value, 1}), &waits) : process_.store(a, value);
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    if (!is_gpu(a)) return process_.load(a);
    return load_by(device_, a);
  }
  bool has_vma(svm::cpu_va a) { return process_.has_vma(a); }
  void exit() { process_.exit(); }
  bool clear_without_waiting(svm::va_range span) { return process_.clear_without_waiting(span); }
  void share(svm::va_range span) { process_.share(span); }
  void swap_out(svm::cpu_va a) { process_.swap_out(a); }

  // Pages.

  page nth(page first, std::size_t i) { return frames_.after(first, i); }
  std::vector<page> device_pages(std::size_t count) {
    std::vector<page> pages;
    for (auto const& p : allocate(memory_, count)) pages.push_back(p.page);
    return pages;
  }
  std::vector<page> stranger_pages(std::size_t count) {
    std::vector<page> pages;
    for (auto const& p : allocate(stranger_memory_, count)) pages.push_back(p.page);
    return pages;
  }
  svm::page_owner stranger_owner() { return stranger_memory_.owner(); }
  page device_block(svm::page_order order) {
    auto const named = allocate(memory_, order.pages().value);
    REQUIRE(named[0].order == order);
    return named[0].page;
  }
  page coherent_page() { return device_pages(1)[0]; }
  svm::page_owner owner() { return memory_.owner(); }
  page system_page(std::uint64_t value) { return system_block({}, value); }
  page system_block(svm::page_order order, std::uint64_t value) {
    auto const fresh = frames_.allocate_ram(order);
    REQUIRE(fresh);
    for (std::uint64_t i = 0; i < order.pages().value; ++i) poke(nth(*fresh, i), value + i);
    return *fresh;
  }

  // The devices.

  std::size_t dma_mappings() { return dma_.live(); }
  std::size_t peer_dma_mappings() { return peer_dma_.live(); }
  std::optional<std::uint64_t> peer_load(svm::cpu_va a) { return load_by(peer_, a); }
  svm::device_address local_page(std::uint64_t value) { return page_in(memory_, value); }
  svm::device_address peer_page(std::uint64_t value) { return page_in(peer_memory_, value); }
  void fail_dma_map() { failures_.arm(svm::mock::failure::dma_map, 1); }
  void fail_copy() { failures_.arm(svm::mock::failure::copy, 1); }
  void unplug() { memory_.unplug(); }
  svm::device_address dma_address(page p, svm::page_order order) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    auto const mapped = device_.dma_map(p, order.pages(), both_ways);
    REQUIRE(mapped);
    return {.address = *mapped, .direction = both_ways, .count = static_cast<std::uint32_t>(order.pages().value)};
  }
  std::optional<std::uint64_t> device_read(svm::device_address const& a) { return read_by(device_, a); }
  std::optional<std::uint64_t> peer_read(svm::device_address const& a) { return read_by(peer_, a); }

 private:
  static constexpr svm::byte_count vram_size{16 << 20};

  static bool is_gpu(svm::cpu_va a) { return a >= svm::conformance::device::somewhere; }
  static std::optional<std::uint64_t> load_by(device_type& who, svm::cpu_va a) {
    std::uint64_t value = 0;
    bool waits = false;
    bool const seen = who.load(a, std::as_writable_bytes(std::span{&value, 1}), &waits);
    return seen ? std::optional{value} : std::nullopt;
  }
  /// A new page of a memory, as the first device addresses it.
  svm::device_address page_in(pagemap_type& from, std::uint64_t value) {
    auto memory = from.allocate(page_size);
    REQUIRE(memory);
    REQUIRE(from.wait_cleared(*memory) == svm::errc::ok);
    std::vector<svm::device_page<page>> named(1);
    REQUIRE(from.pages(*memory, std::span{named}) == svm::errc::ok);
    poke(named[0].page, value);
    return *from.map(device_, named[0].page, svm::page_count{1}, svm::dma_direction::bidirectional);
  }
  static std::optional<std::uint64_t> read_by(device_type& who, svm::device_address const& a) {
    svm::va_range const window{svm::cpu_va{PageBytes}, page_size};
    REQUIRE(who.prepare(window) == svm::errc::ok);
    who.commit(window, {&a, 1}, svm::mapping_access::read_only);
    std::uint64_t value = 0;
    bool const seen = who.load(window.start(), std::as_writable_bytes(std::span{&value, 1}));
    who.invalidate(window);
    return seen ? std::optional{value} : std::nullopt;
  }
  std::vector<svm::device_page<page>> allocate(pagemap_type& from, std::size_t count) {
    auto memory = from.allocate(page_size * count);
    REQUIRE(memory);
    std::vector<svm::device_page<page>> named(count);
    REQUIRE(from.pages(*memory, std::span{named}) == svm::errc::ok);
    return named;
  }

  svm::mock::failure_plan failures_;
  svm::mock::report broken_;
  svm::mock::steps hooks_;
  svm::mock::virtual_clock clock_;
  svm::mock::physical_memory<lock_policy, PageBytes> frames_{{64 << 20}, vram_size, failures_, broken_, 3};
  svm::mock::kernel<lock_policy, PageBytes> kernel_{frames_, clock_, failures_, broken_, hooks_, true};
  process process_{kernel_};
  process other_{kernel_};
  svm::mock::iommu<lock_policy, PageBytes> dma_;
  svm::mock::iommu<lock_policy, PageBytes> peer_dma_;
  svm::mock::iommu<lock_policy, PageBytes> stranger_dma_;
  device_type device_{frames_, dma_, broken_, hooks_};
  device_type peer_{frames_, peer_dma_, broken_, hooks_};
  pagemap_type memory_;
  pagemap_type peer_memory_;
  pagemap_type stranger_memory_;
  std::vector<std::string> complaints_;
};

template <std::size_t PageBytes = 4096>
[[nodiscard]] auto maker(choice c = {}) {
  return [c] { return std::make_unique<mock_bench<PageBytes>>(c); };
}

}  // namespace

TEST_SUITE("conformance/mock") {
  TEST_CASE("the simulated address space keeps the promises of an mm") {
    CHECK(svm::conformance::mm::check_all(maker()) == kept);
    CHECK(svm::conformance::mm::check_all(maker<65536>()) == kept);
  }

  TEST_CASE("the simulated GPU keeps the promises of a device, whichever way its IOMMU goes") {
    using enum svm::mock::iommu_mode;
    CHECK(svm::conformance::device::check_all(maker()) == kept);
    CHECK(svm::conformance::device::check_all(maker<16384>({reserved})) == kept);
    CHECK(svm::conformance::device::check_all(maker({reserved})) == kept);
    CHECK(svm::conformance::device::check_all(maker({bounce})) == kept);
  }

  TEST_CASE(
      "the simulated device memory keeps the promises of a pagemap, with a prompt copy engine and with a late one") {
    CHECK(svm::conformance::pagemap::check_all(maker()) == kept);
    CHECK(svm::conformance::pagemap::check_all(maker({.late_copies = true})) == kept);
    CHECK(svm::conformance::pagemap::check_all(maker<16384>({.late_copies = true})) == kept);
  }

  TEST_CASE("two GPUs of the simulated machine that reach each other are two members of one group") {
    mock_bench<4096> b{{}};
    CHECK(svm::conformance::pagemap::owners_are_right(b.pagemap(), b.stranger_pagemap(), false) == kept);
    CHECK(svm::conformance::pagemap::owners_are_right(b.pagemap(), b.peer_pagemap(), true) == kept);
  }
}
