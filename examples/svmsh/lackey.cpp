// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "lackey.hpp"

#include "words.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace svmsh {

namespace {

constexpr std::uint8_t no_digit = 0xff;
constexpr int most_digits = 16;

constexpr std::array<std::uint8_t, 256> hex_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (unsigned i = 0; i < 10; ++i) values['0' + i] = static_cast<std::uint8_t>(i);
  for (unsigned i = 0; i < 6; ++i) values['a' + i] = values['A' + i] = static_cast<std::uint8_t>(10 + i);
  return values;
}();

std::uint8_t hex_value(char c) {
  return hex_values[static_cast<unsigned char>(c)];
}
bool is_decimal(char c) {
  return c >= '0' && c <= '9';
}

/// What the letter of a tag of data says, or `no_kind`.
constexpr std::uint8_t no_kind = 0xff;
constexpr std::array<std::uint8_t, 256> kinds = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_kind);
  values['L'] = static_cast<std::uint8_t>(access_kind::load);
  values['S'] = static_cast<std::uint8_t>(access_kind::store);
  values['M'] = static_cast<std::uint8_t>(access_kind::modify);
  return values;
}();
std::uint8_t kind_of(char letter) {
  return kinds[static_cast<unsigned char>(letter)];
}

/// Eight characters read as hex digits at once, the first in the lowest byte.
class hex_digits {
 public:
  explicit hex_digits(char const* from) {
    std::uint64_t text = 0;
    std::memcpy(&text, from, sizeof text);
    if constexpr (std::endian::native == std::endian::big) text = __builtin_bswap64(text);
    // Each is taken for a digit, or for a letter where bit 6 is set; and is one if it reads so when written again.
    std::uint64_t const letters = text >> 6 & each(0x01);
    values_ = (text & each(0x0f)) + letters * 9;
    std::uint64_t const above_nine = (values_ + each(6)) >> 4 & each(0x01);
    std::uint64_t const again = values_ + each('0') + above_nine * ('a' - '9' - 1);
    others_ = (again ^ (text | letters << 5)) | (values_ & each(0x10));
  }

  [[nodiscard]] bool are_all() const { return others_ == 0; }
  /// How many digits there are before something else.
  [[nodiscard]] int count() const { return others_ == 0 ? 8 : std::countr_zero(others_) / 8; }
  /// The number that the first `n` of them are.
  ///
  /// \pre 0 < n <= count()
  [[nodiscard]] std::uint64_t value(int n) const {
    std::uint64_t v = values_ << (64 - 8 * n);  // with zeros in front
    v = (v << 4 | v >> 8) & 0x00ff00ff00ff00ff;
    v = (v << 8 | v >> 16) & 0x0000ffff0000ffff;
    return (v << 16 | v >> 32) & 0xffffffff;
  }

 private:
  [[nodiscard]] static constexpr std::uint64_t each(std::uint64_t byte) { return byte * 0x0101010101010101; }

  std::uint64_t values_;
  std::uint64_t others_;  // not zero in the byte of what is no digit
};

/// Reads ` # WARP`; where it ends, or null when it is malformed.
char const* parse_warp(char const* at, std::optional<std::uint32_t>& warp) {
  if (at[1] != '#' || at[2] != ' ' || !is_decimal(at[3]) || (at[3] == '0' && is_decimal(at[4]))) return nullptr;
  std::uint64_t number = 0;
  for (at += 3; is_decimal(*at); ++at) {
    number = number * 10 + static_cast<std::uint64_t>(*at - '0');
    if (number > UINT32_MAX) return nullptr;
  }
  warp = static_cast<std::uint32_t>(number);
  return at;
}

