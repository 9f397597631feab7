// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "machine_outcomes.hpp"

#include <algorithm>
#include <string>

namespace svmsh {

outcome to_outcome(svm::mock::sys s) {
  switch (s) {
    case svm::mock::sys::ok:
      return {};
    case svm::mock::sys::einval:
      return "EINVAL";
    case svm::mock::sys::efault:
      return "EFAULT";
    case svm::mock::sys::eagain:
      return "EAGAIN";
    case svm::mock::sys::enomem:
      return "ENOMEM";
    case svm::mock::sys::eexist:
      return "EEXIST";
    case svm::mock::sys::sigsegv:
      return "SIGSEGV";
    case svm::mock::sys::sigbus:
      return "SIGBUS";
  }
  return "EINVAL";
}
outcome to_outcome(svm::errc e) {
  return e == svm::errc::ok ? outcome{} : outcome{svm::errno_name(e)};
}

svm::mock::protection to_mock(protection p) {
  return static_cast<svm::mock::protection>(p);
}
svm::mock::mapping_kind to_mock(mapping_kind k) {
  return static_cast<svm::mock::mapping_kind>(k);
}
svm::mock::failure to_mock(failure_kind k) {
  return static_cast<svm::mock::failure>(k);
}
svm::mock::advice to_mock(advice a) {
  switch (a) {
    case advice::dontneed:
      return svm::mock::advice::dontneed;
    case advice::hugepage:
      return svm::mock::advice::hugepage;
    case advice::nohugepage:
      return svm::mock::advice::nohugepage;
  }
  return svm::mock::advice::dontneed;
}
svm::prefetch_place to_mock(prefetch_target t) {
  switch (t) {
    case prefetch_target::as_fault:
      return svm::prefetch_place::as_fault;
    case prefetch_target::ram:
      return svm::prefetch_place::system;
    case prefetch_target::vram:
      return svm::prefetch_place::device;
  }
  return svm::prefetch_place::as_fault;
}
std::optional<svm::cpu_va> to_place(std::optional<std::uint64_t> address) {
  if (!address) return std::nullopt;
  return svm::cpu_va{*address};
}

std::string_view state_of(bool valid, bool device, bool system) {
  if (!valid) return "none";
  if (device && system) return "mixed";
  return device ? "vram" : "ram";
}

bool is_word_span(std::uint64_t address, std::uint64_t size) {
  return address % word_bytes == 0 && size % word_bytes == 0 && size != 0;
}
outcome judge_span(std::uint64_t address, std::uint64_t size, std::uint64_t page_bytes) {
  if (address % page_bytes != 0 || size % page_bytes != 0 || size == 0) return "EINVAL";
  return svm::mock::is_user_span(svm::cpu_va{address}, svm::byte_count{size}) ? outcome{} : outcome{"ENOMEM"};
}

svm::duration time_to_pass(svm::time_point now, std::uint64_t ms) {
  constexpr std::uint64_t century = 100ull * 365 * 24 * 3600 * 1'000'000'000;
  std::uint64_t const left = century - std::min(now.nanoseconds, century);
  return ms < left / svm::milliseconds(1).nanoseconds ? svm::milliseconds(ms) : svm::duration{left};
}

void add_run(std::vector<span_line>& runs, std::uint64_t start, std::uint64_t last, std::string_view kind) {
  if (!runs.empty() && runs.back().text == kind && runs.back().last + 1 == start)
    runs.back().last = last;
  else
    runs.push_back({start, last, std::string(kind)});
}

}  // namespace svmsh
