// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "system.hpp"

#include <svm/mock/machine.hpp>

#include <cstring>
#include <span>
#include <utility>

namespace svmsh {

namespace mock = svm::mock;
using machine = mock::machine<mock::rank_checked<svm::null_lock>>;

namespace {

constexpr std::uint64_t word_bytes = sizeof(std::uint64_t);

outcome to_outcome(mock::sys s) {
  switch (s) {
    case mock::sys::ok:
      return {};
    case mock::sys::einval:
      return "EINVAL";
    case mock::sys::enomem:
      return "ENOMEM";
    case mock::sys::eexist:
      return "EEXIST";
    case mock::sys::sigsegv:
      return "SIGSEGV";
    case mock::sys::sigbus:
      return "SIGBUS";
  }
  return "EINVAL";
}
outcome to_outcome(svm::errc e) {
  return e == svm::errc::ok ? outcome{} : outcome{svm::errno_name(e)};
}

mock::protection to_mock(protection p) {
  return static_cast<mock::protection>(p);
}
mock::mapping_kind to_mock(mapping_kind k) {
  return static_cast<mock::mapping_kind>(k);
}

bool is_page_multiple(std::uint64_t n) {
  return n % mock::page_bytes == 0;
}
bool is_user_span(std::uint64_t address, std::uint64_t size) {
  return mock::is_user_span(svm::cpu_va{address}, svm::byte_count{size});
}

mock::machine_options to_mock(machine_options const& options, svm::va_range window) {
  mock::machine_options to;
  to.ram = {options.ram};
  to.vram = {options.vram};
  to.window = window;
  to.notifier_size = {options.notifier};
  to.chunks.clear();
  for (std::uint64_t const size : options.chunks) to.chunks.push_back({size});
  switch (options.migrate) {
    case machine_options::migrate_mode::on:
      to.driver.migrate = svm::migration_mode::where_possible;
      break;
    case machine_options::migrate_mode::off:
      to.driver.migrate = svm::migration_mode::never;
      break;
    case machine_options::migrate_mode::only:
      to.driver.migrate = svm::migration_mode::required;
      break;
  }
  to.driver.check_pages_threshold = {options.check_pages};
  to.driver.timeslice = svm::milliseconds(options.timeslice_ms);
  to.driver.read_only = options.readonly;
  return to;
}

svm::va_range const everything{svm::cpu_va{}, svm::byte_count{UINT64_MAX}};

}  // namespace

struct system::implementation {
  implementation(mock::machine_options const& options, svm::geometry const& shape, bool collect)
      : computer(options, shape), gc_auto(collect) {}

  /// Looks at everything after a command, or, where that is much, after as many commands as make it worth while.
  void check() {
    constexpr std::uint64_t entries_a_command = 4096;
    budget += entries_a_command;
    if (budget < entries) return;
    budget = 0;
    entries = 0;
    computer.process.for_each_entry({svm::cpu_va{}, svm::byte_count{mock::user_end}},
                                    [&](svm::cpu_va, mock::pte const&) { ++entries; });
    computer.check_quiet();
  }