/// Reads `ADDR,SIZE`, a warp where there is one, and the end of the line from `at`, which some character that fits
/// nowhere follows; the position
/// of the newline, or null when the line is malformed.
inline char const* parse_rest(char const* at, char const* end, trace_access& out) {
  hex_digits const first{at};
  int n = first.count();
  if (n == 0) return nullptr;
  std::uint64_t address = first.value(n);
  at += n;
  if (n == 8 && *at != ',') {
    hex_digits const second{at};
    n = second.count();
    if (n == 0) return nullptr;
    address = address << 4 * n | second.value(n);
    at += n;
  }
  if (*at != ',') return nullptr;
  out.address = address;
  out.warp.reset();
  out.size = static_cast<std::uint32_t>(at[1] - '0');
  if (out.size - 1 < 9 && at[2] == '\n') return at + 2;  // most lines
  ++at;
  if (!is_decimal(*at) || *at == '0') return nullptr;
  std::uint32_t size = 0;
  for (; is_decimal(*at); ++at) {
    size = size * 10 + static_cast<std::uint32_t>(*at - '0');
    if (size > lackey_reader::largest_access) return nullptr;
  }
  if (*at == ' ') at = parse_warp(at, out.warp);
  if (at == nullptr) return nullptr;
  if (*at == '\r' && at != end) ++at;
  if (*at != '\n') return nullptr;
  out.size = size;
  return at;
}

/// Where `ADDR,SIZE` with eight digits and one ends with its line, as in most lines; or null. The numbers are nobody's.
inline char const* skip_usual_rest(char const* at) {
  bool const is_usual = hex_digits{at}.are_all() && at[8] == ',' && at[9] >= '1' && at[9] <= '9' && at[10] == '\n';
  return is_usual ? at + 10 : nullptr;
}

/// Why the part of a line behind its tag is malformed.
std::string_view complaint(std::string_view rest) {
  std::size_t const digits = static_cast<std::size_t>(
      std::ranges::find_if(rest, [](char c) { return hex_value(c) == no_digit; }) - rest.begin());
  if (digits == 0) return rest.empty() ? "the address is missing" : "the address is not a hex number";
  if (digits > most_digits) return "the address has more than 16 digits";
  if (digits == rest.size()) return "the size is missing";
  if (rest[digits] != ',') return "no comma follows the address";
  std::string_view const size = rest.substr(digits + 1);
  if (size.empty()) return "the size is missing";
  if (!is_decimal(size.front())) return "the size is not a decimal number";
  if (std::ranges::all_of(size, is_decimal)) return "the size is out of range";
  if (size.front() == '0') return "the size begins with a zero";
  if (size.find_first_not_of("0123456789") == size.find(" # "))
    return "the warp is not a decimal number below 2^32, of a data access";
  return "something follows the size";
}

}  // namespace

lackey_reader::lackey_reader(char const* path, std::function<void()> before_read, std::size_t block)
    : path_(path),
      file_(path_ == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)),
      before_read_(std::move(before_read)),
      block_(std::max(block, smallest_block)),
      buffer_(std::make_unique<char[]>(block_ + lookahead)),
      at_(buffer_.get()),
      end_(buffer_.get()) {
  if (file_ < 0) error_ = "cannot open '" + path_ + "': " + std::strerror(errno);
}

lackey_reader::~lackey_reader() {
  if (file_ > STDIN_FILENO) close(file_);
}

std::size_t lackey_reader::take_ready(std::span<numbered_access> out) {
  std::size_t taken = 0;
  char const* at = at_;
  char const* const end = end_;
  std::uint64_t line = line_;
  while (taken < out.size() && static_cast<std::size_t>(end - at) >= lookahead) {
    numbered_access& next = out[taken];
    char const* newline = nullptr;
    if (at[0] == 'I' && at[1] == ' ' && at[2] == ' ') {
      newline = skip_usual_rest(at + 3);
      if (newline == nullptr) {
        newline = parse_rest(at + 3, end, next.access);
        if (newline == nullptr || next.access.warp) break;
      }
    } else {
      std::uint8_t const kind = kind_of(at[1]);
      if (at[0] != ' ' || kind == no_kind || at[2] != ' ') break;
      newline = parse_rest(at + 3, end, next.access);
      if (newline == nullptr) break;
      next.access.kind = static_cast<access_kind>(kind);
      next.line = line + 1;
      ++taken;
    }
    at = newline + 1;
    ++line;
  }
  at_ = at;
  line_ = line;
  return taken;
}

