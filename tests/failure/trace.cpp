// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <failure/trace.hpp>

#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

namespace support {
namespace {

using stack = std::vector<std::uintptr_t>;

/// Counts how often each failure met each stack, and writes that down in the end: the kind, the count, and addresses
/// inside the program, the innermost first.
class recorder {
 public:
  explicit recorder(char const* file) : file_(file) {}
  recorder(recorder const&) = delete;
  recorder& operator=(recorder const&) = delete;
  ~recorder() {
    std::ofstream out{file_};
    for (auto const& [met, count] : seen_) {
      out << static_cast<unsigned>(met.first) << ' ' << count << std::hex;
      for (std::uintptr_t const address : met.second) out << ' ' << address;
      out << std::dec << '\n';
    }
  }

  void note(svm::mock::failure kind) {
    std::array<decltype(Dl_info::dli_saddr), 64> frames{};
    int const depth = ::backtrace(frames.data(), static_cast<int>(frames.size()));
    Dl_info self{};
    if (::dladdr(reinterpret_cast<decltype(Dl_info::dli_saddr)>(&trace_failures), &self) == 0) return;
    auto const start = reinterpret_cast<std::uintptr_t>(self.dli_fbase);
    stack calls;
    for (int i = 0; i < depth; ++i)
      calls.push_back(reinterpret_cast<std::uintptr_t>(frames[static_cast<std::size_t>(i)]) - start);
    ++seen_[{kind, std::move(calls)}];
  }

 private:
  char const* const file_;
  std::map<std::pair<svm::mock::failure, stack>, std::uint64_t> seen_;
};

}  // namespace

void trace_failures(svm::mock::failure_plan& plan) {
  static char const* const file = std::getenv("SVM_FAILURE_TRACE");
  if (file == nullptr) return;
  static recorder all{file};
  plan.listener = [](svm::mock::failure kind) { all.note(kind); };
}

}  // namespace support
