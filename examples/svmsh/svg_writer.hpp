// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace svmsh {

/// At most two decimals, none that are zero.
std::string number_text(double value);
std::string precise_text(double value);
/// `1234567` as `1,234,567`.
std::string with_commas(std::string_view digits);
/// `1.5 MiB`.
std::string bytes_text(std::uint64_t bytes);
std::string bytes_text(std::string_view digits);
/// `1.5 M`, for an axis.
std::string count_text(double count);
std::string pages_text(std::uint64_t pages);
/// The least 1, 2 or 5 times a power of ten that is not below `least`, at least 1.
double nice_step(double least);

/// Text as XML may hold it: file names are bytes of any kind.
std::string xml_text(std::string_view content);

/// Writes elements of an SVG document.
class svg_writer {
 public:
  void raw(std::string_view text) { text_ += text; }
  void rect(double x, double y, double width, double height, std::string_view name);
  void line(double x1, double y1, double x2, double y2, std::string_view name);
  /// `content` may hold anything; what XML cannot is replaced.
  void text(double x, double y, std::string_view name, std::string_view content);
  void use(std::string_view id, double x, double y, double scale = 1);
  /// An invisible rectangle with a title for the pointer.
  void hit(double x, double y, double width, double height, std::string_view title);

  [[nodiscard]] std::string take() { return std::exchange(text_, {}); }

 private:
  void attribute(std::string_view name, double value);

  std::string text_;
};

}  // namespace svmsh