lackey_reader::status lackey_reader::next(trace_access& out) {
  for (;;) {
    if (static_cast<std::size_t>(end_ - at_) < lookahead && !ended_ && !fill()) return status::failed;
    if (at_ == end_) return status::end;
    ++line_;
    bool const is_instruction = at_[0] == 'I';
    std::uint8_t const kind = kind_of(at_[1]);
    if ((is_instruction ? at_[1] != ' ' : at_[0] != ' ' || kind == no_kind) || at_[2] != ' ') {
      if (is_cut_off_tag()) return refuse_line();
      bool const begins_kernel = tells_kernels_ && line_piece().starts_with("== kernel");
      if (!skip_line()) return status::failed;
      if (begins_kernel) return status::kernel;
      continue;
    }
    char const* const newline = parse_rest(at_ + 3, end_, out);
    if (newline == nullptr || (is_instruction && out.warp)) return refuse_line();
    at_ = newline + (newline != end_ ? 1 : 0);
    if (is_instruction) continue;
    out.kind = static_cast<access_kind>(kind);
    return status::access;
  }
}

std::optional<std::uint64_t> lackey_reader::read_footprint() {
  constexpr std::string_view word = "== footprint ";
  std::optional<std::uint64_t> blocks;
  for (;;) {
    if (static_cast<std::size_t>(end_ - at_) < lookahead && !ended_ && !fill()) return {};
    if (at_ == end_ || is_of_trace()) return blocks;
    std::string_view line = line_piece();
    if (line.starts_with(word)) {
      line.remove_prefix(word.size());
      if (parsed<std::uint64_t> const number = parse_number(line)) blocks = *number;
    }
    ++line_;
    if (!skip_line()) return {};
  }
}

/// Moves what is left to the front of the buffer and reads until there is enough behind it, or nothing more to read.
bool lackey_reader::fill() {
  std::size_t left = static_cast<std::size_t>(end_ - at_);
  std::memmove(buffer_.get(), at_, left);
  while (left < lookahead && !ended_) {
    if (file_ < 0) return false;
    if (before_read_) before_read_();
    ssize_t got = 0;
    do {
      got = read(file_, buffer_.get() + left, block_ - left);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      error_ = "cannot read '" + path_ + "': " + std::strerror(errno);
      return false;
    }
    ended_ = got == 0;
    left += static_cast<std::size_t>(got);
    bytes_read_ += static_cast<std::uint64_t>(got);
  }
  at_ = buffer_.get();
  end_ = at_ + left;
  std::memset(buffer_.get() + left, '\n', lookahead);  // ends the last line, and every number
  return true;
}

bool lackey_reader::skip_line() {
  for (;;) {
    if (auto const* const newline =
            static_cast<char const*>(std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_)))) {
      at_ = newline + 1;
      return true;
    }
    at_ = end_;
    if (ended_) return true;
    if (!fill()) return false;
    if (at_ == end_) return true;
  }
}

/// True where the line is one that `next` does not skip.
bool lackey_reader::is_of_trace() const {
  bool const is_data = at_[0] == ' ' && (at_[1] == 'L' || at_[1] == 'S' || at_[1] == 'M');
  return (at_[2] == ' ' && (is_data || (at_[0] == 'I' && at_[1] == ' '))) || is_cut_off_tag();
}

/// The line without its end, as far as it is in the lookahead.
std::string_view lackey_reader::line_piece() const {
  std::string_view line(at_, std::min(lookahead, static_cast<std::size_t>(end_ - at_)));
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// True for a line that ends right behind the letter of a tag: what is left of a line of the trace.
bool lackey_reader::is_cut_off_tag() const {
  if (at_[2] != '\n' && (at_[2] != '\r' || at_[3] != '\n')) return false;
  return at_[0] == 'I' ? at_[1] == ' ' : at_[0] == ' ' && kind_of(at_[1]) != no_kind;
}

lackey_reader::status lackey_reader::refuse_line() {
  std::string_view const line = line_piece();
  std::string_view const tag = line.substr(0, 3);
  error_ = quoted(line) + ": " + std::string(complaint(line.substr(tag.size()))) + ", expected '" + std::string(tag) +
           (tag.size() < 3 ? " " : "") + "ADDR,SIZE' with ADDR in hex, at most 16 digits, and SIZE from 1 to 4096";
  return status::malformed;
}

}  // namespace svmsh
