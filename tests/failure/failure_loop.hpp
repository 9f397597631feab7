// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include <pagemap/scene.hpp>

namespace support {

/// A whole operation of the library that may fail on the way, on two chunks of memory: A at `base` with tags from 1 on,
/// and B at `other` with tags from 1000 on.
struct operation {
  char const* name;
  std::uint64_t vram_chunks;  ///< how many chunks the device memory holds
  void (*set_up)(world&);
  errc (*act)(world&);
  bool strong = false;         ///< when it fails nothing has moved
  std::uint64_t kept = chunk;  ///< how much of A is there afterwards
};

inline constexpr cpu_va other{base.value + MiB};

/// Every operation of pagemap/ and of the driver that moves memory.
[[nodiscard]] std::span<operation const> operations();
[[nodiscard]] operation const& operation_named(char const* name);

/// The cause that the library reports for a failure of the machine.
[[nodiscard]] constexpr errc cause_of(failure kind) {
  switch (kind) {
    case failure::alloc:
      return errc::no_memory;
    case failure::ram:
      return errc::no_ram;
    case failure::dma_map:
      return errc::dma_map_failed;
    case failure::copy:
      return errc::copy_failed;
    case failure::populate:
      return errc::no_device_memory;
    case failure::notifier:
      return errc::registration_failed;
    case failure::lock:
      return errc::in_use;
    case failure::page_table:
      return errc::no_memory;
    case failure::page_list:
      return errc::no_device_memory;
    case failure::clear:
      return errc::copy_failed;
    case failure::device_map:
    case failure::iova:
      return errc::dma_map_failed;
  }
  return errc::unsupported;
}

[[nodiscard]] constexpr char const* name(failure kind) {
  constexpr char const* names[] = {"alloc", "ram",        "dma_map",   "copy",  "populate",   "notifier",
                                   "lock",  "page_table", "page_list", "clear", "device_map", "iova"};
  static_assert(std::size(names) == svm::mock::failure_kinds);
  return names[static_cast<std::size_t>(kind)];
}

/// A machine on which `op` is about to run.
class operation_world : public world {
 public:
  explicit operation_world(operation const& op) : world(small_chunks(op.vram_chunks * chunk)), op_(op) {
    map(chunk);
    map(chunk, other);
    cpu_tag(base, chunk, 1);
    cpu_tag(other, chunk, 1000);
    op.set_up(*this);
  }

  [[nodiscard]] errc act() { return op_.act(*this); }
  /// What must hold after any outcome: nothing is left over by the failed call.
  void check_sound() {
    CHECK(complaint() == "");
    CHECK(process.users() == 1);
    if (device_pages(base, chunk) + device_pages(other, chunk) == 0) CHECK(device_memory.used() == byte_count{});
  }
  /// What must hold once nothing fails any more: the operation works, and no byte was lost.
  void check_recovers() {
    CHECK(act() == errc::ok);
    check_sound();
    CHECK(gpu_tags_until(base, op_.kept, 1) == op_.kept);
    CHECK(gpu_tags_until(other, chunk, 1000) == chunk);
    check_sound();
    CHECK(cpu_tags_until(base, op_.kept, 1) == op_.kept);
    CHECK(cpu_tags_until(other, chunk, 1000) == chunk);
    CHECK(device_memory.used() == byte_count{});
    check_sound();
  }

 private:
  operation const& op_;
};

/// Lets the k-th operation of a kind fail, for each k until the call needs no k of them; returns that number.
[[nodiscard]] std::uint64_t fail_at_every_step(operation const& op, failure kind, repeat how);

}  // namespace support
