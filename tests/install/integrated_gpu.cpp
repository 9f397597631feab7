// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// A program of somebody who ports the library to a GPU that shares the system's memory: runs the suites on an address
// space, its notifiers and a device, and prints what broke. With an argument the port has a defect.
#include <svm/concepts/device.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/conformance.hpp>
#include <svm/port/notifier_list.hpp>
#include <svm/std/null_lock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace {

constexpr svm::byte_count page_size{4096};
using words = std::array<std::uint64_t, 512>;

struct page {
  words* memory = nullptr;
  friend bool operator==(page, page) = default;
};

/// All pages that are in use.
class memory {
 public:
  page add() {
    auto fresh = std::make_unique<words>();
    page const p{fresh.get()};
    pages_.emplace(p.memory, std::move(fresh));
    return p;
  }
  void remove(page p) { pages_.erase(p.memory); }
  [[nodiscard]] bool is_live(page p) const { return pages_.contains(p.memory); }

 private:
  std::map<words*, std::unique_ptr<words>> pages_;
};

class process {
 public:
  using page = ::page;
  using notifiers = svm::port::notifier_list<svm::null_lock>;
  using registration = notifiers::registration;
  static constexpr svm::byte_count page_size = ::page_size;

  process(memory& pages, std::uint64_t id, bool has_defect) : memory_(pages), id_{id}, has_defect_(has_defect) {}

  // What a program does.
  void mmap(svm::va_range span) { vmas_.emplace(span.start().value, span); }
  void munmap(svm::cpu_va start) {
    svm::va_range const span = vmas_.extract(start.value).mapped();
    auto const drop = [&] {
      auto const end = table_.upper_bound(span.last().value);
      for (auto e = table_.lower_bound(span.start().value); e != end; e = table_.erase(e)) memory_.remove(e->second);
    };
    if (has_defect_) drop();  // too early
    notifiers_.invalidate({span, svm::invalidation_cause::unmap}, drop);
  }
  [[nodiscard]] std::uint64_t* word(svm::cpu_va a) {
    return find_vma(a) ? &(*touch(a).memory)[a.value % page_size.value / 8] : nullptr;
  }
  void exit() { put_user(); }

  // What the library needs to know of it.
  [[nodiscard]] bool get_user() noexcept { return users_ != 0 && ++users_ != 0; }
  void put_user() noexcept {
    if (--users_ != 0) return;
    while (!vmas_.empty()) munmap(vmas_.begin()->second.start());
  }
  [[nodiscard]] svm::space_id id() const noexcept { return id_; }
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept {
    return find_first_vma({a, svm::byte_count{1}});
  }
  [[nodiscard]] svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    for (auto const& [start, extent] : vmas_)
      if (extent.overlaps(span)) return svm::vma_info{extent, true, true, false};
    return svm::errc::no_vma;
  }
  [[nodiscard]] svm::errc fault_in(svm::walk_request<registration> const& request,
                                   svm::run_sink<page>& found) noexcept {
    for (svm::byte_count done{}; done < request.span.size(); done += page_size)
      if (word(request.span.start() + done) == nullptr) return svm::errc::no_vma;
    snapshot(request.span, found);
    return svm::errc::ok;
  }
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    auto const end = table_.upper_bound(span.last().value);
    for (auto e = table_.lower_bound(span.start().value); e != end; ++e)
      if (!found.add({e->first}, {.page = e->second, .place = svm::page_place::system, .writable = true})) return;
  }
  /// Pages are contiguous where their memory is.
  [[nodiscard]] static constexpr page page_at(page first, std::uint64_t n) noexcept { return {first.memory + n}; }
  [[nodiscard]] svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& t) noexcept {
    notifiers_.insert(r, span, t);
    return svm::errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { notifiers_.remove(r); }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept { return notifiers_.read_begin(r); }
  [[nodiscard]] bool read_retry(registration& r, std::uint64_t seen) noexcept { return notifiers_.read_retry(r, seen); }
  void set_sequence(registration& r, std::uint64_t value) noexcept { notifiers_.set_sequence(r, value); }

 private:
  page touch(svm::cpu_va a) {
    page& p = table_[a.align_down(page_size).value];
    if (p == page{}) p = memory_.add();
    return p;
  }

  memory& memory_;
  svm::space_id const id_;
  bool const has_defect_;
  unsigned users_ = 1;
  svm::null_lock::shared_mutex<svm::lock_rank::mm> map_lock_;
  std::map<std::uint64_t, svm::va_range> vmas_;
  std::map<std::uint64_t, page> table_;
  notifiers notifiers_;
};

class gpu {
  struct entry {
    words* memory = nullptr;
    bool writable = false;
  };

