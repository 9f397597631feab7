// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <svm/base/interval.hpp>

namespace svm::inline v0 {

/// A piece of text that is to be printed; it converts to a std::string_view or its like.
class text_piece {
 public:
  constexpr text_piece(char const* data, std::size_t size) : data_(data), size_(size) {}

  [[nodiscard]] constexpr char const* data() const { return data_; }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }

  template <class View>
  requires std::constructible_from<View, char const*, std::size_t>
  constexpr operator View() const { return View(data_, size_); }

 private:
  char const* data_;
  std::size_t size_;
};

/// Whoever prints what is dumped: a function of one piece of text, which does not outlive the call.
///
///     space.dump([](std::string_view text) { std::cerr << text; });
///
/// A piece is a line with its end, but for lines that are longer than `line_writer::capacity`.
template <class Out>
concept text_sink = requires(Out& out, text_piece piece) {
  out(piece);
};

namespace detail {

/// Composes lines of text and numbers, and hands each to a sink.
///
/// It allocates nothing and asks for no locale, so that it may be used wherever the sink may.
template <text_sink Out>
class line_writer {
 public:
  /// The longest line that arrives in one piece, its end included.
  static constexpr std::size_t capacity = 120;

  explicit line_writer(Out& out) : out_(out) {}
  line_writer(line_writer const&) = delete;
  line_writer& operator=(line_writer const&) = delete;

  template <std::size_t Size>
  line_writer& text(char const (&literal)[Size]) {
    for (std::size_t i = 0; i + 1 < Size; ++i) put(literal[i]);
    return *this;
  }
  /// A number in base 10.
  line_writer& decimal(std::uint64_t value) {
    char digits[20];
    std::size_t count = 0;
    do digits[count++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    while (count > 0) put(digits[--count]);
    return *this;
  }
  /// A number in base 16, with `0x` in front.
  line_writer& hex(std::uint64_t value) {
    text("0x");
    unsigned shift = 60;
    while (shift > 0 && value >> shift == 0) shift -= 4;
    for (;; shift -= 4) {
      put("0123456789abcdef"[value >> shift & 15]);
      if (shift == 0) return *this;
    }
  }
  /// An interval, its first and its last address.
  template <class Address>
  line_writer& span(interval<Address> const& r) {
    return hex(r.start().value).text("-").hex(r.last().value);
  }
  /// The address of an object, which tells it from others.
  template <class T>
  line_writer& address(T const* object) {
    return hex(reinterpret_cast<std::uintptr_t>(object));
  }
  /// Ends the line.
  void end() {
    put('\n');
    hand_over();
  }

 private:
  void put(char c) {
    if (size_ == capacity) hand_over();
    line_[size_++] = c;
  }
  void hand_over() {
    out_(text_piece{line_, size_});
    size_ = 0;
  }

  Out& out_;
  std::size_t size_ = 0;
  char line_[capacity];
};

}  // namespace detail

}  // namespace svm::inline v0