  machine computer;
  bool const gc_auto;
  std::uint64_t entries = 0;
  std::uint64_t budget = 0;
};

std::variant<std::unique_ptr<system>, std::string> system::create(machine_options const& options) {
  svm::result<svm::va_range> const window =
      svm::va_range::make(svm::cpu_va{options.vm_start}, svm::byte_count{options.vm_size});
  if (!window) return std::string{"vm_start, vm_size: "} + svm::describe(window.error()).cause;
  mock::machine_options const to = to_mock(options, *window);
  svm::result<svm::geometry> const shape = machine::check(to);
  if (!shape) return std::string{svm::describe(shape.error()).cause};
  return std::unique_ptr<system>{new system{std::make_unique<implementation>(to, *shape, options.gc_auto)}};
}

system::system(std::unique_ptr<implementation> self) : self_(std::move(self)) {}
system::~system() = default;

system::mmap_result system::mmap(std::uint64_t size, protection allowed, mapping_kind kind,
                                 std::optional<std::uint64_t> at) {
  std::optional<svm::cpu_va> where;
  if (at) where = svm::cpu_va{*at};
  auto const mapped = self_->computer.process.mmap({size}, to_mock(allowed), to_mock(kind), where);
  return {to_outcome(mapped.error), mapped.at.value};
}
outcome system::munmap(std::uint64_t address, std::uint64_t size) {
  return to_outcome(self_->computer.process.munmap({address}, {size}));
}
outcome system::mprotect(std::uint64_t address, std::uint64_t size, protection allowed) {
  return to_outcome(self_->computer.process.mprotect({address}, {size}, to_mock(allowed)));
}
outcome system::madvise_dontneed(std::uint64_t address, std::uint64_t size) {
  return to_outcome(self_->computer.process.madvise_dontneed({address}, {size}));
}

outcome system::read(agent who, std::uint64_t address, std::uint64_t& value) {
  if (address % word_bytes != 0) return "EINVAL";
  std::byte word[word_bytes];
  outcome const e = who == agent::cpu ? to_outcome(self_->computer.process.load({address}, word))
                                      : to_outcome(self_->computer.gpu_load({address}, word));
  if (e.empty()) std::memcpy(&value, word, word_bytes);
  return e;
}
outcome system::write(agent who, std::uint64_t address, std::uint64_t value) {
  if (address % word_bytes != 0) return "EINVAL";
  std::byte word[word_bytes];
  std::memcpy(word, &value, word_bytes);
  return who == agent::cpu ? to_outcome(self_->computer.process.store({address}, word))
                           : to_outcome(self_->computer.gpu_store({address}, word));
}
outcome system::fill(agent who, std::uint64_t address, std::uint64_t size, std::uint64_t value) {
  if (address % word_bytes != 0 || size % word_bytes != 0 || size == 0) return "EINVAL";
  for (std::uint64_t done = 0; done < size; done += word_bytes)
    if (outcome const e = write(who, address + done, value++); !e.empty()) return e;
  return {};
}
system::check_result system::check(agent who, std::uint64_t address, std::uint64_t size, std::uint64_t value) {
  if (address % word_bytes != 0 || size % word_bytes != 0 || size == 0) return {"EINVAL"};
  for (std::uint64_t done = 0; done < size; done += word_bytes, ++value) {
    std::uint64_t found = 0;
    if (outcome const e = read(who, address + done, found); !e.empty()) return {e};
    if (found != value) return {{}, false, address + done, found, value};
  }
  return {};
}

outcome system::prefetch(std::uint64_t address, std::uint64_t size, prefetch_target target) {
  if (!is_page_multiple(address) || !is_page_multiple(size) || size == 0) return "EINVAL";
  if (!is_user_span(address, size)) return "ENOMEM";
  svm::prefetch_place const where = target == prefetch_target::ram    ? svm::prefetch_place::system
                                    : target == prefetch_target::vram ? svm::prefetch_place::device
                                                                      : svm::prefetch_place::as_fault;
  return to_outcome(self_->computer.driver.prefetch({{address}, {size}}, where));
}
outcome system::evict(std::uint64_t address) {
  machine& m = self_->computer;
  mock::pte const entry = m.process.entry_at(svm::cpu_va{address}.align_down(mock::page_size));
  if (entry.what != mock::pte::state::device) return "ENOENT";
  auto const allocation = m.mover.find_slow(entry.target);
  return allocation ? to_outcome(m.mover.evict(*allocation)) : outcome{"ENOENT"};
}
outcome system::evict_all() {
  return to_outcome(self_->computer.mover.evict_all());
}
outcome system::gc() {
  self_->computer.driver.collect_garbage();
  return {};
}
void system::tick(std::uint64_t ms) {
  self_->computer.clock.advance(svm::milliseconds(ms));
}
void system::fail(failure_kind kind, std::uint64_t nth) {
  self_->computer.failures.arm(static_cast<mock::failure>(kind), nth);
}
void system::command_done() {
  if (self_->gc_auto) self_->computer.driver.collect_garbage();
  self_->check();
}

std::vector<range_line> system::ranges() const {
  std::vector<range_line> lines;
  self_->computer.driver.svm().for_each_range(everything, [&](auto const& r) {
    auto const& pages = r.mapping();
    bool const valid = pages.has(svm::page_flag::valid);
    lines.push_back({r.interval().start().value, r.interval().last().value,
                     !valid                              ? "none"
                     : pages.has(svm::page_flag::device) ? "vram"
                                                         : "ram",
                     valid && pages.has(svm::page_flag::read_only), r.has(svm::range_flag::unmapped),
                     r.has(svm::range_flag::partial_unmap)});
  });
  return lines;
}
std::vector<span_line> system::notifiers() const {
  std::vector<span_line> lines;
  auto& svm = self_->computer.driver.svm();
  svm.for_each_notifier(everything, [&](auto& n) {
    lines.push_back({n.interval().start().value, n.interval().last().value, "ranges=" + std::to_string(n.size())});
  });
  return lines;
}
std::vector<span_line> system::vmas() const {
  std::vector<span_line> lines;
  for (auto const& [start, v] : self_->computer.process.vmas().all())
    lines.push_back({start, v.extent.last().value, std::string{name(v.allowed)} + " " + std::string{name(v.kind)}});
  return lines;
}
outcome system::pages(std::uint64_t address, std::uint64_t size, std::vector<span_line>& out) const {
  if (!is_page_multiple(address) || !is_page_multiple(size) || size == 0) return "EINVAL";
  if (!is_user_span(address, size)) return "ENOMEM";
  svm::va_range const span{{address}, {size}};
  std::uint64_t next = address;  // the first page that no run covers yet
  auto const add = [&](std::uint64_t start, std::uint64_t last, char const* kind) {
    if (!out.empty() && out.back().text == kind && out.back().last + 1 == start)
      out.back().last = last;
    else
      out.push_back({start, last, kind});
  };
  self_->computer.process.for_each_entry(span, [&](svm::cpu_va at, mock::pte const& e) {
    if (at.value != next) add(next, at.value - 1, "none");
    next = at.value + mock::page_bytes;
    add(at.value, next - 1, e.what == mock::pte::state::device ? "vram0" : "ram");
  });
  if (next != address + size) add(next, address + size - 1, "none");
  return {};
}

std::vector<stat_line> system::stats() const {
  using enum svm::event_kind;
  machine& m = self_->computer;
  auto const& s = m.stats;
  std::uint64_t dma_mapped = 0;
  m.driver.svm().for_each_range(everything, [&](auto const& r) {
    for (svm::device_address const& block : r.mapping().blocks_locked())
      if (block.path == svm::interconnect::system) dma_mapped += block.order.pages().value;
  });
  return {
      {"gpu_faults", s.count(gpu_fault), true},
      {"gpu_fault_retries", s.count(gpu_fault_retry), true},
      {"ranges_created", s.count(range_created), true},
      {"ranges_removed", s.count(range_removed), true},
      {"notifiers_created", s.count(notifier_created), true},
      {"notifiers_removed", s.count(notifier_removed), true},
      {"migrations_to_vram", s.count(migrated_to_device), true},
      {"migrations_to_ram", s.count(migrated_to_system), true},
      {"migrations_failed", s.count(migration_failed), true},
      {"bytes_to_vram", s.bytes(migrated_to_device), true},
      {"bytes_to_ram", s.bytes(migrated_to_system), true},
      {"bytes_peer", 0, true},
      {"dma_mapped_pages", dma_mapped, true},
      {"vram_used", m.device_memory.used().value, true},
      {"ram_used", m.frames.ram_used().value, true},
      {"cpu_faults", m.process.cpu_faults(), false},
      {"invalidations", s.count(invalidated), false},
      {"tlb_flushes", m.device.tlb_flushes(), false},
  };
}

std::vector<std::string> system::audit() {
  return self_->computer.audit();
}

}  // namespace svmsh