 public:
  /// The word that a program of the GPU reaches; none: a fault.
  [[nodiscard]] std::uint64_t* word(svm::cpu_va a, bool writes) {
    auto const e = table_.find(a.align_down(page_size).value);
    if (e == table_.end() || e->second.memory == nullptr || (writes && !e->second.writable)) return nullptr;
    return &(*e->second.memory)[a.value % page_size.value / 8];
  }
  [[nodiscard]] std::size_t dma_mappings() const { return dma_mappings_; }

  [[nodiscard]] svm::result<svm::dma_addr> dma_map(page p, svm::page_count count, svm::dma_direction) noexcept {
    svm::dma_addr const address{next_ += page_size.value};
    next_ += page_size.value * count.value;
    ++dma_mappings_;
    for (std::uint64_t i = 0; i < count.value; ++i) iommu_.emplace((address + page_size * i).value, p.memory + i);
    return address;
  }
  void dma_unmap(svm::dma_addr address, svm::page_count count, svm::dma_direction) noexcept {
    --dma_mappings_;
    for (std::uint64_t i = 0; i < count.value; ++i) iommu_.erase((address + page_size * i).value);
  }
  [[nodiscard]] svm::errc prepare(svm::va_range span) noexcept {
    for (svm::byte_count done{}; done < span.size(); done += page_size) table_[(span.start() + done).value];
    return svm::errc::ok;
  }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access how) noexcept {
    auto e = table_.find(span.start().value);
    for (svm::device_address const& block : blocks)
      for (std::uint64_t i = 0; i < block.count; ++i, ++e)
        e->second = {iommu_.at((block.address + page_size * i).value), how != svm::mapping_access::read_only};
  }
  void invalidate(svm::va_range span) noexcept {
    auto const end = table_.upper_bound(span.last().value);
    for (auto e = table_.lower_bound(span.start().value); e != end; ++e) e->second = {};
  }

 private:
  std::map<std::uint64_t, words*> iommu_;
  std::map<std::uint64_t, entry> table_;
  std::uint64_t next_ = 0;
  std::size_t dma_mappings_ = 0;
};
static_assert(svm::device<gpu, page>);

/// A process of the benches.
class process_bench {
 public:
  using mm_type = process;
  process_bench(memory& pages, std::uint64_t id, bool has_defect) : process_(pages, id, has_defect) {}

  process& mm() { return process_; }
  svm::va_range map(std::size_t pages) {
    svm::va_range const span{next_, page_size * pages};
    process_.mmap(span);
    next_ = next_ + page_size * (pages + 1);
    return span;
  }
  void unmap(svm::va_range mapping) { process_.munmap(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) {
    std::uint64_t* const word = process_.word(a);
    if (word != nullptr) *word = value;
    return word != nullptr;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::uint64_t const* const word = process_.word(a);
    return word != nullptr ? std::optional{*word} : std::nullopt;
  }
  bool has_vma(svm::cpu_va a) { return process_.find_vma(a).has_value(); }
  void exit() { process_.exit(); }

 private:
  process process_;
  svm::cpu_va next_{page_size.value * 16};
};

struct bench_memory {
  memory pages;
};
class space_bench : bench_memory, public process_bench {
 public:
  using page = ::page;
  explicit space_bench(bool has_defect) : process_bench(pages, 1, has_defect), other_(pages, 2, has_defect) {}
  process_bench& other() { return other_; }
  bool is_live(page p) { return pages.is_live(p); }
  std::uint64_t peek(page p) { return (*p.memory)[0]; }

 private:
  process_bench other_;
};

class gpu_bench {
 public:
  using device_type = gpu;
  using page = ::page;
  static constexpr svm::byte_count page_size = ::page_size;

  gpu& device() { return gpu_; }
  page system_page(std::uint64_t value) {
    page const p = pages_.add();
    (*p.memory)[0] = value;
    return p;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::uint64_t const* const word = gpu_.word(a, false);
    return word != nullptr ? std::optional{*word} : std::nullopt;
  }
  bool store(svm::cpu_va a, std::uint64_t value) {
    std::uint64_t* const word = gpu_.word(a, true);
    if (word != nullptr) *word = value;
    return word != nullptr;
  }
  std::size_t dma_mappings() { return gpu_.dma_mappings(); }

 private:
  memory pages_;
  gpu gpu_;
};

}  // namespace

int main(int argc, char**) {
  bool const has_defect = argc > 1;
  auto const make_space = [has_defect] { return std::make_unique<space_bench>(has_defect); };
  svm::conformance::broken_promises all;
  all.add(svm::conformance::address_space::check_all(make_space));
  all.add(svm::conformance::interval_notifier::check_all(make_space));
  all.add(svm::conformance::device::check_all([] { return std::make_unique<gpu_bench>(); }));
  std::cout << all;
  return all == svm::conformance::kept ? 0 : 1;
}
