// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <svm/driver/svm_driver.hpp>
#include <svm/mock/counting_allocator.hpp>
#include <svm/mock/failure.hpp>
#include <svm/mock/gpu.hpp>
#include <svm/mock/mm.hpp>
#include <svm/mock/rank_checked.hpp>
#include <svm/mock/report.hpp>
#include <svm/mock/statistics.hpp>
#include <svm/mock/steps.hpp>
#include <svm/mock/virtual_clock.hpp>
#include <svm/mock/vram.hpp>

namespace svm::inline v0::mock {

/// The policies of the simulated machine; `Lock` is a `rank_checked` policy.
template <lock Lock>
struct machine_policies : default_policies {
  using mm = address_space<Lock>;
  using device = gpu<Lock>;
  using pagemap = vram<Lock>;
  using lock = Lock;
  using clock = virtual_clock;
  using allocator = counting_allocator;
  using observer = statistics;
};

/// The size of the simulated machine, and how its GPU's driver is set up.
struct machine_options {
  byte_count ram{std::uint64_t{1} << 30};
  byte_count vram{std::uint64_t{256} << 20};
  va_range window{cpu_va{}, byte_count{user_end}};
  byte_count notifier_size{std::uint64_t{512} << 20};
  std::vector<byte_count> chunks{byte_count{2 << 20}, byte_count{64 << 10}, byte_count{4 << 10}};
  driver_options driver{};
  dma_addr first_dma_address{};
};

/// A computer with one process and one GPU on which the library runs as it would on a real one: bytes move, and what is
/// wrong is written into a report.
///
/// Declared in the order in which the parts need each other, so that they end in the reverse one.
template <lock Lock>
class machine {
 public:
  using policies_type = machine_policies<Lock>;
  using svm_type = gpusvm<policies_type>;

  /// \pre `options` would pass `geometry::make`; `create` checks
  machine(machine_options const& options, geometry const& shape)
      : memory(failures, broken),
        frames(options.ram, options.vram, failures, broken),
        dma(frames, failures, broken),
        process(frames, clock, failures, broken, hooks, gpu_owner),
        device(frames, dma, broken, hooks),
        device_memory(options.vram, gpu_owner, frames, dma, failures, broken, hooks),
        mover({process, device, device_memory, memory, clock, stats}),
        driver(mover, shape, options.driver) {
    dma.start_at(options.first_dma_address);
  }

  machine(machine const&) = delete;
  machine& operator=(machine const&) = delete;
  /// Ends the driver and the process, so that no page outlives what stands behind it.
  ~machine() { shut_down(); }

  /// Checks the configuration before anything exists.
  ///
  /// \errors those of `geometry::make`
  [[nodiscard]] static result<geometry> check(machine_options const& options) {
    return geometry::make(options.window, options.notifier_size, options.chunks, page_size);
  }

  // What programs do: the GPU's accesses fault into the driver, as often as it takes.

  /// \errors those of svm_driver::fault; busy when an event took the mapping away each time
  [[nodiscard]] errc gpu_load(cpu_va a, std::span<std::byte> into) {
    return serve(a, access::read, [&] { return device.load(a, into); });
  }
  [[nodiscard]] errc gpu_store(cpu_va a, std::span<std::byte const> from) {
    return serve(a, access::write, [&] { return device.store(a, from); });
  }

  /// Tears everything down, and returns a line for each rule that was broken and each thing that is left.
  [[nodiscard]] std::vector<std::string> audit();
  /// Checks the rules that hold whenever nothing is under way; what is broken goes into the report.
  void check_quiet();

  static constexpr page_owner gpu_owner{1};

  report broken;
  failure_plan failures;
  steps hooks;
  virtual_clock clock;
  statistics stats;
  counting_allocator memory;
  physical_memory<Lock> frames;
  iommu<Lock> dma;
  address_space<Lock> process;
  gpu<Lock> device;
  vram<Lock> device_memory;
  migrator<policies_type> mover;
  svm_driver<policies_type> driver;

 private:
  void shut_down() {
    failures.disarm();
    hooks.hook = nullptr;
    driver.close();
    if (process.users() != 0) process.exit();
  }
  template <class Access>
  [[nodiscard]] errc serve(cpu_va a, access want, Access&& access_memory) {
    constexpr int tries = 64;
    for (int t = 0; t < tries; ++t) {
      if (access_memory()) return errc::ok;
      if (errc const e = driver.fault(a, want); e != errc::ok) return e;
    }
    return errc::busy;
  }
  void check_gpu_mappings();
  void check_frames();
  void check_ranges();
};

}  // namespace svm::inline v0::mock

#include <svm/mock/oracle.hpp>
