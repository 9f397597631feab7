// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <support/machine.hpp>

namespace support::programs {

/// A page table of a GPU for one process, beside that of its driver.
template <class Machine>
struct page_table_user {
  using policies_type = typename Machine::policies_type;

  page_table_user(Machine& machine, typename Machine::task& whose, std::size_t n)
      : home(machine),
        owner(whose),
        gpu(n),
        device(home.frames, home.gpu_card(n).dma, home.broken, home.hooks),
        env{owner.process, device, home.gpu_card(n).memory, home.memory, home.clock, home.stats} {}

  Machine& home;
  typename Machine::task& owner;
  std::size_t const gpu;
  typename Machine::gpu_type device;
  svm::environment<policies_type> env;
};

/// A buffer of a process' memory on a GPU.
template <class Machine>
struct user_buffer : page_table_user<Machine> {
  user_buffer(Machine& machine, typename Machine::task& whose, std::size_t n, std::size_t number, svm::va_range span)
      : page_table_user<Machine>(machine, whose, n), process(number), memory(this->env, span) {}

  std::size_t const process;
  svm::mapped_buffer<typename Machine::policies_type> memory;
};

/// The mapping that a GPU has on a range of another one, or on one of its own a second time.
template <class Machine>
struct attached_mapping : page_table_user<Machine> {
  using policies_type = typename Machine::policies_type;
  using svm_type = typename Machine::svm_type;

  /// \param host_gpu  whose range it is
  attached_mapping(Machine& machine, typename Machine::task& whose, std::size_t n, std::size_t number,
                   std::size_t host_gpu, svm::range_ref<policies_type> on)
      : page_table_user<Machine>(machine, whose, n),
        process(number),
        host(host_gpu),
        range(std::move(on)),
        mapping(this->env) {}
  ~attached_mapping() {
    auto held = svm().lock_range(range);
    svm().detach(held, mapping);
  }
  attached_mapping(attached_mapping const&) = delete;
  attached_mapping& operator=(attached_mapping const&) = delete;

  [[nodiscard]] auto& driver() const { return this->owner.views[host]->in_charge(); }
  [[nodiscard]] svm_type& svm() const { return driver().svm(); }

  std::size_t const process;
  std::size_t const host;
  svm::range_ref<policies_type> range;
  svm::device_mapping<policies_type> mapping;
};

}  // namespace support::programs
