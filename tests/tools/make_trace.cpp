// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
//
// The fixed generator behind the replay performance test: writes a trace in valgrind lackey's format to stdout.
// Usage: make_trace [ACCESSES] [--with-instructions]
//
// 20,000,000 data lines unless told otherwise, about 70 % loads, 8 bytes each and 8-byte aligned, over 512 pages
// of 4 KiB; 90 % of the accesses fall in 64 hot pages, the others anywhere in the 512. The same arguments always
// give the same bytes, and the data lines are the same with and without the instruction lines.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

constexpr std::uint64_t default_accesses = 20'000'000;
constexpr std::uint64_t data_base = 0x10000000;
constexpr std::uint64_t code_base = 0x00400000;
constexpr std::uint64_t code_bytes = 0x10000;
constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t pages = 512;
constexpr std::uint64_t hot_pages = 64;
constexpr std::uint64_t hot_stride = pages / hot_pages;  // the hot pages lie spread: every eighth page

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

class Writer {
 public:
  Writer() : buffer_(std::size_t{1} << 20) {}

  // One line: a three-character tag, the address as %08lx writes it, a comma, one digit, a newline.
  bool line(const char* tag, std::uint64_t address, unsigned size) {
    if (buffer_.size() - used_ < longest && !flush()) return false;
    char* out = buffer_.data() + used_;
    std::memcpy(out, tag, 3);
    out += 3;
    int digits = 8;
    while (digits < 16 && (address >> (4 * digits)) != 0) ++digits;
    for (int i = digits - 1; i >= 0; --i) *out++ = "0123456789abcdef"[(address >> (4 * i)) & 15];
    *out++ = ',';
    *out++ = static_cast<char>('0' + size);
    *out++ = '\n';
    used_ = static_cast<std::size_t>(out - buffer_.data());
    return true;
  }

  bool flush() {
    const bool ok = std::fwrite(buffer_.data(), 1, used_, stdout) == used_;
    used_ = 0;
    return ok && std::fflush(stdout) == 0;
  }

 private:
  static constexpr std::size_t longest = 32;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

bool generate(std::uint64_t accesses, bool with_instructions) {
  SplitMix64 random(0x73766d);
  Writer out;
  std::uint64_t pc = 0;
  for (std::uint64_t i = 0; i < accesses; ++i) {
    // One number serves one access, a field of bits for each choice.
    const std::uint64_t r = random();
    const bool load = (r & 0xffff) * 10 < 7 * 0x10000u;
    const bool hot = ((r >> 16) & 0xffff) * 10 < 9 * 0x10000u;
    const std::uint64_t word = (r >> 32) & (page_bytes / 8 - 1);
    const std::uint64_t pick = r >> 41;
    const std::uint64_t page = hot ? pick % hot_pages * hot_stride : pick % pages;
    if (with_instructions) {
      for (unsigned k = 0; k < 2; ++k) {
        const unsigned size = 3 + k;  // 3 and 4 bytes
        if (!out.line("I  ", code_base + pc, size)) return false;
        pc = (pc + size) % code_bytes;
      }
    }
    if (!out.line(load ? " L " : " S ", data_base + page * page_bytes + word * 8, 8)) return false;
  }
  return out.flush();
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t accesses = default_accesses;
  bool with_instructions = false;
  bool counted = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--with-instructions") {
      with_instructions = true;
      continue;
    }
    const auto [end, error] = std::from_chars(arg.data(), arg.data() + arg.size(), accesses);
    if (counted || error != std::errc{} || end != arg.data() + arg.size()) {
      std::fputs("usage: make_trace [ACCESSES] [--with-instructions]\n", stderr);
      return 2;
    }
    counted = true;
  }
  if (!generate(accesses, with_instructions)) {
    std::perror("make_trace");
    return 1;
  }
  return 0;
}
