// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "machine_statistics.hpp"
#include "page_sizes.hpp"
#include "replayer.hpp"

#include <array>
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
    if (has_warps_) input.tell_kernels();
    for (;;) {
      std::size_t count = input.take_ready(coming_);
      if (count == 0) {
        lackey_reader::status const s = input.next(coming_[0].access);
        if (s == lackey_reader::status::kernel) {
          replayer_.drain();
          continue;
        }
        if (s != lackey_reader::status::access) return s;
        coming_[0].line = input.line_number();
        count = 1;
      }
      for (std::size_t i = 0; i < count; ++i) replayer_.fetch(coming_[i].access);
      for (std::size_t i = 0; i < count; ++i) replayer_.access(coming_[i].access, coming_[i].line);
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
  std::array<numbered_access, 16> coming_{};  // read ahead, so that what they need arrives at the same time
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
