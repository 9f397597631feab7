// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <support/operation.hpp>

namespace support::programs {

namespace {

constexpr std::uint64_t page_bytes = machine::page_size.value;

std::string hex(std::uint64_t value) {
  return svm::mock::hex(value);
}
std::string on_off(bool on) {
  return on ? "on" : "off";
}
std::string address(std::uint64_t page) {
  return hex(page * page_bytes);
}
std::string range(operation const& o) {
  return address(o.first) + " " + hex(o.count * page_bytes);
}
/// The beginning of a line that concerns a process.
std::string by(operation const& o) {
  return o.process == 0 ? "" : "@C" + std::to_string(o.process) + " ";
}
std::string gpu(operation const& o) {
  return by(o) + "gpu" + std::to_string(gpu_of(o)) + " ";
}
std::string agent(operation const& o) {
  return o.agent == 0 ? by(o) + "cpu " : gpu(o);
}
std::string protection_name(operation const& o) {
  return std::string{name(protection_of(o))};
}
std::string advice_name(operation const& o) {
  constexpr char const* names[] = {"dontneed", "free",   "hugepage",   "nohugepage", "collapse",
                                   "dontfork", "dofork", "wipeonfork", "keeponfork"};
  return names[static_cast<unsigned>(advice_of(o))];
}

std::string text_of_map(operation const& o) {
  return by(o) + "mmap M" + std::to_string(o.other) + " " + hex(o.count * page_bytes) + " " + protection_name(o) + " " +
         std::string{name(mapping_of(o))} + " at=" + address(o.first);
}
std::string text_of_remap(operation const& o) {
  std::uint64_t const count = keeps_old(o) ? o.count : o.other;
  return by(o) + "mremap " + range(o) + " " + hex(count * page_bytes) + (keeps_old(o) ? " dontunmap" : "") +
         (moves(o) ? " to=" + address(o.to) : "");
}
std::string text_of_fail(operation const& o) {
  constexpr unsigned sayable = 6;
  constexpr char const* names[] = {"alloc", "ram",        "dma_map",   "copy",  "populate",   "notifier",
                                   "lock",  "page_table", "page_list", "clear", "device_map", "iova"};
  static_assert(std::size(names) == failures);
  unsigned const n = o.choice % failures;
  return (n < sayable ? "fail " : "# fail ") + std::string(names[n]) + " " + std::to_string(1 + o.choice / failures);
}
std::string text_of_prefer(operation const& o) {
  svm::span_attributes const said = attributes_of(o);
  return "# " + gpu(o) + "advise " + range(o) + " preferred=" + std::to_string(static_cast<unsigned>(said.preferred)) +
         " policy=" + std::to_string(static_cast<unsigned>(said.policy)) +
         " atomic=" + std::to_string(static_cast<unsigned>(said.atomic));
}

}  // namespace

std::string text(setting const& s) {
  svm::mock::machine_options const& o = s.options;
  constexpr char const* modes[] = {"on", "off", "only"};
  return "machine ram=" + hex(o.ram.value) + " vram=" + hex(o.vram.value) + " notifier=" + hex(o.notifier_size.value) +
         " gpus=" + std::to_string(o.gpus) + " thp=" + on_off(o.thp) +
         (o.chunks.size() == 2 ? " chunks=64K,4K" : " chunks=2M,64K,4K") +
         " migrate=" + modes[static_cast<unsigned>(o.driver.migrate)] +
         " check_pages=" + hex(o.driver.check_pages_threshold.value) +
         " timeslice=" + std::to_string(o.driver.timeslice.nanoseconds / svm::milliseconds(1).nanoseconds) +
         " readonly=" + on_off(o.driver.read_only) + " split=" + on_off(o.driver.rest == svm::partial_unmap::split) +
         " vm_start=" + hex(o.window.start().value) + " vm_size=" + hex(o.window.size().value) +
         " gc=" + (s.collects ? "auto" : "manual") +
         " evict=" + (o.eviction.order == svm::eviction_order::touched ? "touched" : "oldest") +
         " faults=" + on_off(o.faults == svm::mock::page_faults::replayed) +
         "  # iommu=" + std::to_string(static_cast<unsigned>(o.iommu)) + " linked=" + on_off(o.linked) +
         " late_copies=" + on_off(o.late_copies) + " mixed=" + on_off(o.driver.mixed) +
         " peers_push=" + on_off(o.driver.peers_push) + " joins_pages=" + on_off(o.joins_pages) +
         " first_dma=" + hex(o.first_dma_address.value) + " ranges<=" + hex(o.driver.limits.ranges) +
         " device_memory<=" + hex(o.driver.limits.device_memory.value) + (s.coherent ? " coherent" : "");
}

std::string text(operation const& o) {
  switch (o.what) {
    case kind::access:
      return agent(o) + (writes(o) ? "write " : "read ") + hex(place_of(o).value) +
             (writes(o) ? " " + hex(o.value) : "");
    case kind::sweep:
      return "# " + agent(o) + (writes(o) ? "writes " : "reads ") + "each page of " + range(o);
    case kind::atomic:
      return gpu(o) + "atomic_add " + hex(place_of(o).value) + " " + hex(o.value);
    case kind::map:
    case kind::map_huge:
      return text_of_map(o);
    case kind::map_io:
      return "# " + text_of_map(o);
    case kind::map_same:
      return "# " + by(o) + "mmap " + hex(o.count * page_bytes) + " " + protection_name(o) + " of " + address(o.to) +
             " from its page " + std::to_string(offset_of(o)) + " at=" + address(o.first);
    case kind::unmap:
      return by(o) + "munmap " + range(o);
    case kind::protect:
      return by(o) + "mprotect " + range(o) + " " + protection_name(o);
    case kind::dontneed:
    case kind::free:
    case kind::advise:
      return by(o) + "madvise " + range(o) + " " + advice_name(o);
    case kind::remap:
      return text_of_remap(o);
    case kind::fork:
      return by(o) + "fork C" + std::to_string(o.other);
    case kind::exit:
      return "exit C" + std::to_string(o.process);
    case kind::prefetch: {
      constexpr char const* places[] = {"", " ram", " vram"};
      return gpu(o) + "prefetch " + range(o) + places[chosen(o, 3)];
    }
    case kind::evict:
      return gpu(o) + "evict " + address(o.first);
    case kind::evict_all:
      return gpu(o) + "evict all";
    case kind::fail:
      return text_of_fail(o);
    case kind::tick:
      return "tick " + std::to_string(chosen(o, 8));
    case kind::gc:
      return by(o) + "gc";
    case kind::reset:
      return "gpu" + std::to_string(gpu_of(o)) + " reset";
    case kind::compact:
      return "# " + by(o) + "compact " + address(o.first);
    case kind::swap_out:
      return "# " + by(o) + "swap_out " + address(o.first);
    case kind::collapse:
      return by(o) + "madvise " + address(o.first) + " 4M collapse";
    case kind::split:
      return "# " + by(o) + "split " + address(o.first);
    case kind::lock:
      return by(o) + "mlock " + range(o);
    case kind::unlock:
      return by(o) + "munlock " + range(o);
    case kind::pin:
      return "# " + by(o) + "pin " + address(o.first);
    case kind::unpin:
      return "# unpin";
    case kind::reap:
      return "# " + by(o) + "reap " + range(o);
    case kind::prefer:
      return text_of_prefer(o);
    case kind::suspend:
      return "# " + gpu(o) + "suspend";
    case kind::resume:
      return "# " + gpu(o) + "resume";
    case kind::unplug:
      return "# gpu" + std::to_string(gpu_of(o)) + " unplug";
    case kind::truncate:
      return "# " + by(o) + "truncate " + address(o.first) + " " + hex(end_of(o));
    case kind::punch_hole:
      return "# " + by(o) + "punch_hole " + range(o);
    case kind::swap_out_span:
      return "# " + by(o) + "swap_out " + range(o);
    case kind::open_buffer:
      return "# " + gpu(o) + "open a buffer of " + range(o);
    case kind::use_buffer:
      return "# get the pages of buffer " + std::to_string(o.choice) + (writes(o) ? " to write" : " to read");
    case kind::access_buffer:
      return "# " + std::string(writes(o) ? "write " : "read ") + "through buffer " + std::to_string(o.choice);
    case kind::close_buffer:
      return "# close buffer " + std::to_string(o.choice);
    case kind::attach:
      return "# " + gpu(o) + "lets another GPU have the range at " + address(o.first);
    case kind::access_attached:
      return "# " + std::string(writes(o) ? "write " : "read ") + "through attached mapping " +
             std::to_string(o.choice);
    case kind::keep:
      return gpu(o) + "advise " + range(o) + "  # by pages: duplicate";
    case kind::forget:
      return "# " + gpu(o) + "forgets " + range(o) + ", or by pages discards what it has from there on, if " +
             std::to_string(o.choice) + " is odd";
    case kind::detach:
      return "# detach mapping " + std::to_string(o.choice);
  }
  return "?";
}

svm::cpu_va place_of(operation const& o) {
  constexpr std::uint64_t words[] = {0, 1, 511};
  std::uint64_t const word = o.what == kind::access ? words[chosen(o, 3)] : o.what == kind::atomic ? chosen(o, 2) : 0;
  return {o.first * page_bytes + 8 * word};
}

svm::mock::protection protection_of(operation const& o) {
  unsigned const n = maps(o.what) ? o.choice & 15 : chosen(o, 8);
  unsigned const read_only_below = maps(o.what) ? 2 : 3;
  using enum svm::mock::protection;
  return n == 0 ? none : n < read_only_below ? read : read_write;
}

svm::mock::mapping_kind mapping_of(operation const& o) {
  using enum svm::mock::mapping_kind;
  if (o.what == kind::map_huge) return hugetlb;
  if (o.what == kind::map_io) return io;
  return o.choice < 128 ? anon : o.choice < 192 ? file : shared;
}

svm::mock::advice advice_of(operation const& o) {
  using enum svm::mock::advice;
  if (o.what == kind::dontneed) return dontneed;
  if (o.what == kind::free) return free;
  constexpr svm::mock::advice huge[] = {hugepage, nohugepage};
  constexpr svm::mock::advice forks[] = {dontfork, dofork, wipeonfork, keeponfork};
  return o.choice < 128 ? huge[chosen(o, 2)] : forks[chosen(o, 4)];
}

svm::span_attributes attributes_of(operation const& o) {
  return {static_cast<svm::preferred_place>(o.choice % 3), static_cast<svm::migration_policy>(o.choice / 4 % 2),
          static_cast<svm::atomic_mode>(o.choice / 8 % 4)};
}

}  // namespace support::programs
