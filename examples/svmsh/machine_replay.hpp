// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "machine_statistics.hpp"
#include "page_sizes.hpp"
#include "replayer.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace svmsh {

/// A replay and the machine that it is on.
template <std::size_t PageBytes>
class machine_replay final : public replay_engine {
 public:
  machine_replay(std::unique_ptr<shell_machine<PageBytes>> computer, replay_options const& options, complaint complain,
                 recording record)
      : computer_(std::move(computer)),
        has_warps_(options.batch > 1),
        replayer_(*computer_, options, std::move(complain), record) {}

  /// A virtual call for each access would cost as much as some accesses do.
  lackey_reader::status serve(lackey_reader& input) override {
    trace_access a;
    if (has_warps_) input.tell_kernels();
    for (;;) {
      lackey_reader::status const s = input.next(a);
      if (s == lackey_reader::status::access) [[likely]] {
        replayer_.access(a, input.line_number());
        continue;
      }
      if (s != lackey_reader::status::kernel) return s;
      replayer_.drain();
    }
  }
  faults64_reader::status serve(faults64_reader& input) override {
    std::uint64_t address = 0;
    for (;;) {
      faults64_reader::status const s = input.next(address);
      if (s != faults64_reader::status::fault) return s;
      replayer_.fault(address, input.offset());
    }
  }
  void finish() override { replayer_.finish(); }
  replay_counts const& done() const override { return replayer_.done(); }
  std::vector<stat_line> statistics() override { return statistics_of<PageBytes>(*computer_); }
  std::vector<stat_line> placement() override { return placement_of<PageBytes>(*computer_); }
  std::uint64_t blocks() const override { return replayer_.blocks(); }
  std::vector<std::string> audit() override { return computer_->audit(); }

 private:
  std::unique_ptr<shell_machine<PageBytes>> computer_;
  bool const has_warps_;
  replayer<PageBytes> replayer_;
};

template <std::size_t PageBytes>
made_replay make_replay(machine_options const& options, replay_options const& replay, replay_engine::complaint complain,
                        recording record) {
  auto made = make_machine<PageBytes>(options);
  if (std::string* const refusal = std::get_if<std::string>(&made)) return std::move(*refusal);
  return std::make_unique<machine_replay<PageBytes>>(
      std::move(*std::get_if<std::unique_ptr<shell_machine<PageBytes>>>(&made)), replay, std::move(complain), record);
}

}  // namespace svmsh
